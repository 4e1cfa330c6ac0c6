"""The supervisor as one static file: what it costs, that nothing of an image harms it, and restarts in place."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from static_support import compiled, packed_supervisor
from supervise_support import LIMITS, Workers, ended, wait_until

from steelyard.contract.stages import Env, ExitCode, Reason

MOST_BYTES = 20_000_000
"""13.4 MB were seen; with more it would be for images with Python only."""
MOST_SECONDS = 1.0
"""0.08 s were seen on a quiet machine, 0.2 s on a busy one."""


@pytest.fixture(scope="module")
def supervise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed_supervisor(tmp_path_factory.mktemp("static"))


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("program") / "steady", "cc", "-static")


def test_it_is_small_starts_fast_and_leaves_nothing(supervise: Path) -> None:
    assert supervise.stat().st_size < MOST_BYTES
    times = []
    for _ in range(5):
        began = time.monotonic()
        done = subprocess.run([supervise], check=False, capture_output=True, text=True)
        times.append(time.monotonic() - began)
        assert (done.returncode, done.stderr) == (1, "usage: supervise -- COMMAND [ARGUMENT ...]\n")
    assert min(times) < MOST_SECONDS
    assert [path.name for path in supervise.parent.iterdir()] == [supervise.name]


def program_below(supervisor: subprocess.Popen[bytes], name: str) -> int:
    """The process of that name below the supervisor."""

    def found() -> list[int]:
        return [child.pid for child in psutil.Process(supervisor.pid).children(recursive=True) if child.name() == name]

    wait_until(lambda: found() != [])
    return found()[0]


def test_two_workers_start_again_in_place(tmp_path: Path, supervise: Path, steady: Path) -> None:
    # What it prints passes through the supervisor where stalls are watched for.
    workers = Workers(tmp_path, [str(supervise)], limits={**LIMITS, "stallTimeoutSeconds": 10})
    supervisors = workers.start([str(steady)])
    wait_until(lambda: all((tmp_path / f"first-{rank}").exists() for rank in (0, 1)))
    os.kill(program_below(supervisors[1], "steady"), signal.SIGKILL)
    assert ended(supervisors) == [0, 0]
    assert workers.result().summary == {"restarts": 1}
    for worker in (0, 1):
        assert '"event": "progress"' in workers.log(worker)
    assert "the program steady was ended by SIGKILL; starts again from the last checkpoint" in workers.log(1)
    assert "goes on" in workers.log(0)


def test_what_asks_it_to_end_while_it_starts_is_not_lost(tmp_path: Path, supervise: Path, steady: Path) -> None:
    (supervisor,) = Workers(tmp_path, [str(supervise)], workers=1).start([str(steady)])
    # It unpacks itself, or is there already.
    wait_until(lambda: any(supervise.parent.glob(".supervise-*")) or (tmp_path / "first-0").exists())
    supervisor.terminate()
    assert ended([supervisor]) == [ExitCode.TRY_AGAIN]
    assert [path.name for path in supervise.parent.iterdir()] == [supervise.name]


def test_the_program_gets_the_environment_as_it_was(tmp_path: Path, supervise: Path, steady: Path) -> None:
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    # What a program of another image needs could only harm a Python of this one.
    for name in ("libc.so.6", "libm.so.6", "libz.so.1"):
        (libraries / name).write_bytes(b"no library")
    given = {
        "LD_LIBRARY_PATH": str(libraries),
        "LD_PRELOAD": str(libraries / "libc.so.6"),
        "PYTHONHOME": "/nowhere",
        "PYTHONPATH": "/nowhere/else",
        "LC_ALL": "POSIX",
        "ODD": os.fsdecode(b"\xff=\n"),
    }
    workers = Workers(tmp_path, [str(supervise)], workers=1)
    (supervisor,) = workers.start([str(steady)], **given)
    wait_until(lambda: (tmp_path / "environment").exists() and (tmp_path / "environment").stat().st_size > 0)
    status = Path(f"/proc/{program_below(supervisor, 'steady')}/status").read_text()
    assert "SigBlk:\t0000000000000000" in status
    supervisor.terminate()
    ended([supervisor])
    assert workers.result().reason == Reason.INTERRUPTED
    lines = (tmp_path / "environment").read_bytes().rstrip(b"\0").split(b"\0")
    told = dict(os.fsdecode(line).split("=", 1) for line in lines)
    ours = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", str(Env.RESULT_FILE), str(Env.PARENT_PID)}
    expected = {**workers.environment(0), **given}
    assert {name: value for name, value in told.items() if name not in ours} == {
        name: value for name, value in expected.items() if name not in ours
    }
    assert ours <= told.keys()


def test_without_a_place_to_unpack_it_says_what_it_needs(supervise: Path) -> None:
    """As with a root file system that is read-only, and no volume: here, by a user who may write nowhere."""
    if os.geteuid() != 0 or not Path("/usr/bin/unshare").exists():
        pytest.skip("needs root and unshare")
    mounts = " && ".join(f"mount -t tmpfs -o ro none {place}" for place in ("/tmp", "/var/tmp", "/srv"))
    command = f"mkdir -p /run/tried && mount -t tmpfs none /run/tried && cp {supervise} /run/tried/ && {mounts} && \
        mount -o remount,ro /run/tried && exec env TMPDIR=/srv /run/tried/supervise"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command], check=False, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 78
    assert "it needs a folder where a program can be written and executed" in done.stderr
    assert "Read-only file system" in done.stderr
    assert "mount an emptyDir" in done.stderr
