"""Whether the kernel killed for lack of memory, as its files say: control groups of both versions, and a real kill."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from process_support import memory_group

from steelyard_trainer.gang.memory import OutOfMemoryWatch, own_group

MEBIBYTE = 1 << 20


def group_v1(folder: Path, kills: int, limit: str = str(512 * MEBIBYTE)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.oom_control").write_text(f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n")
    (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
    return folder


def group_v2(folder: Path, kills: int, limit: str = str(512 * MEBIBYTE)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.events").write_text(f"low 0\nhigh 0\nmax 7\noom 1\noom_kill {kills}\noom_group_kill 0\n")
    (folder / "memory.max").write_text(f"{limit}\n")
    return folder


@pytest.mark.parametrize("group", [group_v1, group_v2])
def test_only_a_kill_since_the_watch_was_made_counts(tmp_path: Path, group) -> None:
    watch = OutOfMemoryWatch(group(tmp_path, 3))
    assert watch.explain("the TensorFlow process") is None
    group(tmp_path, 4)
    explained = watch.explain("the TensorFlow process")
    assert explained is not None and "512 MiB" in explained
    assert OutOfMemoryWatch(tmp_path).explain("the TensorFlow process") is None


@pytest.mark.parametrize(("group", "unlimited"), [(group_v1, "9223372036854771712"), (group_v2, "max")])
def test_without_a_limit_of_its_own_none_is_said(tmp_path: Path, group, unlimited: str) -> None:
    watch = OutOfMemoryWatch(group(tmp_path, 0, unlimited))
    group(tmp_path, 1, unlimited)
    explained = watch.explain("the TensorFlow process")
    assert explained is not None and "MiB" not in explained


def test_where_the_system_counts_nothing_nothing_is_explained(tmp_path: Path) -> None:
    assert OutOfMemoryWatch(None).explain("the TensorFlow process") is None
    assert OutOfMemoryWatch(tmp_path).explain("the TensorFlow process") is None


def test_the_group_is_found_in_a_container_and_on_a_host(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    mount = tmp_path / "sys"
    # Version 1, as on a host: the whole tree is mounted.
    membership.write_text("5:cpu,cpuacct:/a\n4:memory:/pods/one\n0::/\n")
    expected = group_v1(mount / "memory/pods/one", 0)
    assert own_group(mount, membership) == expected
    # In a container: the group itself is the root of what is mounted, under the same name.
    membership.write_text("4:memory:/pods/two\n0::/\n")
    assert own_group(mount, membership) is None
    group_v1(mount / "memory", 0)
    assert own_group(mount, membership) == mount / "memory"
    # Version 2, in a container with a name space of its own.
    membership.write_text("0::/\n")
    unified = group_v2(tmp_path / "unified", 0)
    assert own_group(unified, membership) == unified
    assert own_group(unified, tmp_path / "absent") is None


def test_a_real_kill_is_told_from_another_sigkill() -> None:
    with memory_group(64) as group:
        watch = OutOfMemoryWatch(group)
        join = f"import os; open('{group}/cgroup.procs', 'w').write(str(os.getpid()));"
        killed = subprocess.run([sys.executable, "-c", join + "os.kill(os.getpid(), 9)"], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert watch.explain("the TensorFlow process") is None
        greedy = subprocess.run([sys.executable, "-c", join + "b'x' * (1 << 28)"], check=False)
        assert greedy.returncode == -signal.SIGKILL
        explained = watch.explain("the TensorFlow process")
    assert explained is not None and "64 MiB" in explained
