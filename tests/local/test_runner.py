"""The local runner with programs of a few lines: order, skips, resumes, failures, signals, the lock. No TensorFlow."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import psutil
import pytest
from runner_support import TRAIN, Programs, run_job, write_job

from steelyard.api.errors import ConfigurationError
from steelyard.contract.events import Event, RunEnded, StageEnded, StageRetried, StageSkipped, StageStarted
from steelyard.contract.stages import Notice, Progress
from steelyard.local import processes
from steelyard.local.job import LocalJob
from steelyard.local.processes import launch_trainer
from steelyard.planning import Stage

HANG = "time.sleep(600)"
IGNORE_SIGTERM = "signal.signal(signal.SIGTERM, signal.SIG_IGN); say(event='notice', stage=stage, message='deaf')\n"


def signal_on(kind: type, *numbers: int) -> Callable[[Event], None]:
    """A watcher that sends this process signals, one at each event of a kind."""
    left = list(numbers)

    def watch(event: Event) -> None:
        if isinstance(event, kind) and left:
            os.kill(os.getpid(), left.pop(0))

    return watch


def test_stages_run_in_order_with_their_workers_and_the_environment_of_the_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What another program has set is not for the stages.
    monkeypatch.setenv("STEELYARD_WORKERS", "a:1")
    write_job(tmp_path, training={"workers": 3}, compression={})
    programs = Programs()
    run = run_job(tmp_path, programs)
    assert run.error is None
    assert programs.started == [("prepare", 0), ("train", 0), ("train", 1), ("train", 2), ("finish", 0)]
    prepare, *train, _ = programs.environments
    assert "STEELYARD_WORKERS" not in prepare and prepare["STEELYARD_PARENT_PID"] == str(os.getpid())
    addresses = train[0]["STEELYARD_WORKERS"].split(",") + train[0]["STEELYARD_SUPERVISORS"].split(",")
    assert len(set(addresses)) == 6
    assert [each["STEELYARD_WORKER_INDEX"] for each in train] == ["0", "1", "2"]
    assert int(train[0]["STEELYARD_THREADS"]) >= 1
    assert list(run.true_conditions) == ["Prepared", "Trained", "Evaluated", "Compressed", "Published", "Complete"]
    assert [event.stage for event in run.of(StageEnded)] == ["prepare", "train", "finish"]
    assert run.events[-1] == run.of(RunEnded)[0] and run.events[-1].summary["chosen"] == "Int8"


def test_progress_and_notices_are_told_and_other_lines_are_not(tmp_path: Path) -> None:
    write_job(tmp_path)
    program = """
