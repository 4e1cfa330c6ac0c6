"""The technique SelectTrees: some of a forest's trees, as they are (Caruana, Niculescu-Mizil, Crew and Ksikes 2004,
"Ensemble selection from libraries of models", ICML). Imports scikit-learn and skops when it is applied.
"""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steelyard.api.compression.techniques import SelectTrees
from steelyard.texts.figures import counted
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import CannotBeMadeError, StepData, Technique, Tell
from steelyard_trainer.data.labelled import Labelled

_MOST_NUMBERS = 50_000_000
"""That all trees say of the rows that are asked: those of the rest are not looked at. A number takes 4 bytes."""


def _apply(artifact: Artifact, settings: SelectTrees, data: StepData, tell: Tell) -> Artifact:
    from steelyard_trainer.families.sklearn.saving import load_estimator, save_estimator

    forest = artifact.opened(load_estimator)
    if not hasattr(forest, "estimators_"):
        raise CannotBeMadeError(f"a {type(forest).__name__} is no forest, whose trees could be chosen")
    has = len(forest.estimators_)
    stay = settings.trees or max(1, has // 4)
    if stay >= has:
        raise CannotBeMadeError(f"{counted(stay, 'tree')} are to stay, but the forest has {has:,}; allowed are fewer")
    if not forest.bootstrap:
        raise CannotBeMadeError(
            "its trees have learned all rows (model.randomForest.bootstrap: false), so there are no out-of-bag "
            "predictions to choose them by; Refit makes a smaller forest"
        )
    tell(f"{stay:,} of {counted(has, 'tree')} are chosen by out-of-bag predictions")
    chosen = sorted(OutOfBag.of(forest, data.read_training()).chosen(stay))
    made = Artifact(data.into, "Skops")
    save_estimator(_with_trees(forest, chosen), made.file)
    return made


@dataclass(frozen=True)
class OutOfBag:
    """What the trees of a forest say of rows that they have not learned."""

    said: npt.NDArray[np.float32]
    """Shape (trees, rows, outputs): probabilities, or a number; 0 of rows that a tree has learned."""
    is_out: npt.NDArray[np.bool_]
    """Shape (trees, rows): whether a tree has not learned a row."""
    targets: npt.NDArray[np.float32]
    """Shape (rows, outputs)."""

    @classmethod
    def of(cls, forest: Any, rows: Labelled) -> "OutOfBag":
        """The trees' answers.

        Args:
            forest: fitted, with bootstrap.
            rows: those that it was fitted on, in the order in which it saw them.
        """
        outputs = len(forest.classes_) if hasattr(forest, "classes_") else 1
        count = len(rows.targets)
        most = max(1, _MOST_NUMBERS // (len(forest.estimators_) * outputs))
        asked = np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)
        features = np.ascontiguousarray(rows.features[asked], dtype=np.float32)
        is_out = np.stack([is_out_of_bag(forest, tree, rows.targets)[asked] for tree in forest.estimators_])
        said = np.zeros((len(forest.estimators_), len(asked), outputs), np.float32)
        for tree, out, place in zip(forest.estimators_, is_out, said, strict=True):
            if out.any():
                # Of a tree of a classifier probabilities, else numbers: its leaves' values.
                place[out] = tree.tree_.predict(features[out]).reshape(-1, outputs)
        targets = np.asarray(rows.targets[asked])
        if hasattr(forest, "classes_"):
            return cls(said, is_out, (targets[:, np.newaxis] == forest.classes_).astype(np.float32))
        return cls(said, is_out, targets.astype(np.float32)[:, np.newaxis])

    def chosen(self, count: int) -> list[int]:
        """The trees that are taken: again and again the one whose mean with those before it has the least squared error
        (of probabilities, the Brier score). A row that none of them may answer is answered by the mean of the targets.
        """
        total = np.zeros_like(self.targets)
        asked = np.zeros((len(self.targets), 1), np.float32)
        prior = self.targets.mean(axis=0)
        chosen: list[int] = []
        left = list(range(len(self.said)))
        for _ in range(count):
            errors = [
                self._error(total + self.said[tree], asked + self.is_out[tree][:, np.newaxis], prior) for tree in left
            ]
            best = left.pop(int(np.argmin(errors)))
            chosen.append(best)
            total += self.said[best]
            asked += self.is_out[best][:, np.newaxis]
        return chosen

    def _error(
        self, total: npt.NDArray[np.float32], asked: npt.NDArray[np.float32], prior: npt.NDArray[np.float32]
    ) -> float:
        means = np.where(asked > 0, total / np.maximum(asked, 1), prior)
        return float(np.square(means - self.targets).sum(dtype=np.float64))


def out_of_bag_answers(forest: Any, rows: Labelled) -> npt.NDArray[np.float64]:
    """What a forest says of the rows that it was fitted on, each by the trees that have not learned it alone; shape
    (rows, outputs), the outputs those of the classes that it saw. NaN for a row that all trees have learned.

    Raises CannotBeMadeError where these are other rows.
    """
    outputs = len(forest.classes_) if hasattr(forest, "classes_") else 1
    features = np.ascontiguousarray(rows.features, dtype=np.float32)
    total, asked = np.zeros((len(features), outputs)), np.zeros((len(features), 1))
    for tree in forest.estimators_:
        is_out = is_out_of_bag(forest, tree, rows.targets)
        total[is_out] += tree.tree_.predict(features[is_out]).reshape(-1, outputs)
        asked[is_out] += 1
    with np.errstate(invalid="ignore"):
        return total / asked


def is_out_of_bag(forest: Any, tree: Any, targets: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which rows a tree has not learned, shape (rows,): what scikit-learn draws again by the tree's seed."""
    from sklearn.ensemble._forest import _generate_sample_indices
    from sklearn.utils import compute_sample_weight

    of_classes = getattr(forest, "class_weight", None)
    try:
        weights = None if of_classes is None else compute_sample_weight(of_classes, targets)
    except ValueError:
        raise CannotBeMadeError(
            f"with class_weight {of_classes!r} it can't be told which rows its trees have learned"
        ) from None
    drawn = _generate_sample_indices(tree.random_state, len(targets), forest._n_samples_bootstrap, weights)
    is_out = np.ones(len(targets), np.bool_)
    is_out[drawn] = False
    if np.count_nonzero(~is_out) != tree.tree_.n_node_samples[0]:
        raise CannotBeMadeError("it can't be told which rows its trees have not learned: it was fitted on others")
    return is_out


def _with_trees(forest: Any, chosen: list[int]) -> Any:
    """A forest of some of another one's trees."""
    smaller = copy.copy(forest)
    smaller.estimators_ = [forest.estimators_[tree] for tree in chosen]
    smaller.n_estimators = len(chosen)
    return smaller


TECHNIQUE = Technique(SelectTrees, _apply)
