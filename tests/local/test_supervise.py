"""A program of a user's own under a supervisor: peers, restarts in place, how it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from process_support import memory_group
from supervise_support import BY_PYTHON, LIMITS, Workers, ended, wait_until

from steelyard.contract.stages import ExitCode, Reason

# Two starts of each worker: the first waits to be killed, the second is done.
TWICE = """
echo "{\\"event\\": \\"progress\\", \\"stage\\": \\"train\\", \\"done\\": 1, \\"total\\": 2, \\"unit\\": \\"steps\\"}"
env > env-$RANK-$$
mkdir first-$RANK 2> /dev/null && { sleep 60 & echo $! > child-$RANK; echo $$ > pid-$RANK; wait; }
exit 0
"""


def said_pid(folder: Path, name: str) -> int:
    path = folder / name
    wait_until(lambda: path.exists() and path.read_text().strip() != "")
    return int(path.read_text())


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_program_and_its_peer_start_again_in_place(tmp_path: Path, victim: int) -> None:
    workers = Workers(tmp_path)
    supervisors = workers.start(["sh", "-c", TWICE])
    pids = [said_pid(tmp_path, f"pid-{worker}") for worker in (0, 1)]
    left = [said_pid(tmp_path, f"child-{worker}") for worker in (0, 1)]
    os.kill(pids[victim], signal.SIGKILL)
    assert ended(supervisors) == [0, 0]
    assert workers.result().summary == {"restarts": 1}
    assert workers.result().reason == Reason.SUCCEEDED
    # What a program had started ends with it.
    assert not any(psutil.pid_exists(pid) for pid in left)
    assert "the program sh was ended by SIGKILL; starts again" in workers.log(victim)
    assert workers.log(0).count('"event": "progress"') == 2
    told = dict(line.split("=", 1) for line in next(tmp_path.glob("env-1-*")).read_text().splitlines() if "=" in line)
    first, second = workers.ports[:2]
    assert json.loads(told["TF_CONFIG"]) == {
        "cluster": {"worker": [f"127.0.0.1:{first}", f"127.0.0.1:{second}"]},
        "task": {"type": "worker", "index": 1},
    }
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    assert [told[name] for name in names] == ["1", "2", "0", "127.0.0.1", str(first)]
    # A worker that comes back later does not wait for worker 0, which was done.
    assert ended(workers.start(["false"], only=[1])) == [0]


@pytest.mark.parametrize(
    ("script", "code", "reason", "message"),
    [
        (
            "echo no such column > $STEELYARD_RESULT_FILE; exit 65",
            65,
            Reason.INVALID_DATA,
            "exit code 65: no such column",
        ),
        ("exit 78", 78, Reason.INVALID_CONFIGURATION, "the program sh was ended with exit code 78"),
        # Not what they mean of ours.
        ("mkdir again && exit 10; exit 70", 1, Reason.BACKOFF_LIMIT_EXCEEDED, "was ended with exit code 70"),
        ("printf 5; exit 3", 1, Reason.BACKOFF_LIMIT_EXCEEDED, "crashed 2 times (spec.runPolicy.backoffLimit is 1)"),
        ("exit 75", 75, Reason.RETRIES_EXHAUSTED, "interrupted once (spec.runPolicy.disruptionLimit is 0)"),
    ],
)
def test_exit_codes_are_of_the_contract(tmp_path: Path, script: str, code: int, reason: str, message: str) -> None:
    workers = Workers(tmp_path, workers=1, limits={**LIMITS, "backoffLimit": 1, "disruptionLimit": 0})
    assert ended(workers.start(["sh", "-c", script])) == [code]
    assert workers.result().reason == reason
    assert message in workers.result().message
    # A program's last line may have no end.
    assert all(line.startswith("{") for line in workers.log().splitlines() if '"notice"' in line)


def test_sigterm_is_passed_on_and_ends_with_try_again(tmp_path: Path) -> None:
    workers = Workers(tmp_path, workers=1)
    script = "trap 'echo saved > saved; exit 0' TERM; echo $$ > pid; while :; do sleep 0.02; done"
    (supervisor,) = workers.start(["sh", "-c", script])
    said_pid(tmp_path, "pid")
    supervisor.terminate()
    assert ended([supervisor]) == [ExitCode.TRY_AGAIN]
    assert (tmp_path / "saved").exists()
    assert workers.result().reason == Reason.INTERRUPTED


def test_what_a_shell_started_has_the_time_to_save_too(tmp_path: Path) -> None:
    """The shell ends at SIGTERM; the program behind it does not."""
    workers = Workers(tmp_path, workers=1)
    script = "trap 'sleep 0.3; echo saved > saved; exit 0' TERM; echo $$ > pid; while :; do sleep 0.02; done"
    (supervisor,) = workers.start(["sh", "-c", 'sh -c "$0"; exit $?', script])
    said_pid(tmp_path, "pid")
    supervisor.terminate()
    assert ended([supervisor]) == [ExitCode.TRY_AGAIN]
    assert (tmp_path / "saved").exists()


def test_memory_that_is_used_up_is_told_from_a_crash(tmp_path: Path) -> None:
    """Also where a shell stands between, which tells of it by its exit code."""
    with memory_group(100) as group:
        join = ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$0" "$@"', *BY_PYTHON]
        workers = Workers(tmp_path, join, workers=1)
        assert ended(workers.start(["sh", "-c", "tail /dev/zero; exit $?"])) == [1]
    assert workers.result().reason == Reason.OUT_OF_MEMORY
    assert "worker 0: the memory of 100 MiB that it may use was used up" in workers.result().message
    assert workers.result().message.endswith("the kernel killed the program sh; give it more")


def test_the_program_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    (supervisor,) = Workers(tmp_path, workers=1).start(["sh", "-c", "echo $$ > pid; exec sleep 60"])
    program = said_pid(tmp_path, "pid")
    supervisor.kill()
    supervisor.wait()
    wait_until(lambda: not psutil.pid_exists(program))


def test_other_workers_may_end_by_themselves_when_worker_0_is_done(tmp_path: Path) -> None:
    workers = Workers(tmp_path)
    assert ended(workers.start(["sh", "-c", '[ "$RANK" = 0 ] || { sleep 1; echo whole > whole; }'])) == [0, 0]
    assert (tmp_path / "whole").exists()


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("no-such-program", "there is no such program; allowed: one of the image"),
        ("./plain", "it is not a file that may be executed"),
        ("./wrong", "it is no program of this kind of machine"),
        ("./elsewhere", "the interpreter that its first line names"),
    ],
)
def test_a_command_that_cannot_be_started_is_said_and_not_tried_again(
    tmp_path: Path, program: str, message: str
) -> None:
    (tmp_path / "plain").write_text("")
    for name, text in (("wrong", "print(1)\n"), ("elsewhere", "#!/no/such/shell\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    workers = Workers(tmp_path, workers=1)
    assert ended(workers.start([program])) == [ExitCode.CONFIGURATION]
    assert f"'{program}' can't be started: " in workers.result().message
    assert message in workers.result().message


def run_of_ours(workers: Workers, worker: int, *arguments: str) -> "subprocess.Popen[bytes]":
    """What an initContainer of the trainer's image runs."""
    return subprocess.Popen([sys.executable, "-m", "steelyard_trainer", *arguments], env=workers.environment(worker))


def test_the_barrier_where_no_supervisor_stands_before_a_program(tmp_path: Path) -> None:
    workers = Workers(tmp_path, limits={**LIMITS, "gangTimeoutSeconds": 1})
    assert ended([run_of_ours(workers, 1, "wait-for-peers")]) == [ExitCode.TRY_AGAIN]
    assert workers.result(1).reason == Reason.WORKERS_NOT_READY
    assert workers.result(1).message.endswith(f"no answer from worker 0 (127.0.0.1:{workers.ports[2]})")
    workers.limits = LIMITS
    assert ended([run_of_ours(workers, worker, "wait-for-peers") for worker in (0, 1)]) == [0, 0]
    # Its pod was replaced, and worker 0 is past it.
    assert ended([run_of_ours(workers, 1, "wait-for-peers")]) == [0]
    # Here is no image of the trainer's.
    assert ended([run_of_ours(workers, 0, "install-supervisor", str(tmp_path))]) == [ExitCode.CONFIGURATION]
    assert "there is no /opt/steelyard/supervise in this image" in workers.result().message
