"""Whether an estimator from elsewhere fits a table, and what its labels are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor

from steelyard_trainer.elsewhere.archive import RefusedError
from steelyard_trainer.families.sklearn.from_elsewhere import check_answers, fitted

ROWS = np.random.default_rng(0).normal(size=(30, 2))
NAMES = ("a", "b")


def classifier(labels: Sequence[Any], columns: Sequence[str] | None = None) -> LogisticRegression:
    """Fitted on these labels in turn."""
    rows = ROWS if columns is None else pd.DataFrame(ROWS, columns=list(columns))
    return LogisticRegression().fit(rows, np.resize(np.array(labels), len(ROWS)))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["no", "yes"], ("no", "yes")),
        ([0, 1, 2], ("0", "1", "2")),
        ([2.0, 10.0], ("2", "10")),
        ([False, True], ("false", "true")),
        # Numbers from 0 stand for the labels in their order.
        ([0, 1], ("no", "yes")),
    ],
)
def test_labels_become_their_places(labels: list[Any], classes: tuple[str, ...]) -> None:
    model = classifier(labels, NAMES)
    before = model.predict_proba(pd.DataFrame(ROWS, columns=list(NAMES)))
    made = fitted(model, NAMES, classes, "Values")
    assert made.classes_.tolist() == list(range(len(classes)))
    assert np.array_equal(made.predict_proba(ROWS), before)


def test_weights_of_labels_become_those_of_their_places() -> None:
    model = LogisticRegression(class_weight={"yes": 3}).fit(ROWS, np.resize(np.array(["no", "yes"]), len(ROWS)))
    assert fitted(model, NAMES, ("no", "yes"), "Values").class_weight == {0: 1, 1: 3}


@pytest.mark.parametrize(
    ("model", "classes", "says"),
    [
        (
            classifier(["no", "yes"]),
            ("no", "maybe", "yes"),
            r"it says 'no', 'yes', but the target's labels are, in this",
        ),
        # As texts scikit-learn has "10" before "2".
        (classifier(["2", "10"]), ("2", "10"), "it says '10', '2', but"),
        (classifier(["no", "yes"], ["b", "a"]), ("no", "yes"), "its column 1 is 'b', the table's is 'a'"),
        (
            LogisticRegression().fit(ROWS[:, :1], np.arange(30) % 2),
            ("0", "1"),
            "takes 1 numbers a row, but the table has 2",
        ),
        (
            Ridge().fit(ROWS, np.arange(30)),
            ("no", "yes"),
            "it is a Ridge, which says numbers, but the target has 2 classes",
        ),
        (classifier(["no", "yes"]), None, "it is a LogisticRegression, which says labels, but the target is a number"),
    ],
)
def test_what_does_not_fit_is_told(model: Any, classes: tuple[str, ...] | None, says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        fitted(model, NAMES, classes, "Values")


def test_what_was_fitted_without_a_seed_is_fitted_anew_by_one() -> None:
    forest = RandomForestRegressor(2).fit(ROWS, np.arange(30))
    assert fitted(forest, NAMES, None, "Values").random_state == 0


@pytest.mark.parametrize("model", [Ridge(), KNeighborsRegressor(2)])
def test_a_model_of_several_numbers_does_not_fit_one(model: Any) -> None:
    two = model.fit(ROWS, np.stack([np.arange(30), np.arange(30)], axis=1))
    with pytest.raises(RefusedError, match=r"it answers two rows by an array of the shape \(2, 2\)"):
        check_answers(two, 2, is_classifier=False)
    check_answers(model.fit(ROWS, np.arange(30)), 2, is_classifier=False)
