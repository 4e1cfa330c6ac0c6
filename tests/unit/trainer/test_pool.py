"""Processes that are started anew and stay: a piece's time runs from when its process is ready, and one that dies costs
its piece and one start."""

import math
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import ClassVar

import pytest

from steelyard.contract.stages import Env
from steelyard_trainer import pulse
from steelyard_trainer.gang.stall import StallWatch
from steelyard_trainer.pool import LATE, READY, Failure, Pool, Worker

SECONDS_OF_START = 0.4


def serve(connection: Connection) -> None:
    """Answers with the process, and dies or fails where it is told to."""
    time.sleep(SECONDS_OF_START)
    connection.send(READY)
    while True:
        match connection.recv():
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                os._exit(7)
            case "fail for good":
                connection.send(Failure("it fails", is_last=True))
                # It is replaced, whether it has ended or not.
                return
            case float(seconds):
                time.sleep(seconds)
                connection.send(os.getpid())


def die_at_start(_connection: Connection) -> None:
    os._exit(3)


@dataclass
class Started(Pool[object, int]):
    keeps_processes: ClassVar[bool] = True
    target: Callable[[Connection], None] = serve
    starts: int = field(init=False, default=0)

    def start(self) -> Worker:
        self.starts += 1
        ours, theirs = multiprocessing.Pipe()
        watch = StallWatch()
        process = multiprocessing.get_context("fork").Process(target=self._serve, args=(theirs, watch), daemon=True)
        process.start()
        theirs.close()
        return Worker(process, ours, is_ready=False, watch=watch)

    def _serve(self, connection: Connection, watch: StallWatch) -> None:
        os.environ[Env.PULSE] = str(watch.folder)
        pulse.begin()
        self.target(connection)

    def message(self, pieces: Sequence[object], index: int) -> object:
        return pieces[index]


@pytest.mark.parametrize(
    ("piece", "reason"),
    [
        ("die", "the process that worked on it was killed by signal 9 (OutOfMemory?)"),
        ("exit", "the process that worked on it ended with exit code 7"),
        ("fail for good", "it fails"),
    ],
)
def test_a_process_that_ends_costs_its_piece_and_one_start(piece: str, reason: str) -> None:
    pool = Started(1)
    first, ended, second, third = pool.run([0.0, piece, 0.0, 0.01])
    pool.close()
    assert isinstance(ended[1], Failure) and ended[1].reason == reason
    assert isinstance(first[1], int) and first[1] != second[1] == third[1]
    assert pool.starts == 2


def test_processes_stay_for_further_pieces_and_no_more_are_started_than_are_needed() -> None:
    pool = Started(3)
    (first,) = pool.run([0.0])
    (again,) = pool.run([0.0])
    assert first[1] == again[1] and pool.starts == 1
    pool.workers[0].process.kill()
    pool.workers[0].process.join()
    (other,) = pool.run([0.0])
    assert isinstance(other[1], int) and other[1] != first[1] and pool.starts == 2
    both = {answer for _, answer in pool.run([SECONDS_OF_START * 2, 0.0, 0.01])}
    assert pool.starts == 4 and other[1] in both
    pool.close()
    assert pool.workers == []


def test_the_start_of_a_process_is_no_part_of_a_pieces_time() -> None:
    pool = Started(1, seconds=lambda piece: SECONDS_OF_START / 2 if isinstance(piece, float) else math.inf)
    answers = [answer for _, answer in pool.run([0.0, SECONDS_OF_START * 100, 0.01])]
    pool.close()
    assert isinstance(answers[0], int) and answers[1] is LATE and isinstance(answers[2], int)


def test_a_process_that_stalls_fails_its_piece_with_where_it_was() -> None:
    pool = Started(1, stall_seconds=lambda piece: 0.3 if piece == SECONDS_OF_START * 100 else math.inf)
    first, stalled, last = pool.run([SECONDS_OF_START * 2, SECONDS_OF_START * 100, 0.01])
    folders = [worker.watch.folder for worker in pool.workers if worker.watch is not None]
    pool.close()
    assert isinstance(first[1], int) and isinstance(last[1], int)
    assert isinstance(stalled[1], Failure)
    assert stalled[1].reason.startswith("Stalled: no step, epoch or progress line for 0 s (spec.runPolicy.stallTimeout")
    assert "; its main thread was in trainer/test_pool.py:" in stalled[1].reason
    assert folders and not any(folder.exists() for folder in folders)


def test_a_process_that_never_begins_fails_each_piece_and_no_more() -> None:
    pool = Started(1, target=die_at_start)
    answers = [answer for _, answer in pool.run([0.0, 0.1])]
    pool.close()
    assert [answer.reason for answer in answers if isinstance(answer, Failure)] == [
        "the process that worked on it ended with exit code 3"
    ] * 2


def test_whoever_stops_listening_ends_what_works_and_keeps_what_waits() -> None:
    pool = Started(2)
    answers = pool.run([0.0, SECONDS_OF_START * 100])
    next(answers)
    answers.close()
    assert [worker.piece for worker in pool.workers] == [None]
    pool.close()
