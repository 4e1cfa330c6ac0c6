"""Processes that work off pieces of work that they were forked with: each takes the next when it is free.

Forked, so that what the parent has imported and read is there at once and once. Imports threadpoolctl only.
"""

import gc
import math
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

from threadpoolctl import threadpool_limits

from steelyard.api.contract import Env, Reason
from steelyard.api.errors import SteelyardError
from steelyard_trainer.contract import die_with_parent

Piece = TypeVar("Piece")
Answer = TypeVar("Answer")

_fork = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Failure:
    """Why a piece of work has no answer, in a user's words."""

    reason: str


LATE = Failure("it took too long")


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    piece: int | None = None
    """What it works on."""
    ends_at: float = math.inf
    """When it is given up, by the monotonic clock."""
    is_late: bool = False
    """Whether it was; then it is ended."""


@dataclass
class Pool(Generic[Piece, Answer]):
    """Works off pieces in several processes."""

    pieces: Sequence[Piece]
    work: Callable[[Piece], Answer]
    """Is called in the processes; a SteelyardError is told in its own words."""
    processes: int
    is_wanted: Callable[[Piece], bool] = lambda _piece: True
    """Is asked before a piece is begun; one that is not wanted any more is passed over."""
    seconds: Callable[[Piece], float] = lambda _piece: math.inf
    """Is asked then, too: how long the piece may take. One that takes longer has the answer LATE."""

    def run(self) -> Iterator[tuple[Piece, Answer | Failure]]:
        """The pieces' answers, as they come. A process that dies fails its piece; another takes its place."""
        waiting = iter(range(len(self.pieces)))
        # What is there before stays as it is, and so shared: the collector would write to every object.
        gc.freeze()
        workers = [self._start() for _ in range(min(self.processes, len(self.pieces)))]
        try:
            for worker in workers:
                self._give(worker, waiting)
            while busy := [worker for worker in workers if worker.piece is not None]:
                soonest = min(worker.ends_at for worker in busy)
                patience = None if soonest == math.inf else max(0.0, soonest - time.monotonic())
                ready = wait([worker.connection for worker in busy], patience)
                for worker in busy:
                    if worker.connection not in ready and worker.ends_at <= time.monotonic():
                        worker.is_late = True
                        worker.process.kill()
                for worker in [worker for worker in busy if worker.connection in ready]:
                    assert worker.piece is not None
                    piece, answer = self.pieces[worker.piece], _receive(worker)
                    # One that is late may seem to live for a moment longer, also where its answer came just then.
                    if worker.is_late or not worker.process.is_alive():
                        worker.process.join()
                        worker.connection.close()
                        workers.remove(worker)
                        workers.append(worker := self._start())
                    self._give(worker, waiting)
                    yield piece, answer
        finally:
            for worker in workers:
                worker.process.kill()
                worker.process.join()

    def _start(self) -> _Worker:
        ours, theirs = _fork.Pipe()
        process = _fork.Process(target=self._serve, args=(theirs, os.getpid()), daemon=True)
        process.start()
        # So that the end of the process is the end of the pipe.
        theirs.close()
        return _Worker(process, ours)

    def _give(self, worker: _Worker, waiting: Iterator[int]) -> None:
        worker.piece = next((index for index in waiting if self.is_wanted(self.pieces[index])), None)
        if worker.piece is None:
            return
        worker.ends_at = time.monotonic() + self.seconds(self.pieces[worker.piece])
        # Where it is dead already, that is found when its answer is waited for.
        with suppress(ConnectionError):
            worker.connection.send(worker.piece)

    def _serve(self, connection: Connection, parent: int) -> None:
        """The life of a process: ends when the pipe does, or with its parent."""
        # The parent tells what SIGTERM makes of the pack.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.environ[Env.PARENT_PID] = str(parent)
        die_with_parent()
        # As many processes as there are CPUs for: threads within them would wait for each other.
        with threadpool_limits(1):
            while True:
                try:
                    index = connection.recv()
                except EOFError:
                    return
                connection.send(self._answer(self.pieces[index]))

    def _answer(self, piece: Piece) -> Answer | Failure:
        try:
            return self.work(piece)
        except SteelyardError as error:
            return Failure(error.message)
        except MemoryError:
            return Failure(f"{Reason.OUT_OF_MEMORY}: there is not enough memory for it")
        except Exception as error:  # noqa: BLE001 - the pack goes on, whatever became of one trial
            traceback.print_exception(error)
            return Failure(f"{type(error).__name__}: {error}")


def _receive(worker: _Worker) -> object:
    """The answer, or why there is none: the process is dead."""
    try:
        return worker.connection.recv()
    except (EOFError, ConnectionError):
        worker.process.join()
        if worker.is_late:
            return LATE
        code = worker.process.exitcode or 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        hint = f" ({Reason.OUT_OF_MEMORY}?)" if -code == signal.SIGKILL else ""
        return Failure(f"the process that worked on it {how}{hint}")
