"""The proof of a recipe: the model and its candidates are made anew on folds, each without the rows that it then
answers. Imports the candidates and the prepared data; a family says how a model is trained on a fold.

What is proved by all folds' answers together is how much the recipe loses, whichever of the rows it is made of, as
cross-validation judges a way to train and no single model (Bates, Hastie and Tibshirani, 2021, arXiv:2104.00673).
"""

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from steelyard.contract.workspace import Workspace
from steelyard_trainer.compression.answers import Answers, SearchRows
from steelyard_trainer.compression.candidates import Candidates, Measuring
from steelyard_trainer.compression.recipe import Recipe
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.reading import PreparedDataset

FOLDS = 5
_FOLDER = "folds"


@dataclass(frozen=True)
class OnFolds:
    """Candidates as `prove` asks them: what they answer to the rows that prove is what was made of the folds' models
    answers, one fold after the other."""

    own: Candidates
    """Those of the model that is published."""
    folds: Sequence[Candidates]

    @classmethod
    def of(cls, own: Candidates, folds: Sequence[Candidates]) -> "OnFolds":
        """Makes and measures on each fold what was made of the model; a candidate that can't be made there has no
        answers.

        Raises:
            DataError: a fold's model can't be published.
            SteelyardError: another process was started in this one's place (AttemptSuperseded).
        """
        made = [
            replace(fold, recipes=own.recipes, search=None, measuring=replace(fold.measuring, costs=frozenset()))
            for fold in folds
        ]
        for number, fold in enumerate(made, 1):
            own.tell(f"fold {number} of {len(made)}: what was made of the model is made again")
            fold.measure(with_answers=True)
        return cls(own, made)

    @property
    def recipes(self) -> Mapping[str, Recipe]:
        """How each is made, by its name."""
        return self.own.recipes

    @cached_property
    def measuring(self) -> Measuring:
        """How they are measured: on the rows of all folds."""
        targets = np.concatenate([fold.measuring.read_validation().targets for fold in self.folds])
        rows = SearchRows(np.empty((len(targets), 0)), targets)
        return replace(self.own.measuring, read_validation=lambda: rows)

    def answers(self, name: str) -> Answers | None:
        """Of a candidate; to the search rows the file's own. None where it was not made on every fold."""
        own, on_folds = self.own.answers(name), [fold.answers(name) for fold in self.folds]
        given = [each.validation for each in on_folds if each is not None]
        if own is None or len(given) < len(on_folds):
            return None
        return Answers(own.search, np.concatenate(given))


def contexts_of_folds(context: StageContext, key: str) -> Iterator[StageContext]:
    """The stage as each fold has it, with a workspace of its own, in which an earlier attempt may have left something.

    Args:
        context: of the stage.
        key: stands for all that the folds' models depend on: what was left under another one is removed.
    """
    root = context.workspace.root / _FOLDER
    for other in root.glob("*"):
        if other.name != key[:16]:
            context.check_attempt()
            shutil.rmtree(other)
    for number in range(FOLDS):
        workspace = Workspace(root / key[:16] / str(number))
        workspace.trained.mkdir(parents=True, exist_ok=True)
        own = hashlib.sha256(f"{key} {number}".encode()).hexdigest()
        yield replace(context, workspace=workspace, key=own)


def without_fold(dataset: PreparedDataset, number: int, learned: int, held: int) -> PreparedDataset:
    """The description of a fold: its rows are read by whoever has them in memory, the search rows as ever.

    Args:
        dataset: of the job.
        number: of the fold.
        learned: how many rows are trained on.
        held: how many rows are not.
    """
    rows = {**dataset.rows, "train": learned, "validation": held}
    return replace(dataset, fingerprint=f"{dataset.fingerprint} without fold {number}", rows=rows)
