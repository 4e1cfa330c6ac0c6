"""Who may write: only the process with the highest number, however many take one at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from steelyard.api.errors import SteelyardError
from steelyard.contract.stages import ExitCode, Reason
from steelyard.contract.workspace import Workspace
from steelyard_trainer.attempts import Attempt


def test_numbers_rise_by_stage_and_the_last_one_may_write(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    first, second = Attempt.take(workspace, "train"), Attempt.take(workspace, "train")
    assert (first.number, second.number) == (1, 2)
    assert Attempt.take(workspace, "prepare").number == 1
    second.check()
    with pytest.raises(SteelyardError, match="attempt 1, but attempt 2") as raised:
        first.check()
    assert (raised.value.reason, raised.value.exit_code) == (Reason.ATTEMPT_SUPERSEDED, ExitCode.TRY_AGAIN)


def test_a_child_has_its_parents_number(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    parent = Attempt.take(workspace, "train")
    child = Attempt.taken(workspace, "train", parent.number)
    child.check()
    Attempt.take(workspace, "train")
    with pytest.raises(SteelyardError):
        child.check()


def test_the_tenth_is_above_the_ninth_and_other_files_are_no_numbers(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    taken = [Attempt.take(workspace, "finish").number for _ in range(11)]
    (workspace.attempts / "finish" / ".nfs0001").touch()
    assert taken == list(range(1, 12))
    assert Attempt.take(workspace, "finish").number == 12


def test_no_two_have_the_same_number_where_many_take_one_at_once(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with ThreadPoolExecutor(16) as pool:
        attempts = list(pool.map(lambda _: Attempt.take(workspace, "train"), range(64)))
    assert sorted(attempt.number for attempt in attempts) == list(range(1, 65))
