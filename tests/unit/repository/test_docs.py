"""What the documents say is so: the reference is up to date, links lead somewhere, examples are valid, locks agree."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from repository_support import ROOT

from steelyard.api.fields import schema_of
from steelyard.api.training_job import TrainingJob
from steelyard.api.tuning_job import TuningJob
from steelyard.contract.stages import Env, ExitCode, Reason
from steelyard.schema.reference import main, references
from steelyard.search.manifest import parse_manifest

DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md")]


def test_the_reference_is_up_to_date(tmp_path: Path) -> None:
    main([str(tmp_path)])
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert set(written) == {"manifest.md", "tuning-job.md"}
    assert {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in written} == written, "run make docs"


@pytest.mark.parametrize("name", references())
def test_every_link_of_the_reference_leads_to_a_heading(name: str) -> None:
    anchors = {document: _anchors(text) for document, text in references().items()}
    links = re.findall(r"\]\(([\w.-]*)#([^)]+)\)", references()[name])
    assert links
    assert [anchor for document, anchor in links if anchor not in anchors[document or name]] == []


def _anchors(text: str) -> set[str]:
    """Those that GitHub makes of headings."""
    return {
        re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-"))
        for heading in re.findall(r"^## (.+)$", text, re.MULTILINE)
    }


def test_the_reference_names_every_field_of_both_kinds() -> None:
    for name, kind in (("manifest.md", TrainingJob), ("tuning-job.md", TuningJob)):
        text = references()[name]
        paths = [path for path in schema_of(kind).paths() if not path.startswith("spec.template.") or name[0] == "m"]
        assert len(paths) > 40
        assert [path for path in paths if f"| `{path.rpartition('.')[2]}` |" not in text] == []


def test_every_path_that_contributing_names_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:operator|images|tests|examples|charts|benchmarks|docs|crds)/[\w./-]+)`", text)
    assert len(paths) > 40
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_whole_manifest_in_a_document_is_valid(path: Path) -> None:
    for block in re.findall(r"```yaml\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
        if block.startswith("apiVersion:"):
            parse_manifest(yaml.safe_load(block), source=path.name)


def test_the_first_screen_of_the_readme_shows_a_manifest_and_the_two_commands() -> None:
    first_screen = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:40])
    assert "```yaml\napiVersion: steelyard.dev/v1alpha1" in first_screen
    assert "    make run " in first_screen and "    make test " in first_screen


def test_the_readme_answers_what_newcomers_ask() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", text)
    assert len(pictures) >= 2 and all((ROOT / name).stat().st_size < 60_000 for name in pictures)
    (python,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert (
        len(python.split("\n\n")) == 2
        and len(list(filter(None, python.splitlines()))) == 3
        and "steelyard.load(" in python
    )
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings.index("Your own table") < headings.index("Predict from Python") < headings.index("Can I ...?")
    linked = set(re.findall(r"\]\(docs/([\w-]+\.md)\)", text))
    assert {path.name for path in (ROOT / "docs").glob("*.md")} == linked


def test_the_contract_names_every_variable_exit_code_and_reason() -> None:
    text = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    assert [str(variable) for variable in Env if f"`{variable}`" not in text] == []
    assert [code.value for code in ExitCode if f"| {code.value} |" not in text] == []
    assert [str(reason) for reason in Reason if f"`{reason}`" not in text] == []


def pins(name: str) -> dict[str, str]:
    """Each package of a lock file, with its version and the condition under which it is installed."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    matches = (re.match(r"([a-z0-9._-]+)==(\S+)(?: ; (.*?))?(?: \\)?$", line) for line in lines)
    return {match[1] + f" ; {match[3] or 'always'}": match[2] for match in matches if match}


def test_the_development_lock_holds_all_of_the_other_at_the_same_versions() -> None:
    run, development = pins("requirements.lock"), pins("requirements-dev.lock")
    # The condition under which a package is installed may be wider in the one than in the other.
    versions = {(name.partition(" ;")[0], version) for name, version in development.items()}
    assert len(run) > 20
    assert {(name.partition(" ;")[0], version) for name, version in run.items()} <= versions
    assert {"pytest", "ruff", "mypy", "uv"} <= {name for name, _ in versions}


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_names_hashes_and_no_package_index(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text and "--index-url" not in text and "--find-links" not in text
    assert all("--hash=sha256:" in block for block in re.split(r"\n(?=\S)", text.strip()))
    assert "setuptools" in {pin.partition(" ;")[0] for pin in pins(name)}, "the project itself is built with it"


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["trainer"]]
    asked += project["project"]["optional-dependencies"]["serving"]
    names = {re.split(r"[\[><=;~! ]", requirement)[0].lower() for requirement in asked} - {"steelyard"}
    locked = {pin.partition(" ;")[0] for pin in pins("requirements.lock")}
    assert names <= locked


def test_the_licence_is_the_whole_apache_licence() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Version 2.0, January 2004" in text and "END OF TERMS AND CONDITIONS" in text
    assert "9. Accepting Warranty or Additional Liability" in text