print("W0000 some library's warning"); print('{"event": "progress"}'); print("[1, 2]"); print("{broken")
sys.stdout.write('{"event": "progress", "stage": "prepare", "done": 1, '); sys.stdout.flush(); time.sleep(0.2)
say_rest = '"total": 2, "unit": "rows", "values": {"loss": 0.5}}'; print(say_rest)
say(event="notice", stage=stage, message="half", reason="Resumed")
made(workspace / "prepared/dataset.json", json.dumps({"key": key})); end(0)
"""
    run = run_job(tmp_path, Programs(prepare=program))
    assert run.of(Progress) == [Progress("prepare", 1, 2, "rows", {"loss": 0.5}, 0)]
    assert run.of(Notice) == [Notice("prepare", "half", "Resumed", 0)]
    assert "some library's warning" in (tmp_path / ".steelyard/tiny/logs/prepare-0.log").read_text()


def test_a_finished_job_is_not_done_again_unless_forced(tmp_path: Path) -> None:
    write_job(tmp_path)
    run_job(tmp_path, Programs())
    again = Programs()
    run = run_job(tmp_path, again)
    assert again.started == [] and run.error is None
    assert len(run.of(StageSkipped)) == 3 and run.events[-1].reason == "AlreadyFinished"
    assert "Complete" in run.true_conditions
    leftover = tmp_path / ".steelyard/tiny/prepared/leftover"
    leftover.touch()
    forced = Programs()
    assert run_job(tmp_path, forced, force=True).error is None
    assert [name for name, _ in forced.started] == ["prepare", "train", "finish"]
    assert not leftover.exists()


def test_a_changed_field_redoes_its_stage_and_what_follows_and_says_why(tmp_path: Path) -> None:
    write_job(tmp_path)
    run_job(tmp_path, Programs())
    programs = Programs()
    run = run_job(tmp_path, programs, overrides=("training.epochs=7",))
    assert [name for name, _ in programs.started] == ["train", "finish"]
    assert [event.message for event in run.of(StageStarted)] == ["changed: training.epochs", "train is done again"]
    assert [event.stage for event in run.of(StageSkipped)] == ["prepare"]


def test_a_changed_source_redoes_everything_and_a_touched_one_nothing(tmp_path: Path) -> None:
    write_job(tmp_path)
    run_job(tmp_path, Programs())
    table = tmp_path / "table.csv"
    os.utime(table, (1, 1))
    untouched = Programs()
    run_job(tmp_path, untouched)
    assert untouched.started == []
    table.write_text(table.read_text() + "9,9,yes\n")
    programs = Programs()
    run = run_job(tmp_path, programs)
    assert [name for name, _ in programs.started] == ["prepare", "train", "finish"]
    assert run.of(StageStarted)[0].message == "changed: source"


def test_what_is_gone_is_made_again(tmp_path: Path) -> None:
    write_job(tmp_path)
    run_job(tmp_path, Programs())
    (tmp_path / "models/tiny/SHA256SUMS").write_text("another model's")
    programs = Programs()
    run = run_job(tmp_path, programs)
    assert [name for name, _ in programs.started] == ["finish"]
    assert run.of(StageStarted)[0].message == "what it made is gone"


@pytest.mark.parametrize(("code", "reason"), [(65, "InvalidData"), (78, "InvalidConfiguration"), (10, "GateFailed")])
def test_a_permanent_end_fails_the_job_at_once_and_ends_the_other_workers(
    tmp_path: Path, code: int, reason: str
) -> None:
    write_job(tmp_path, training={"workers": 2})
    program = f"end({code}, 'ItsOwnReason', 'column b is bad') if worker else {HANG}"
    run = run_job(tmp_path, Programs(train=program))
    assert run.error is not None and (run.error.exit_code, run.error.reason) == (code, "ItsOwnReason")
    assert run.error.message == "column b is bad"
    assert run.of(StageRetried) == []
    assert run.true_conditions == {"Prepared": "Succeeded", "Failed": "ItsOwnReason"}
    # Without a result document the exit code says it alone. What failed is tried again by the next run.
    silent = run_job(tmp_path, Programs(train=f"sys.exit({code})"))
    assert silent.error is not None and (silent.error.exit_code, silent.error.reason) == (code, reason)
    assert run_job(tmp_path, Programs()).error is None


def test_a_stage_that_crashes_again_and_again_fails_the_job(tmp_path: Path) -> None:
    write_job(tmp_path, runPolicy={"backoffLimit": 2})
    programs = Programs(prepare="print('not this again', flush=True); os.kill(os.getpid(), signal.SIGKILL)")
    run = run_job(tmp_path, programs)
    assert len(programs.started) == 3
    assert run.error is not None and (run.error.exit_code, run.error.reason) == (1, "BackoffLimitExceeded")
    assert "SIGKILL" in run.error.message and "not this again" in run.error.message
    assert [event.pause_seconds for event in run.of(StageRetried)] == pytest.approx([0.01, 0.02])


def test_a_crash_of_one_worker_starts_all_again(tmp_path: Path) -> None:
    write_job(tmp_path, training={"workers": 2})
    program = f"""
mark = workspace / "crashed"
if worker == 1 and not mark.exists():
    mark.touch(); os.abort()
if not mark.exists(): {HANG}
{TRAIN}
"""
    programs = Programs(train=program)
    run = run_job(tmp_path, programs)
    assert run.error is None
    assert programs.started.count(("train", 0)) == programs.started.count(("train", 1)) == 2
    assert [(event.reason, event.stage) for event in run.of(StageRetried)] == [("Crashed", "train")]


def test_an_end_without_a_result_of_this_stage_is_a_crash(tmp_path: Path) -> None:
    write_job(tmp_path, runPolicy={"backoffLimit": 0})
    run = run_job(tmp_path, Programs(train="key = 'of before'; end(0)"))
    assert run.error is not None and run.error.reason == "BackoffLimitExceeded"
    assert "left no result" in run.error.message


def test_the_result_of_an_attempt_before_is_not_taken_for_that_of_the_last(tmp_path: Path) -> None:
    write_job(tmp_path, runPolicy={"backoffLimit": 0})
    program = """
mark = workspace / "interrupted"
if not mark.exists():
    mark.touch(); end(75, 'WorkerLost', 'the storage was lost')
