"""A user's own code on this machine: looked at as text, its digest put into the job, put where the stages read it."""

from pathlib import Path

import pytest
from training_manifests import manifest

from steelyard.api.errors import ConfigurationError
from steelyard.api.loading import apply_overrides, parse_training_job
from steelyard.contract.code_digest import code_digest
from steelyard.local.code_check import check_own_code, code_fault, put_own_code
from steelyard.local.job import LocalJob
from steelyard.planning import plan

NET = """
try:
    from fast import build as quick
except ImportError:
    quick = None
match 1:
    case _:
        def in_a_match(data): ...
class Net: ...
def build_model(data): raise SystemExit("never called")
raise SystemExit("never imported")
"""


def job_of(folder: Path, *overrides: str, function: str = "net:build_model", code: str = "{path: code}") -> LocalJob:
    own = f'spec.model={{entrypoint: {{function: "{function}", framework: Keras, code: {code}}}}}'
    return LocalJob.of(parse_training_job(apply_overrides(manifest(), [own, *overrides])), folder / "job.yaml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code" / "parts").mkdir(parents=True)
    (tmp_path / "code" / "net.py").write_text(NET)
    (tmp_path / "code" / "parts" / "__init__.py").write_text("from .more import *")
    return tmp_path


@pytest.mark.parametrize("function", ["net:build_model", "net:Net", "net:quick", "net:in_a_match", "parts:anything"])
def test_what_looks_as_if_it_were_there_passes_without_being_imported(function: str, folder: Path) -> None:
    check_own_code(job_of(folder, function=function))


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (
            "json.net:build_model",
            r"'json' is a module of Python's standard library, .*; rename the folder or file json",
        ),
        ("nett:build_model", r"code has no module 'nett'; did you mean net\?; its modules are net, parts"),
        (
            "net:build_modle",
            r"net\.py has no function 'build_modle'; did you mean build_model\?; its functions are",
        ),
    ],
)
def test_a_module_or_function_that_is_not_there_is_said_with_the_nearest(
    function: str, said: str, folder: Path
) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        check_own_code(job_of(folder, function=function))
    assert caught.value.message.startswith("spec.model.entrypoint.function: ") and caught.value.exit_code == 78


def test_code_with_a_byte_order_mark_or_in_another_encoding_is_read_as_python_reads_it(folder: Path) -> None:
    for content in (NET.encode("utf-8-sig"), f"# coding: latin-1\n# \xe4\n{NET}".encode("latin-1")):
        (folder / "code" / "net.py").write_bytes(content)
        check_own_code(job_of(folder))


def test_code_that_is_no_python_is_said_with_its_line(folder: Path) -> None:
    (folder / "code" / "net.py").write_text("a = 1\ndef build_model(:\n")
    with pytest.raises(ConfigurationError, match=r"code, net\.py, line 2: invalid syntax"):
        check_own_code(job_of(folder))


def test_a_folder_that_is_not_there_or_no_folder_or_of_another_digest_is_refused(folder: Path) -> None:
    for code, said in (
        ("{path: gone}", r"code\.path: gone does not exist: there is no folder .*/gone"),
        ("{path: code/net.py}", r"net\.py is no folder; name the one that net\.py lies in"),
        (f"{{path: code, sha256: {'a' * 64}}}", f"has the digest .*, but sha256 says {'a' * 64}"),
        ("{configMap: net}", r"'net' is on a cluster; a run on this machine reads a folder"),
        ("{uri: 'pvc://claim/net.zip'}", r"code\.uri: pvc://claim/net\.zip does not exist"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            check_own_code(job_of(folder, code=code))
    assert code_fault(job_of(folder, code="{configMap: net}")) is None


def test_the_key_of_train_has_the_digest_and_not_the_place(folder: Path) -> None:
    def keys(job: LocalJob) -> list[str]:
        return [stage.key for stage in plan(job.job, source_digest="s", trainer_version="1").stages]

    before = keys(job_of(folder))
    (folder / "code").rename(folder / "moved")
    assert keys(job_of(folder, code="{path: moved}")) == before
    (folder / "moved" / "net.py").write_text("def build_model(data): return 1")
    after = keys(job_of(folder, code="{path: moved}"))
    assert after[0] == before[0] and after[1] != before[1]


def test_the_stages_read_a_copy_that_nobody_changes(folder: Path) -> None:
    job = job_of(folder)
    assert job.job.spec.code is not None and job.job.spec.code.sha256 == code_digest(folder / "code")
    job.workspace.root.mkdir(parents=True)
    put_own_code(job)
    assert job.code == job.workspace.code and code_digest(job.code) == job.job.spec.code.sha256
    (folder / "code" / "net.py").write_text("changed")
    assert (job.code / "net.py").read_text() == NET
    with pytest.raises(ConfigurationError, match="but sha256 says"):
        put_own_code(job)
