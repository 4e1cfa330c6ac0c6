"""Processes that work off pieces of work: each takes the next when it is free. Imports the contract and the gang's
watch only.

How they come about is a subclass's: forked (families.sklearn.pool), or started anew (families.keras.pack), as
TensorFlow can't be forked.
"""

import math
import signal
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import ClassVar, Generic, Protocol, TypeVar

from steelyard.api.errors import SteelyardError
from steelyard.contract.stages import ExitCode, Reason
from steelyard_trainer.gang.stall import StallWatch, no_progress, write_stack

Piece = TypeVar("Piece")
Answer = TypeVar("Answer")

_LOOK_SECONDS = 0.5
READY = "ready"
"""What a process says that was started without a piece of work in it, once it could begin with one."""


@dataclass(frozen=True)
class Failure:
    """Why a piece of work has no answer, in a user's words."""

    reason: str
    is_to_try_again: bool = False
    """Whether it is not the piece's fault: it would have an answer another time."""
    is_last: bool = False
    """Whether the process that says so ends with it."""


LATE = Failure("it took too long")


class Process(Protocol):
    """What a pool needs to know of a process; that of multiprocessing is one."""

    @property
    def pid(self) -> int | None:
        """Its number."""

    @property
    def exitcode(self) -> int | None:
        """Its exit code; None while it runs; less than 0: the number of the signal that ended it."""

    def is_alive(self) -> bool:
        """Whether it has not ended."""

    def terminate(self) -> None:
        """Asks it to end."""

    def kill(self) -> None:
        """Ends it at once."""

    def join(self, timeout: float | None = None) -> None:
        """Waits for its end, at most for so many seconds."""


@dataclass
class Worker:
    """A process and what it works on."""

    process: Process
    connection: Connection
    is_ready: bool = True
    """Whether it can begin; one that is started anew says so (READY)."""
    piece: int | None = None
    """What it works on."""
    seconds: float = math.inf
    """How long that may take."""
    ends_at: float = math.inf
    """When it is given up, by the monotonic clock."""
    is_late: bool = False
    """Whether it was; then it is ended."""
    watch: StallWatch | None = None
    """Sees whether it goes on, where somebody wants to know."""
    stall_seconds: float = math.inf
    """After how long without a beat of it it has stalled."""
    stalled: str = ""
    """Why it was ended, where it has."""

    def begin(self) -> None:
        """Its time for the piece runs from now on."""
        self.ends_at = time.monotonic() + self.seconds
        if self.watch is not None:
            self.watch.restart(time.monotonic(), is_started=True)

    def end_if_stalled(self) -> None:
        """Looks whether it goes on with its piece; ends it where it does not, and keeps where it was."""
        if self.watch is None or not self.is_ready or self.watch.look(time.monotonic()) < self.stall_seconds:
            return
        where = write_stack(self.watch, self.process.pid or 0, "a process of the pack")
        self.stalled = no_progress(self.stall_seconds, where)
        self.process.kill()


