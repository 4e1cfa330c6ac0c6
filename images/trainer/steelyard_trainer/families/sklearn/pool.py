"""A pool of forked processes, so that what the parent has imported and read is there at once and once. Imports
threadpoolctl only.
"""

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from threadpoolctl import threadpool_limits

from steelyard.contract.stages import Env
from steelyard_trainer import pulse
from steelyard_trainer.contract import die_with_parent
from steelyard_trainer.gang.stall import StallWatch
from steelyard_trainer.pool import Answer, Failure, Piece, Pool, Worker, answer_of

_fork = multiprocessing.get_context("fork")


@dataclass(kw_only=True)
class ForkedPool(Pool[Piece, Answer]):
    """Works off pieces in processes that know them from the moment they are forked."""

    work: Callable[[Piece], Answer]
    """Is called in the processes; a SteelyardError is told in its own words."""
    _pieces: Sequence[Piece] = field(init=False, default=())

    def run(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Answer | Failure]]:
        """As Pool has it."""
        self._pieces = pieces
        # What is there before stays as it is, and so shared: the collector would write to every object.
        gc.freeze()
        return super().run(pieces)

    def start(self) -> Worker:
        """Forks."""
        ours, theirs = _fork.Pipe()
        watch = StallWatch()
        process = _fork.Process(target=self._serve, args=(theirs, os.getpid(), watch), daemon=True)
        process.start()
        # So that the end of the process is the end of the pipe.
        theirs.close()
        return Worker(process, ours, watch=watch)

    def message(self, pieces: Sequence[Piece], index: int) -> object:
        """Its place among them."""
        del pieces
        return index

    def _serve(self, connection: Connection, parent: int, watch: StallWatch) -> None:
        """The life of a process: ends when the pipe does, or with its parent."""
        # The parent tells what SIGTERM makes of the pack.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.environ[Env.PARENT_PID] = str(parent)
        die_with_parent()
        os.environ[Env.PULSE] = str(watch.folder)
        pulse.begin()
        # As many processes as there are CPUs for: threads within them would wait for each other.
        with threadpool_limits(1):
            while True:
                try:
                    index = connection.recv()
                except EOFError:
                    return
                connection.send(answer_of(self.work, self._pieces[index]))
