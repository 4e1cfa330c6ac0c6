"""The technique Refit: a model of trees, fitted anew with fewer trees and leaves. Imports scikit-learn and skops when
it is applied.
"""

from typing import Any

from steelyard.api.compression.techniques import Refit
from steelyard.texts.figures import counted
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import CannotBeMadeError, StepData, Technique, Tell
from steelyard_trainer.data.labelled import Labelled


def _apply(artifact: Artifact, settings: Refit, data: StepData, tell: Tell) -> Artifact:
    from steelyard_trainer.families.sklearn.saving import load_estimator, save_estimator
    from steelyard_trainer.families.sklearn.tree_plan import Trees, work_of

    model = artifact.opened(load_estimator)
    if not (hasattr(model, "estimators_") or hasattr(model, "_predictors")):
        raise CannotBeMadeError(f"a {type(model).__name__} has no trees; allowed are forests and gradient boosting")
    trees, leaves = trees_of(model), most_leaves_of(model)
    fewer = settings.trees or max(1, trees // 2), settings.max_leaf_nodes or max(2, leaves // 4)
    if fewer[0] > trees or (fewer[0] == trees and fewer[1] >= leaves):
        raise CannotBeMadeError(
            f"it is to have {counted(fewer[0], 'tree')} of at most {fewer[1]:,} leaves, but the model has "
            f"{counted(trees, 'tree')} of at most {leaves:,}; allowed are fewer of one of the two"
        )
    tell(f"the model is fitted anew with {counted(fewer[0], 'tree')} of at most {fewer[1]:,} leaves")
    rows = data.read_training()
    made = Artifact(data.into, "Skops", work_of(Trees(*fewer), len(rows.targets)))
    save_estimator(fitted_anew(model, *fewer, settings.learning_rate, rows), made.file)
    return made


def trees_of(model: Any) -> int:
    """How many trees a fitted forest has; of gradient boosting, how many there are of each class."""
    return len(model.estimators_ if hasattr(model, "estimators_") else model._predictors)


def most_leaves_of(model: Any) -> int:
    """The most leaves that a tree of a fitted model has."""
    if hasattr(model, "estimators_"):
        return max(int(tree.get_n_leaves()) for tree in model.estimators_)
    return max(int(tree.get_n_leaf_nodes()) for iteration in model._predictors for tree in iteration)


def fitted_anew(model: Any, trees: int, leaves: int, learning_rate: float | None, rows: Labelled) -> Any:
    """A model with the settings of a fitted one but these.

    Args:
        model: a forest or gradient boosting; stays as it is.
        trees: how many, or of gradient boosting at most.
        leaves: the most of a tree.
        learning_rate: of gradient boosting; None: the model's own.
        rows: what it learns.

    Raises:
        CannotBeMadeError: its settings do not go with the rows.
    """
    from sklearn.base import clone
    from threadpoolctl import threadpool_limits

    from steelyard_trainer.families.sklearn.boosting import keep_trees_alone
    from steelyard_trainer.families.sklearn.standardized import fit_precisely

    smaller, is_boosting = clone(model), not hasattr(model, "estimators_")
    smaller.set_params(**{"max_iter" if is_boosting else "n_estimators": trees, "max_leaf_nodes": leaves})
    if is_boosting and learning_rate is not None:
        smaller.set_params(learning_rate=learning_rate)
    # Of several threads sums may have any order, and the file other bytes.
    with threadpool_limits(1):
        try:
            fit_precisely(smaller, rows.features, rows.targets)
        except ValueError as error:
            # Settings that a model from elsewhere has need not go with these rows.
            raise CannotBeMadeError(f"it can't be fitted anew: {error}") from None
    if is_boosting:
        keep_trees_alone(smaller)
    return smaller


TECHNIQUE = Technique(Refit, _apply)
