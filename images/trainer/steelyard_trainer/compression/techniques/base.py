"""What every technique of compression is, as its file has it under the name TECHNIQUE. Imports the api's techniques and
the artifact; a technique imports its libraries when it is applied.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from steelyard.api.compression.techniques import Settings
from steelyard.api.models import Model
from steelyard.api.training import Training
from steelyard.serving.interface import TargetUnit
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.data.labelled import Labelled
from steelyard_trainer.data.shape import Category

Tell = Callable[[str], None]
"""Is told what a person should know of a step that is under way."""


Progress = Callable[[int, int, str, Mapping[str, float]], None]
"""Is told how far a step is: done, total, what is counted, and figures."""


class CannotBeMadeError(Exception):
    """A technique can't be applied to this model; the message says why, in one line, and is the candidate's verdict."""


@dataclass(frozen=True)
class HowTrained:
    """How the model was trained: what a technique that trains goes by where its settings say nothing."""

    model: Model
    """Whose students it has."""
    training: Training
    row_weights: Callable[[NDArray[Any]], NDArray[np.float32]]
    """How much each row counts, of the targets of all rows that are learned: both shape (rows,)."""
    categories: tuple[Category, ...] = ()
    """Where the values of categories lie among a row's features, for networks that treat them apart."""
    answers: Callable[[Artifact, Labelled], NDArray[np.float64]] | None = None
    """What a model says of the rows that it learned, shape (rows, outputs), where it can be told as if it had not
    learned them; for a network that learns from it. Raises CannotBeMadeError where none can. None: it is a network."""
    is_elsewhere: bool = False
    """Whether it was trained elsewhere: `model` and `training` are its students', and features are as the table has
    them, neither shifted nor scaled."""


@dataclass(frozen=True)
class Together:
    """The workers that train together where a technique trains; each of them applies it."""

    workers: int = 1
    worker: int = 0
    """Which of them this one is, from 0."""
    strategy: Any = None
    """TensorFlow's, by which they add up; None of one worker."""
    is_leaving: Callable[[], bool] = lambda: False
    """Whether this process was asked to end."""
    wants_checkpoint: Callable[[], bool] = lambda: False
    """Whether a checkpoint was asked for since the last call."""
    lesson: Callable[[list[dict[str, Any]]], AbstractContextManager[None]] = lambda _: nullcontext()
    """Called by worker 0 with the steps of a recipe whose last one trains: while it applies that, the others do."""

    def scope(self) -> AbstractContextManager[None]:
        """Where a network and its optimizer are made, so that each worker has them."""
        scope: AbstractContextManager[None] = self.strategy.scope() if self.strategy else nullcontext()
        return scope


ALONE = Together()


@dataclass(frozen=True)
class StepData:
    """What a technique may use beside the artifact."""

    into: Path
    """An empty folder, for the files of what it makes: the same bytes for the same artifact, settings and data."""
    scratch: Path
    """A folder for files that several steps may use; gone when the candidates are made."""
    width: int
    """How many features the model takes."""
    classes: int | None
    """How many the task has; None for regression."""
    unit: TargetUnit | None
    """Regression: what models that compute in float32 give the standardized target of."""
    read_training: Callable[[], Labelled]
    """Reads the training set, for a technique that says that it needs it."""
    trained: Artifact
    """The trained model, which the recipe begins with."""
    how_trained: HowTrained | None
    """None where that is not known."""
    unfinished: Path
    """A folder of this step's own, which need not be there: what lies in it stays from one attempt to the next, until
    the step is made."""
    check_attempt: Callable[[], None]
    """To be called before something is written there; raises where this process may no longer write."""
    progress: Progress
    read_search: Callable[[], Labelled] | None = None
    """Reads the rows that were set aside to steer a search, for a technique that reads the training set; None where
    none were."""
    together: Together = ALONE
    """Who trains, where it trains."""


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Technique(Generic[S]):
    """One way to make a model smaller or faster, or to put it into another form."""

    settings: type[S]
    """What it is called, takes, gives and may be told."""
    apply: Callable[[Artifact, S, StepData, Tell], Artifact]
    """Makes the artifact in the folder `into`. Raises CannotBeMadeError where this model can't be made so."""
    fault: Callable[[Artifact, S], str] = lambda _made, _settings: ""
    """What is wrong with the file in which a recipe with this step ends; empty for nothing. Such as: a model of 8 bits
    computes in 8 bits, a pruned one has its zeros (`litert_file.operators`, `litert_float.zeros`)."""

    @property
    def name(self) -> str:
        """As manifests have it."""
        return self.settings.technique_name()


AnyTechnique = Technique[Any]
