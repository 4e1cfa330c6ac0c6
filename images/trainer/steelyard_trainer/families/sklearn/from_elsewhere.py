"""An estimator from elsewhere where the stage finish weighs it: whether it fits the table, and its labels put in the
order of the product's. Imports numpy and cells; the estimator is loaded already.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from steelyard.cells.words import Spelling, word_of
from steelyard_trainer.data.words import listed
from steelyard_trainer.elsewhere.archive import RefusedError
from steelyard_trainer.families.sklearn.soundness import made_sound


def fitted(estimator: Any, names: Sequence[str], classes: Sequence[str] | None, spelling: Spelling) -> Any:
    """The estimator as one of the product's own: fitted on the numbers of the classes.

    Args:
        estimator: one of scikit-learn's that the product has; it is changed.
        names: of the table's columns, in its order.
        classes: the labels in their order; None for regression.
        spelling: how labels are spelled.

    Raises:
        RefusedError: it does not fit the table or the target, or its trees lead nowhere.
    """
    _check_columns(estimator, names)
    estimator = made_sound(estimator)
    if estimator.get_params().get("random_state", 0) is None:
        # What is fitted anew is the same each time.
        estimator.set_params(random_state=0)
    if getattr(estimator, "n_outputs_", 1) != 1 or np.ndim(getattr(estimator, "coef_", 0)) > 2:
        raise RefusedError("it says several numbers a row; allowed: one target")
    if hasattr(estimator, "feature_names_in_"):
        # They have been held against the table; rows come as arrays.
        del estimator.feature_names_in_
    kind, is_classifier = type(estimator).__name__, hasattr(estimator, "classes_")
    if classes is None:
        if is_classifier:
            raise RefusedError(f"it is a {kind}, which says labels, but the target is a number (task Regression)")
        return estimator
    if not is_classifier:
        raise RefusedError(
            f"it is a {kind}, which says numbers, but the target has {len(classes)} classes; are they numbers to "
            "predict? say task: Regression"
        )
    labels = np.asarray(estimator.classes_).tolist()
    _check_labels(labels, classes, spelling)
    if isinstance(weights := getattr(estimator, "class_weight", None), dict):
        estimator.set_params(class_weight={place: weights.get(label, 1) for place, label in enumerate(labels)})
    estimator.classes_ = np.arange(len(classes))
    return estimator


def check_answers(model: Any, width: int, *, is_classifier: bool) -> None:
    """Raises RefusedError where a model whose parts do not fit each other can't answer."""
    rows = np.zeros((2, width))
    try:
        answers = np.asarray(model.predict_proba(rows) if is_classifier else model.predict(rows))
    except Exception as error:  # noqa: BLE001 - whatever a foreign file makes of it
        raise RefusedError(f"it can't answer: {type(error).__name__}: {str(error)[:300]}") from None
    expected = (2, len(model.classes_)) if is_classifier else (2,)
    if answers.shape != expected and (is_classifier or answers.shape != (2, 1)):
        raise RefusedError(f"it answers two rows by an array of the shape {answers.shape}")


def _check_columns(estimator: Any, names: Sequence[str]) -> None:
    width = int(getattr(estimator, "n_features_in_", len(names)))
    if width != len(names):
        raise RefusedError(
            f"it takes {width:,} numbers a row, but the table has {len(names):,} columns beside the target: "
            f"{listed(names, 20)}; leave out what it has not learned (dataset.exclude), or name the table that it has"
        )
    known = [str(name) for name in getattr(estimator, "feature_names_in_", names)]
    for place, (own, given) in enumerate(zip(known, names, strict=True), 1):
        if own != given:
            raise RefusedError(
                f"its column {place} is {own!r}, the table's is {given!r}; its columns are, in this order: "
                f"{listed(known, 20)}"
            )


def _check_labels(own: Sequence[object], classes: Sequence[str], spelling: Spelling) -> None:
    labels = [word_of(label, spelling) for label in own]
    # Numbers from 0 are those of the labels in their order.
    if labels == list(classes) or labels == [str(index) for index in range(len(classes))]:
        return
    raise RefusedError(
        f"it says {listed([str(label) for label in labels], 20)}, but the target's labels are, in this order: "
        f"{listed(classes, 20)}"
    )
