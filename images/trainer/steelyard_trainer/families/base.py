"""What every family of models offers, as `families/NAME/family.py` has it under the name FAMILY. Imports steelyard.api
and, for types only, what the stages share.

A family imports its libraries when it is asked for something: the stages, and the supervisor of a gang, need none.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from steelyard.api.training_job import TrainingJob
from steelyard_trainer.contract import Outcome, StageContext

if TYPE_CHECKING:
    from steelyard_trainer.compression.candidates import Candidates
    from steelyard_trainer.compression.weighing import Bench
    from steelyard_trainer.data.reading import PreparedDataset
    from steelyard_trainer.reports import Reports
    from steelyard_trainer.trained import TrainedFolder


class TrialsOfPack(Protocol):
    """Works off a pack's trials of one family; stays from one round to the next."""

    def work_off(self, jobs: Mapping[int, TrainingJob], workspaces: Mapping[int, Path]) -> None:
        """Returns when every one of these trials, which have no report, has one.

        Args:
            jobs: the trials, by number.
            workspaces: where each leaves its model; none for kinds that are fitted anew.

        Raises:
            SteelyardError: the pack may go on another time (exit code 75).
        """

    def end(self) -> None:
        """Leaves no process behind."""


class Family(Protocol):
    """What the stages ask of a family."""

    def train(self, context: StageContext) -> Outcome:
        """The stage train, begun: leaves the model and training.json in the workspace, or goes on where an earlier
        attempt was.

        Raises:
            ConfigurationError: the settings do not go with the rows.
            DataError: a score is not a finite number.
            SteelyardError: how a training ends that can't go on, or whose model is not good enough.
        """

    def bench(self, context: StageContext, dataset: "PreparedDataset", trained: "TrainedFolder | None") -> "Bench":
        """Where the stage finish weighs, judges and packs a trained model.

        Args:
            context: the stage.
            dataset: the job's data.
            trained: the model; None, of a kind that is fitted anew: fitted here, on the training set.
        """

    def folds(self, context: StageContext, dataset: "PreparedDataset", bench: "Bench") -> "Sequence[Candidates]":
        """Models that are trained again as the one of a bench was, each without a fold of the training and validation
        sets: what is to be made of them, measured on the fold that each has not seen.

        Args:
            context: the stage.
            dataset: the job's data.
            bench: of this family.
        """

    def pack(self, reports: "Reports", processes: int) -> TrialsOfPack:
        """What works off trials, so many at the same time."""