os.kill(os.getpid(), signal.SIGKILL)
"""
    run = run_job(tmp_path, Programs(prepare=program))
    assert [event.reason for event in run.of(StageRetried)] == ["WorkerLost"]
    assert run.error is not None and "SIGKILL" in run.error.message and "storage" not in run.error.message


def test_interruptions_from_outside_are_not_crashes_but_limited_too(tmp_path: Path) -> None:
    write_job(tmp_path, runPolicy={"backoffLimit": 0, "disruptionLimit": 3})
    programs = Programs(prepare="end(75, 'WorkerLost', 'the storage was lost')")
    run = run_job(tmp_path, programs)
    assert len(programs.started) == 4
    assert run.error is not None and (run.error.exit_code, run.error.reason) == (75, "RetriesExhausted")
    assert "the storage was lost" in run.error.message


@pytest.mark.parametrize(("code", "reason"), [(75, "WorkersNotReady"), (1, "BackoffLimitExceeded")])
def test_a_program_that_has_tried_enough_itself_is_not_started_again(tmp_path: Path, code: int, reason: str) -> None:
    write_job(tmp_path, training={"workers": 2})
    programs = Programs(train=f"end({code}, '{reason}', 'no answer from worker 1') if worker == 0 else {HANG}")
    run = run_job(tmp_path, programs)
    assert programs.started.count(("train", 0)) == 1
    assert run.error is not None and (run.error.exit_code, run.error.reason) == (code, reason)


def test_a_worker_that_never_starts_ends_the_job_with_its_name(tmp_path: Path) -> None:
    """The real trainer program, but for worker 1, in whose place something sleeps."""
    write_job(tmp_path, training={"workers": 2}, runPolicy={"gangTimeoutSeconds": 2})
    sleeper = Programs(train="time.sleep(600)")

    def launch(stage: Stage, index: int, environment: Mapping[str, str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
        start = sleeper if (stage.name, index) == ("train", 1) else launch_trainer
        return start(stage, index, environment, log)

    run = run_job(tmp_path, launch)
    assert run.error is not None and (run.error.exit_code, run.error.reason) == (75, "WorkersNotReady")
    assert "within 2 s" in run.error.message and "worker 1 (127.0.0.1:" in run.error.message
    assert run.true_conditions.get("Failed") == "WorkersNotReady"


def test_a_job_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    write_job(tmp_path, runPolicy={"activeDeadlineSeconds": 1})
    run = run_job(tmp_path, Programs(prepare=HANG))
    assert run.error is not None and (run.error.exit_code, run.error.reason) == (1, "DeadlineExceeded")
    assert run.true_conditions == {"Failed": "DeadlineExceeded"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_and_the_next_one_goes_on(tmp_path: Path, number: int, code: int) -> None:
    write_job(tmp_path)
    # Python's own, or, where the tests run in the background of a script, none.
    before = signal.getsignal(signal.SIGINT)
    grandchild = "say(event='notice', stage=stage, message='up'); subprocess.run(['sleep', '600'])"
    run = run_job(tmp_path, Programs(train=grandchild), watch=signal_on(Notice, number))
    assert run.error is not None and (run.error.exit_code, run.error.reason) == (code, "Interrupted")
    assert "same command again" in run.error.message
    assert signal.getsignal(signal.SIGINT) is before
    programs = Programs()
    resumed = run_job(tmp_path, programs)
    assert [name for name, _ in programs.started] == ["train", "finish"]
    assert resumed.of(StageStarted)[0].message == "it goes on where it stopped"


def test_a_program_that_ignores_sigterm_is_killed_after_three_seconds(tmp_path: Path) -> None:
    write_job(tmp_path)
    began = time.monotonic()
    run = run_job(tmp_path, Programs(prepare=IGNORE_SIGTERM + HANG), watch=signal_on(Notice, signal.SIGINT))
    assert run.error is not None and run.error.exit_code == 130
    assert time.monotonic() - began > 3


def test_a_second_signal_kills_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_job(tmp_path)
    patience = 60.0
    monkeypatch.setattr(processes, "PATIENCE_SECONDS", patience)
    program = """
