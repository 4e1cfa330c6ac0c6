"""Processes that work off pieces: each piece has its own answer, whatever becomes of the process before it."""

import os
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from threading import Timer
from typing import Any

import pytest

from steelyard_trainer import pool
from steelyard_trainer.families.sklearn.pool import ForkedPool
from steelyard_trainer.pool import LATE

GENEROUS_SECONDS = 60.0


def work(seconds: float) -> int:
    """Returns in which process."""
    time.sleep(seconds)
    return os.getpid()


def test_a_piece_that_is_late_ends_with_its_process_and_the_next_has_another() -> None:
    forked: ForkedPool[float, int] = ForkedPool(1, seconds=lambda piece: piece / 100 or 60.0, work=work)
    found = dict(forked.run([GENEROUS_SECONDS, 0.0, 0.1]))
    assert found[GENEROUS_SECONDS] is LATE
    assert isinstance(found[0.0], int)
    assert found[0.1] is LATE


def test_an_answer_that_comes_when_its_process_is_ended_counts_and_the_next_piece_has_another_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def too_late(connections: Sequence[Connection], patience: float | None) -> list[Any]:
        """The first answer is overlooked, though it is there."""
        monkeypatch.setattr(pool, "wait", wait)
        assert wait(connections, GENEROUS_SECONDS)
        time.sleep(max(0.0, patience or 0.0))
        return []

    kill = BaseProcess.kill

    def kill_slowly(process: BaseProcess) -> None:
        """The signal needs its time."""
        timer = Timer(0.2, kill, [process])
        timer.daemon = True
        timer.start()

    monkeypatch.setattr(pool, "wait", too_late)
    monkeypatch.setattr(BaseProcess, "kill", kill_slowly)
    pieces = [0.01, 0.5]
    forked: ForkedPool[float, int] = ForkedPool(
        1, seconds=lambda piece: 0.1 if piece == 0.01 else GENEROUS_SECONDS, work=work
    )
    answers = dict(forked.run(pieces))
    assert all(isinstance(answer, int) for answer in answers.values()), answers
    assert answers[0.01] != answers[0.5]
