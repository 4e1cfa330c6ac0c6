"""The trainer's side of the contract: results that fit, errors in a user's words."""

import errno
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.api.contract import RESULT_LIMIT_BYTES, ExitCode, Reason, Result
from steelyard.api.errors import explain_os_error
from steelyard_trainer.contract import fit_result

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
    assert "STEELYARD_SPEC_FILE" in json.loads((tmp_path / "result.json").read_text())["message"]
    assert "Traceback" not in done.stderr


def test_an_unknown_stage_is_refused():
    done = subprocess.run(
        [sys.executable, "-m", "steelyard_trainer", "dance"], check=False, capture_output=True, text=True
    )
    assert done.returncode not in (ExitCode.DONE, ExitCode.TRY_AGAIN)
    assert "prepare|train|finish" in done.stderr
