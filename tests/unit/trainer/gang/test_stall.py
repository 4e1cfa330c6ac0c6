"""When a process has stalled, and what is said of it."""

import faulthandler
import os
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from steelyard.contract.stages import Env
from steelyard_trainer import pulse
from steelyard_trainer.gang.stall import (
    LONGEST_LOOK_SECONDS,
    MOST_LINES,
    NO_ANSWER,
    START_SECONDS,
    StallWatch,
    Standing,
    shortened,
    told,
    where,
    write_stack,
)

LIBRARY = sysconfig.get_path("stdlib")


@pytest.fixture
def watch() -> Iterator[StallWatch]:
    watch = StallWatch()
    watch.restart(0.0)
    yield watch
    watch.end()


@pytest.fixture
def watched(watch: StallWatch, monkeypatch: pytest.MonkeyPatch) -> Iterator[StallWatch]:
    """This process is the one that is watched."""
    monkeypatch.setenv(Env.PULSE, str(watch.folder))
    monkeypatch.setattr(pulse, "_counters", None)
    pulse.begin()
    yield watch
    faulthandler.unregister(pulse.STACK_SIGNAL)


def test_a_beat_ends_the_time_without_one(watched: StallWatch) -> None:
    pulse.beat()
    assert [watched.look(second) for second in (1.0, 3.0)] == [0.0, 2.0]
    pulse.step()
    assert (watched.look(4.0), watched.steps) == (0.0, 1)
    assert watched.look(6.5) == 2.5
    watched.restart(7.0, is_started=True)
    assert (watched.look(8.0), watched.steps) == (1.0, 0)


def test_nobody_counts_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(Env.PULSE, raising=False)
    monkeypatch.setattr(pulse, "_counters", None)
    pulse.begin()
    pulse.beat()
    pulse.step()
    assert pulse._counters is None


def test_time_in_which_the_watcher_was_stopped_counts_little(watch: StallWatch) -> None:
    watch.beat()
    watch.look(1.0)
    assert watch.look(10_000.0) == LONGEST_LOOK_SECONDS


def test_a_process_has_longer_to_its_first_beat(watch: StallWatch) -> None:
    looks = [watch.look(float(second)) for second in range(1, int(START_SECONDS) + 4)]
    assert looks[-4:] == [0.0, 1.0, 2.0, 3.0]


def test_the_main_thread_is_asked_where_it_is(watched: StallWatch, capfd: pytest.CaptureFixture[str]) -> None:
    def where_it_hangs() -> str:
        return write_stack(watched, os.getpid(), "worker 3")

    told = where_it_hangs()
    # This very process asks itself, so the innermost frames are those of asking.
    assert re.fullmatch(
        r"its main thread was in gang/stall.py:\d+ stack_of < gang/stall.py:\d+ write_stack < "
        r"gang/test_stall.py:\d+ where_it_hangs",
        told,
    )
    assert "worker 3 stalled; its main thread:" in (log := capfd.readouterr().err)
    assert 'in where_it_hangs\n  File "' in log


def stack(*frames: tuple[str, str]) -> str:
    lines = [f'  File "{file}", line {number} in {name}' for number, (file, name) in enumerate(frames, 1)]
    return "\n".join(["Current thread 0x00007f (most recent call first):", *lines, ""])


def test_the_users_frames_come_first() -> None:
    inner, own, outer = (f"{LIBRARY}/socket.py", "readinto"), ("/code/shop/model.py", "augment"), ("/x/t.py", "main")
    assert where(stack(inner, own, outer)) == (
        "its main thread was in "
        f"{Path(LIBRARY).name}/socket.py:1 readinto, called from shop/model.py:2 augment < x/t.py:3 main of your code"
    )
    assert where(stack(own, outer)) == "its main thread was in shop/model.py:1 augment"
    library = f"{Path(LIBRARY).name}/socket.py"
    assert where(stack(inner, inner, inner, inner)) == (
        f"its main thread was in {library}:1 readinto < {library}:2 readinto < {library}:3 readinto"
    )
    assert where("") == NO_ANSWER


def test_a_deep_stack_is_cut_for_the_log() -> None:
    deep = stack(*[("/code/model.py", "again")] * 90)
    lines = shortened(deep).splitlines()
    assert (len(lines), lines[1], lines[-1]) == (
        MOST_LINES + 1,
        '  File "/code/model.py", line 1 in again',
        "  ... and 51 more",
    )
    assert shortened(stack(("/code/model.py", "once"))).endswith("in once")


@pytest.mark.parametrize(
    ("workers", "begins"),
    [
        (
            [(0, 7, "here"), (1, 6, "there")],
            "worker 1 stalled: no step, epoch or progress line for 30 s (spec.runPolicy.st",
        ),
        ([(0, 7, "here"), (1, 7, NO_ANSWER)], "worker 1 stalled: "),
        ([(0, 7, "here"), (1, 7, "there")], "2 workers stalled, none of them behind the others: no step"),
        ([(0, 6, NO_ANSWER), (1, 7, NO_ANSWER)], "worker 0 stalled: "),
    ],
)
def test_who_is_behind_is_named(workers: list[tuple[int, int, str]], begins: str) -> None:
    said = told([Standing(*worker) for worker in workers], 30)
    assert said.startswith(begins)
    assert said.endswith(("; there", NO_ANSWER, "; worker 0: here; worker 1: there"))


def test_of_many_workers_a_few_are_named() -> None:
    said = told([Standing(worker, 7, "") for worker in range(64)], 30)
    assert said.startswith("64 workers stalled") and said.count("worker ") == 3
    assert said.endswith("worker 2: where it was is not known")