signal.signal(signal.SIGTERM, lambda *_: say(event='notice', stage=stage, message='no'))
say(event='notice', stage=stage, message='up')
while True: time.sleep(0.05)
"""

    def press_twice(event: Event) -> None:
        if isinstance(event, Notice) and event.message == "up":
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    began = time.monotonic()
    run = run_job(tmp_path, Programs(prepare=program), watch=press_twice)
    assert run.error is not None and run.error.exit_code == 130
    assert time.monotonic() - began < patience


def test_what_a_worker_started_does_not_outlive_it(tmp_path: Path) -> None:
    write_job(tmp_path)
    # The grandchild holds no pipe and gets no SIGTERM of its own: only the group's SIGKILL reaches it.
    run = run_job(tmp_path, Programs(prepare=f"subprocess.Popen(['sleep', '600'])\n{Programs.prepare}"))
    assert run.error is None


def test_the_workspace_is_locked_while_it_is_used_and_free_after_a_sigkill(tmp_path: Path) -> None:
    write_job(tmp_path)
    workspace = LocalJob.load(tmp_path / "job.yaml").workspace
    workspace.root.mkdir(parents=True)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, os, sys, time\n"
            "fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT); fcntl.flock(fd, fcntl.LOCK_EX)\n"
            "os.write(fd, str(os.getpid()).encode()); print(flush=True); time.sleep(600)",
            str(workspace.lock_file),
        ],
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        programs = Programs()
        run = run_job(tmp_path, programs)
        assert run.error is not None and (run.error.exit_code, run.error.reason) == (78, "WorkspaceInUse")
        assert str(holder.pid) in run.error.message and programs.started == []
    finally:
        holder.kill()
        holder.communicate()
    assert run_job(tmp_path, Programs()).error is None


def test_children_do_not_hold_the_lock(tmp_path: Path) -> None:
    write_job(tmp_path)
    opened: list[str] = []

    def look(event: Event) -> None:
        if isinstance(event, Notice):
            opened.extend(each.path for each in psutil.Process(int(event.message)).open_files())

    program = "say(event='notice', stage=stage, message=str(os.getpid())); time.sleep(2)\n" + Programs.prepare
    run_job(tmp_path, Programs(prepare=program), watch=look)
    assert any(path.endswith("prepare-0.log") for path in opened)
    assert not any(path.endswith("lock") for path in opened)


def test_the_workspace_of_another_job_and_a_foreign_folder_are_refused_untouched(tmp_path: Path) -> None:
    write_job(tmp_path)
    run_job(tmp_path, Programs())
    other = tmp_path / "other"
    other.mkdir()
    path = write_job(other)
    workspace = tmp_path / ".steelyard/tiny"
    with pytest.raises(ConfigurationError, match="belongs to the job 'tiny', but this one is 'huge'") as raised:
        LocalJob.load(path, ["metadata.name=huge"], workspace).load_state()
    assert raised.value.reason == "WorkspaceOfAnotherJob"
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "cat.jpg").touch()
    with pytest.raises(ConfigurationError, match=r"no workspace of Steelyard and not empty \(it holds cat.jpg\)"):
        LocalJob.load(path, [], photos).load_state()
    assert [each.name for each in photos.iterdir()] == ["cat.jpg"]


def test_a_source_that_is_not_there_is_said_before_anything_starts(tmp_path: Path) -> None:
    write_job(tmp_path)
    (tmp_path / "table.csv").unlink()
    programs = Programs()
    run = run_job(tmp_path, programs)
    assert run.error is not None and (run.error.exit_code, run.error.reason) == (65, "SourceNotFound")
    assert str(tmp_path / "table.csv") in run.error.message and programs.started == []


def test_a_place_that_is_taken_is_said_before_anything_starts(tmp_path: Path) -> None:
    write_job(tmp_path)
    (tmp_path / "models/tiny").mkdir(parents=True)
    (tmp_path / "models/tiny/diary.txt").touch()
    programs = Programs()
    run = run_job(tmp_path, programs)
    assert run.error is not None and (run.error.exit_code, run.error.reason) == (78, "TargetOccupied")
    assert programs.started == []


def test_a_first_run_that_could_not_begin_does_not_stand_in_the_way_of_the_next(tmp_path: Path) -> None:
    write_job(tmp_path)
    table = (tmp_path / "table.csv").read_text()
    (tmp_path / "table.csv").unlink()
    first = run_job(tmp_path, Programs())
    assert first.error is not None and first.error.exit_code == 65
    (tmp_path / "table.csv").write_text(table)
    assert run_job(tmp_path, Programs()).error is None


@pytest.mark.parametrize("place", [".steelyard/tiny", ".steelyard/tiny/prepared", ".steelyard"])
def test_a_model_is_not_published_into_the_workspace(tmp_path: Path, place: str) -> None:
    write_job(tmp_path, publish=[{"uri": place}])
    programs = Programs()
    run = run_job(tmp_path, programs)
    assert run.error is not None and run.error.exit_code == 78
    assert programs.started == []
