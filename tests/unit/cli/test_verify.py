"""`verify` on a folder that is laid out like a published model: no change goes unnoticed."""

import json
from pathlib import Path

import pytest
from published_support import made

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.cli.output import OutputFormat
from steelyard.cli.verify import verify as command
from steelyard.contract.package import (
    KNOWN_FILES,
    PAGE_FILE,
    REPORT_FILE,
    RUNTIME_FILES,
    SEARCH_FILE,
    SEARCH_PAGE_FILE,
    SUMS_FILE,
    files_of,
)
from steelyard.stores.integrity import digest_of, sums_of, verify


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return made(tmp_path / "model")


def problems(model: Path, digest: str | None = None) -> list[str]:
    return [str(problem) for problem in verify(model, digest)]


def test_a_model_that_was_not_touched_is_intact(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert problems(model) == problems(model, digest_of(model)) == []
    assert problems(model, digest_of(model).removeprefix("sha256:")) == []
    command(model)
    assert digest_of(model) in capsys.readouterr().out


OF_A_SEARCH = (SEARCH_PAGE_FILE, SEARCH_FILE)


@pytest.mark.parametrize("name", sorted([*files_of("OnnxRuntime"), *OF_A_SEARCH]))
def test_a_model_of_scikit_learn_is_intact_with_all_that_it_was_published_with(tmp_path: Path, name: str) -> None:
    model = made(tmp_path / "model", OF_A_SEARCH, runtime="OnnxRuntime")
    assert problems(model) == []
    content = bytearray((model / name).read_bytes())
    content[-1] ^= 1
    (model / name).write_bytes(content)
    assert problems(model) == [f"{name} is wrong: its content is not what was published"]
    (model / name).unlink()
    assert problems(model) == [f"{name} is missing"]


def test_a_model_of_scikit_learn_is_never_without_its_skops_file(tmp_path: Path) -> None:
    model = made(tmp_path / "model", OF_A_SEARCH, runtime="OnnxRuntime")
    lines = (model / SUMS_FILE).read_text().splitlines(keepends=True)
    (model / "model.skops").unlink()
    (model / SUMS_FILE).write_text("".join(line for line in lines if "model.skops" not in line))
    assert problems(model) == ["SHA256SUMS is wrong: it does not list model.skops"]


@pytest.mark.parametrize("name", sorted(files_of("LiteRT")))
def test_a_changed_file_is_named(model: Path, name: str) -> None:
    content = bytearray((model / name).read_bytes())
    content[3] ^= 1
    (model / name).write_bytes(content)
    assert problems(model) == [f"{name} is wrong: its content is not what was published"]


def test_a_missing_file_is_named(model: Path) -> None:
    (model / "model.keras").unlink()
    assert problems(model) == ["model.keras is missing"]


def test_what_is_too_many_is_named(model: Path, tmp_path: Path) -> None:
    (model / "notes.txt").touch()
    (model / "folder").mkdir()
    (model / ".hidden").symlink_to(tmp_path)
    assert [problem.split(" is too many")[0] for problem in problems(model)] == [".hidden", "folder", "notes.txt"]


def test_a_link_to_an_equal_file_is_not_what_was_published(model: Path, tmp_path: Path) -> None:
    (model / "README.md").rename(tmp_path / "elsewhere")
    (model / "README.md").symlink_to(tmp_path / "elsewhere")
    assert problems(model) == ["README.md is wrong: it is not a plain file"]


def test_missing_checksums_are_named(model: Path) -> None:
    (model / SUMS_FILE).unlink()
    assert problems(model) == ["SHA256SUMS is missing"]


def test_a_file_that_is_not_listed_any_more_is_found(model: Path) -> None:
    """Taken out of the folder and of the checksums alike."""
    (model / "model.keras").unlink()
    lines = (model / SUMS_FILE).read_text().splitlines(keepends=True)
    (model / SUMS_FILE).write_text("".join(line for line in lines if "model.keras" not in line))
    assert problems(model) == ["SHA256SUMS is wrong: it does not list model.keras"]


@pytest.mark.parametrize("runtime", RUNTIME_FILES)
def test_a_model_is_never_without_a_file_that_its_runtime_needs(tmp_path: Path, runtime: str) -> None:
    for name in sorted(files_of(runtime) - {REPORT_FILE}):
        model = made(tmp_path / name, runtime=runtime)
        (model / name).unlink()
        (model / SUMS_FILE).write_bytes(sums_of(model))
        assert problems(model) == [f"SHA256SUMS is wrong: it does not list {name}"]


def test_a_model_of_before_the_page_needs_none(model: Path) -> None:
    document = json.loads((model / REPORT_FILE).read_text())
    (model / REPORT_FILE).write_text(json.dumps({**document, "formatVersion": 2}))
    (model / PAGE_FILE).unlink()
    (model / SUMS_FILE).write_bytes(sums_of(model))
    assert problems(model) == []


def test_what_came_as_a_saved_model_has_no_network_beside_it(model: Path) -> None:
    document = json.loads((model / REPORT_FILE).read_text())
    training = {"parts": [], "format": "SavedModel", "digest": "0", "weights": 3}
    (model / REPORT_FILE).write_text(json.dumps({**document, "training": training}))
    (model / "model.keras").unlink()
    (model / SUMS_FILE).write_bytes(sums_of(model))
    assert problems(model) == []


def test_what_is_published_may_be_replaced() -> None:
    for runtime in RUNTIME_FILES:
        assert files_of(runtime) | {SUMS_FILE, *OF_A_SEARCH} <= KNOWN_FILES


def test_a_change_with_matching_checksums_is_found_by_the_digest(model: Path) -> None:
    published = digest_of(model)
    (model / "README.md").write_text("another")
    (model / SUMS_FILE).write_bytes(sums_of(model))
    assert problems(model) == []
    assert "has another digest" in problems(model, published)[0]


def test_the_command_names_the_files_and_ends_with_65(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model / "model.tflite").unlink()
    with pytest.raises(DataError) as caught:
        command(model)
    assert (caught.value.reason, caught.value.exit_code) == ("ModelNotIntact", 65)
    assert "model.tflite is missing" in caught.value.message
    assert "sha256" not in capsys.readouterr().out


def test_the_command_in_json(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(model, output=OutputFormat.JSON)
    assert json.loads(capsys.readouterr().out) == {"intact": True, "digest": digest_of(model), "problems": []}
    (model / "README.md").unlink()
    with pytest.raises(DataError):
        command(model, output=OutputFormat.JSON)
    document = json.loads(capsys.readouterr().out)
    assert document == {
        "intact": False,
        "digest": None,
        "problems": [{"file": "README.md", "problem": "is missing"}],
    }


def test_what_is_no_published_model_ends_with_78(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place, said in (
        (tmp_path / "nowhere", "does not exist"),
        (model / "README.md", "is a file"),
        (tmp_path / "empty", "holds no published model"),
    ):
        with pytest.raises(ConfigurationError, match=said) as caught:
            command(place)
        assert caught.value.exit_code == 78


def test_a_digest_that_is_none_is_refused(model: Path) -> None:
    with pytest.raises(ConfigurationError, match="--digest"):
        command(model, digest="md5:0")