@dataclass
class Pool(ABC, Generic[Piece, Answer]):
    """Works off pieces in several processes."""

    processes: int
    is_wanted: Callable[[Piece], bool] = lambda _piece: True
    """Is asked before a piece is begun; one that is not wanted any more is passed over."""
    seconds: Callable[[Piece], float] = lambda _piece: math.inf
    """Is asked then, too: how long the piece may take. One that takes longer has the answer LATE."""
    stall_seconds: Callable[[Piece], float] = lambda _piece: math.inf
    """Is asked then, too: after how long without progress a process has stalled with the piece. The answer is a Failure
    that says where it was."""
    keeps_processes: ClassVar[bool] = False
    """Whether processes stay for the pieces of another call."""
    workers: list[Worker] = field(init=False, default_factory=list)

    @abstractmethod
    def start(self) -> Worker:
        """A new process."""

    @abstractmethod
    def message(self, pieces: Sequence[Piece], index: int) -> object:
        """What a process is sent for a piece."""

    def explain(self, _code: int) -> str | None:
        """Why a process ended with an exit code, where more is known than that."""
        return None

    def run(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Answer | Failure]]:
        """The pieces' answers, as they come. A process that dies fails its piece; another takes its place."""
        waiting = iter(range(len(pieces)))
        for worker in [worker for worker in self.workers if not worker.process.is_alive()]:
            self._forget(worker)
        missing = min(self.processes, len(pieces)) - len(self.workers)
        self.workers += [self.start() for _ in range(missing)]
        try:
            for worker in self.workers:
                self._give(worker, pieces, waiting)
            while busy := [worker for worker in self.workers if worker.piece is not None]:
                ready = self._wait(busy)
                for worker in [worker for worker in busy if worker.connection in ready]:
                    assert worker.piece is not None
                    piece, answer = pieces[worker.piece], self._receive(worker)
                    if answer == READY:
                        worker.is_ready = True
                        worker.begin()
                        continue
                    # One that is late may seem to live for a moment longer, also where its answer came just then.
                    is_last = isinstance(answer, Failure) and answer.is_last
                    if worker.is_late or worker.stalled or is_last or not worker.process.is_alive():
                        self._give(self._replace(worker), pieces, waiting)
                    else:
                        self._give(worker, pieces, waiting)
                    yield piece, answer  # type: ignore[misc]
        finally:
            self.close(only_busy=self.keeps_processes)

    def close(self, *, only_busy: bool = False) -> None:
        """Ends the processes."""
        for worker in [worker for worker in self.workers if worker.piece is not None or not only_busy]:
            worker.process.kill()
            worker.process.join()
            self._forget(worker)

    def _forget(self, worker: Worker) -> None:
        worker.connection.close()
        if worker.watch is not None:
            worker.watch.end()
        self.workers.remove(worker)

    def _wait(self, busy: Sequence[Worker]) -> list[object]:
        """The connections with something to read. Ends those whose time is up."""
        soonest = min(worker.ends_at for worker in busy)
        patience = None if soonest == math.inf else max(0.0, soonest - time.monotonic())
        if any(worker.stall_seconds < math.inf for worker in busy):
            patience = _LOOK_SECONDS if patience is None else min(patience, _LOOK_SECONDS)
        ready: list[object] = list(wait([worker.connection for worker in busy], patience))
        for worker in [worker for worker in busy if worker.connection not in ready]:
            if worker.ends_at <= time.monotonic():
                worker.is_late = True
                worker.process.kill()
            else:
                worker.end_if_stalled()
        return ready

    def _replace(self, worker: Worker) -> Worker:
        worker.process.join()
        self._forget(worker)
        self.workers.append(new := self.start())
        return new

    def _give(self, worker: Worker, pieces: Sequence[Piece], waiting: Iterator[int]) -> None:
        worker.piece = next((index for index in waiting if self.is_wanted(pieces[index])), None)
        if worker.piece is None:
            return
        worker.seconds = self.seconds(pieces[worker.piece])
        worker.stall_seconds = self.stall_seconds(pieces[worker.piece])
        if worker.is_ready:
            worker.begin()
        # Where it is dead already, that is found when its answer is waited for.
        with suppress(ConnectionError):
            worker.connection.send(self.message(pieces, worker.piece))

    def _receive(self, worker: Worker) -> object:
        """The answer, or why there is none: the process is dead."""
        try:
            return worker.connection.recv()
        except (EOFError, ConnectionError):
            worker.process.join()
            if worker.is_late:
                return LATE
            if worker.stalled:
                return Failure(f"{Reason.STALLED}: {worker.stalled}")
            code = worker.process.exitcode or 0
            if (explained := self.explain(code)) is not None:
                return Failure(explained)
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            hint = f" ({Reason.OUT_OF_MEMORY}?)" if -code == signal.SIGKILL else ""
            return Failure(f"the process that worked on it {how}{hint}")


def answer_of(work: Callable[[Piece], Answer], piece: Piece) -> Answer | Failure:
    """A piece's answer, or why there is none, whatever that is: the others go on."""
    try:
        return work(piece)
    except SteelyardError as error:
        return Failure(error.message, is_to_try_again=error.exit_code == ExitCode.TRY_AGAIN)
    except MemoryError:
        return Failure(f"{Reason.OUT_OF_MEMORY}: there is not enough memory for it")
    except Exception as error:  # noqa: BLE001 - the pack goes on, whatever became of one trial
        traceback.print_exception(error)
        return Failure(f"{type(error).__name__}: {error}")
