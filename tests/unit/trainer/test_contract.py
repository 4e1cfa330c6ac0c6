"""The trainer's side of the contract: what it is given, results that fit, errors in a user's words."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.api.errors import MORE_ROOM_ON_A_CLUSTER, ConfigurationError, explain_os_error
from steelyard.contract.stages import RESULT_LIMIT_BYTES, Env, ExitCode, Reason, Result
from steelyard_trainer.attempts import Attempt
from steelyard_trainer.contract import StageContext, as_os_error, explain, fit_result, write_result

MANIFEST = {
    "apiVersion": "steelyard.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "tested"},
    "spec": {
        "dataset": {"uri": "pvc://data/tables/t.csv", "target": "y"},
        "model": {"linear": {}},
        "publish": [{"uri": "pvc://models/tested"}],
    },
}

texts = st.text(max_size=6000)


@given(
    texts, st.dictionaries(st.text(max_size=20), st.one_of(texts, st.lists(st.integers(), max_size=3000)), max_size=6)
)
def test_a_result_always_fits_and_stays_json(message, summary):
    encoded = fit_result(Result("train", "k" * 64, "Succeeded", message, summary))
    assert len(encoded) <= RESULT_LIMIT_BYTES
    document = json.loads(encoded)
    assert document["reason"] == "Succeeded"
    assert document["key"] == "k" * 64


def test_a_small_result_is_not_touched():
    result = Result("finish", "k", "Succeeded", "done", {"candidates": [{"name": "Int8"}] * 5})
    assert Result.from_json(json.loads(fit_result(result))) == result


@pytest.mark.parametrize(
    ("number", "reason", "word"),
    [
        (errno.ENOSPC, Reason.NO_SPACE, "room"),
        (errno.EACCES, Reason.NOT_WRITABLE, "can't"),
        (errno.EROFS, Reason.NOT_WRITABLE, "can't"),
    ],
)
def test_a_full_or_closed_disk_is_explained(number, reason, word):
    explained = explain_os_error(OSError(number, "as the system says", "/some/where"))
    assert explained is not None
    assert explained.reason == reason
    assert explained.exit_code == ExitCode.CONFIGURATION
    assert word in explained.message
    assert "/some/where" in explained.message


def test_a_full_disk_is_known_by_a_librarys_own_error():
    said = "{{function_node SaveV2}} variables/part-00000.tempstate12; No space left on device [Op:SaveV2]"
    fault = as_os_error(RuntimeError(said))
    assert fault is not None and fault.errno == errno.ENOSPC
    explained = explain(fault)
    assert explained is not None and explained.reason == Reason.NO_SPACE
    assert as_os_error(RuntimeError("out of memory [Op:MatMul]")) is None


def test_a_full_disk_on_a_cluster_names_the_fields_that_help():
    explained = explain_os_error(OSError(errno.ENOSPC, "full"), MORE_ROOM_ON_A_CLUSTER)
    assert "spec.workspace.storage" in explained.message and "spec.workspace.claimName" in explained.message


def test_other_faults_of_the_system_are_no_users_mistake():
    assert explain_os_error(OSError(errno.EIO, "I/O error")) is None


def test_a_stage_without_its_environment_says_what_is_missing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "steelyard_trainer", "prepare"],
        env={"STEELYARD_RESULT_FILE": str(tmp_path / "result.json")},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == ExitCode.CONFIGURATION
    assert (
        "neither STEELYARD_SPEC nor STEELYARD_SPEC_FILE"
        in json.loads((tmp_path / "result.json").read_text())["message"]
    )
    assert "Traceback" not in done.stderr


def test_an_unknown_stage_is_refused():
    done = subprocess.run(
        [sys.executable, "-m", "steelyard_trainer", "dance"], check=False, capture_output=True, text=True
    )
    assert done.returncode not in (ExitCode.DONE, ExitCode.TRY_AGAIN)
    assert "prepare|train|finish" in done.stderr


@pytest.fixture
def on_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment that a pod is given."""
    for name, value in {
        Env.SPEC: json.dumps(MANIFEST),
        Env.WORKSPACE: str(tmp_path),
        Env.CLAIMS: json.dumps({"data": "/steelyard/claims/data"}),
        Env.STAGE_KEY: "k",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_a_pod_is_given_the_manifest_itself_and_its_claims(on_a_cluster: pytest.MonkeyPatch) -> None:
    context = StageContext.from_environment("prepare")
    assert context.job.metadata.name == "tested"
    assert context.resolve("pvc://data/tables/t.csv") == Path("/steelyard/claims/data/tables/t.csv")
    assert context.reaches("pvc://data/anything") and not context.reaches("pvc://models/tested")
    with pytest.raises(ConfigurationError, match="the claim 'models' is not mounted here"):
        context.resolve("pvc://models/tested")
    # There is no folder of the user's, and nothing is called by its path in the container.
    assert not context.reaches("models/tested")
    with pytest.raises(ConfigurationError, match="lies on no claim"):
        context.resolve("file:models/tested")
    assert context.show("pvc://models/tested") == "pvc://models/tested"
    on_a_cluster.setenv(Env.SPEC, json.dumps({**MANIFEST, "kind": "Job"}))
    with pytest.raises(ConfigurationError, match="STEELYARD_SPEC is not valid"):
        StageContext.from_environment("prepare")


def test_on_the_users_machine_places_are_called_by_their_paths(
    tmp_path: Path, on_a_cluster: pytest.MonkeyPatch
) -> None:
    on_a_cluster.setenv(Env.BASE_DIR, str(tmp_path))
    context = StageContext.from_environment("finish")
    assert context.show("pvc://data/t.csv") == "/steelyard/claims/data/t.csv"
    assert context.show("models/tested") == str(tmp_path / "models/tested")


def test_a_child_has_the_attempt_of_its_supervisor(on_a_cluster: pytest.MonkeyPatch) -> None:
    context = StageContext.from_environment("train")
    assert context.attempt is None
    context.check_attempt()
    attempt = Attempt.take(context.workspace, "train")
    on_a_cluster.setenv(Env.ATTEMPT, str(attempt.number))
    assert StageContext.from_environment("train").attempt == attempt


def test_a_result_file_that_is_there_is_written_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the termination message's file, which is a mount of its own and can't be replaced by another."""
    path = tmp_path / "termination-log"
    path.write_text("x" * 9000)
    inode = path.stat().st_ino
    monkeypatch.setenv(Env.RESULT_FILE, str(path))
    result = Result("train", "k", "Succeeded", "done")
    write_result(result)
    assert path.stat().st_ino == inode
    assert Result.from_json(json.loads(path.read_bytes())) == result


STAGE = """
import errno, os, signal, sys, time
from steelyard_trainer.contract import StageContext, run_stage
def work(context):
    {}
run_stage("prepare", work, StageContext.from_environment)
"""


def run_stage_that(does: str, result: Path) -> int:
    return subprocess.run(
        [sys.executable, "-c", STAGE.format(does)], env={**os.environ, Env.RESULT_FILE: str(result)}, check=False
    ).returncode


@pytest.mark.usefixtures("on_a_cluster")
def test_sigterm_ends_a_stage_with_try_again_and_a_result_that_says_so(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    assert run_stage_that("os.kill(os.getpid(), signal.SIGTERM); time.sleep(600)", result) == ExitCode.TRY_AGAIN
    assert json.loads(result.read_bytes())["reason"] == Reason.INTERRUPTED


@pytest.mark.usefixtures("on_a_cluster")
@pytest.mark.parametrize("number", ["EIO", "ESTALE", "ENOTCONN"])
def test_storage_that_was_lost_is_something_to_try_again(tmp_path: Path, number: str) -> None:
    result = tmp_path / "result.json"
    lost = f"raise OSError(errno.{number}, 'as the system says', '/steelyard/workspace/prepared')"
    assert run_stage_that(lost, result) == ExitCode.TRY_AGAIN
    document = json.loads(result.read_bytes())
    assert document["reason"] == Reason.STORAGE_LOST
    assert "/steelyard/workspace/prepared" in document["message"]


@pytest.mark.usefixtures("on_a_cluster")
def test_a_result_that_can_not_be_written_does_not_change_the_exit_code(tmp_path: Path) -> None:
    closed = "path = os.environ['STEELYARD_RESULT_FILE']; os.unlink(path); os.mkdir(path); raise OSError(errno.EIO, '')"
    assert run_stage_that(closed, tmp_path / "result.json") == ExitCode.TRY_AGAIN


def test_sigterm_is_heeded_from_the_first_moment() -> None:
    """As the first process of a container, which no signal ends that it does not handle."""
    script = """
import importlib.abc, os, signal, sys
class Interrupting(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "steelyard_trainer.contract":
            os.kill(os.getpid(), signal.SIGTERM)
sys.meta_path.insert(0, Interrupting())
sys.argv = ["steelyard_trainer", "prepare"]
import runpy
runpy.run_module("steelyard_trainer", run_name="__main__", alter_sys=True)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert done.returncode == ExitCode.TRY_AGAIN
