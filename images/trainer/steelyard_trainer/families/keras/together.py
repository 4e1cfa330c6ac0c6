"""Several workers train what is trained of a model's candidates: the end of the stage train. Imports the family's other
parts and the weighing.

Worker 0 makes and measures the candidates, as the stage finish does, which later finds them made. Where a technique
trains, it tells the others, and all apply it: the network learns as the job's own did. They start, end and are started
again together, as they were for that: the supervisor makes no difference.
"""

import json
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from steelyard.api.errors import SteelyardError
from steelyard.contract.stages import EndKind
from steelyard_trainer.compression.kept_candidates import KeptCandidates
from steelyard_trainer.compression.making import Maker
from steelyard_trainer.compression.recipe import Recipe
from steelyard_trainer.compression.techniques.base import CannotBeMadeError, Together
from steelyard_trainer.compression.weighing import weigh
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.families.keras.bench import Workbench
from steelyard_trainer.families.keras.step import sum_over_replicas
from steelyard_trainer.trained import TrainedFolder, leave_candidates

OnSignal = Any
"""What Python calls on a signal."""


class Asked(Protocol):
    """What this process was asked for by signals."""

    def is_leaving(self) -> bool:
        """Whether it is time to end."""

    def wants_checkpoint(self) -> bool:
        """Whether a checkpoint was asked for since the last call."""


class Word:
    """What worker 0 says to the others, through the collective by which gradients are added up: unlike a file, it is
    there at once, whatever a shared storage remembers of its folders."""

    def __init__(self, strategy: tf.distribute.Strategy, worker: int) -> None:
        self._strategy = strategy
        self._speaks = worker == 0
        self._sum = tf.function(self._everywhere, reduce_retracing=True, autograph=False)

    def pass_on(self, said: Any = None) -> Any:
        """What worker 0 gives, for each worker; waits for all of them. JSON values."""
        # As numbers that every device adds up.
        text = np.frombuffer(json.dumps(said).encode(), np.uint8).astype(np.float32)
        (size,) = self._added(np.array([len(text)], np.float32))
        whole = self._added(text if self._speaks else np.zeros(int(size), np.float32))
        return json.loads(bytes(whole.astype(np.uint8)))

    def _added(self, own: NDArray[np.float32]) -> NDArray[np.float32]:
        """What worker 0 gives and nobody adds to."""
        total: NDArray[np.float32] = self._sum(tf.constant(own if self._speaks else np.zeros_like(own))).numpy()
        return total

    def _everywhere(self, values: Any) -> Any:
        return self._strategy.run(sum_over_replicas, (values,))


@dataclass(frozen=True)
class Crew:
    """This worker among all."""

    context: StageContext
    dataset: PreparedDataset
    strategy: tf.distribute.Strategy
    word: Word
    asked: Asked
    on_end: OnSignal
    """What ends the process at once on SIGTERM."""

    def make_candidates(self) -> None:
        """This worker's part; returns when all are made.

        Raises:
            SteelyardError: the process was asked to end, or another was started in its place (exit code 75).
        """
        # While it trains, SIGTERM has it write a checkpoint first; at other times there is nothing to wait for. The
        # others wait inside TensorFlow, where Python hears no signal: the kernel ends them.
        while_idle = self.on_end if self.context.worker == 0 else signal.SIG_DFL
        while_training = signal.signal(signal.SIGTERM, while_idle)

        @contextmanager
        def training() -> Iterator[None]:
            signal.signal(signal.SIGTERM, while_training)
            try:
                yield
            finally:
                signal.signal(signal.SIGTERM, while_idle)

        if self.context.worker == 0:
            self._weigh(training)
        else:
            self._attend(training)

    def _weigh(self, training: Callable[[], Any]) -> None:
        """Worker 0: makes and measures the candidates. What costs they have is measured where they are weighed in the
        end."""

        @contextmanager
        def lesson(steps: list[dict[str, Any]]) -> Iterator[None]:
            self.word.pass_on(steps)
            with training():
                yield

        context = self.context
        candidates = self._bench(lesson).candidates
        untimed = replace(candidates, measuring=replace(candidates.measuring, costs=frozenset()))
        try:
            weigh(untimed, context.job.spec, context.progress)
        except SteelyardError as error:
            # Whether the candidates are good enough is said by the stage finish, which finds them made.
            if EndKind.of(error.exit_code) is not EndKind.PERMANENT:
                raise
        leave_candidates(context)
        self.word.pass_on()

    def _attend(self, training: Callable[[], Any]) -> None:
        """Another worker: applies what worker 0 does, until that has no more."""
        bench = self._bench()
        kept = KeptCandidates(bench.finished, bench.key)
        with tempfile.TemporaryDirectory(prefix="steelyard-") as folder:
            maker = Maker(bench.trained, kept, Path(folder), lambda _: None)
            while (steps := self.word.pass_on()) is not None:
                into = Path(tempfile.mkdtemp(dir=folder))
                # That of worker 0 is the verdict.
                with training(), suppress(CannotBeMadeError):
                    maker.attend(Recipe.told(steps), into)

    def _bench(self, lesson: Callable[..., Any] = Together.lesson) -> Workbench:
        workers, worker = self.context.job.spec.training.workers, self.context.worker
        asked = (self.asked.is_leaving, self.asked.wants_checkpoint)
        together = Together(workers, worker, self.strategy, *asked, lesson)
        return Workbench.of(self.context, self.dataset, TrainedFolder.own(self.context), together=together)
