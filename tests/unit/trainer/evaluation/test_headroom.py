"""What a linear model reaches on the same rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score

from steelyard.api.metrics import Measure
from steelyard_trainer.evaluation import headroom as tested
from steelyard_trainer.evaluation.headroom import PENALTIES, headroom

ACCURACY = Measure("accuracy")


@dataclass
class Rows:
    features: Any
    targets: Any


def parts(targets: Any, width: int = 4, seed: int = 0) -> dict[str, Rows]:
    """Three times 300 rows."""
    rows = np.random.default_rng(seed).normal(size=(900, width)).astype(np.float32)
    said = np.asarray(targets(rows))
    names = ("train", "validation", "test")
    return {name: Rows(rows[i * 300 : i * 300 + 300], said[i * 300 : i * 300 + 300]) for i, name in enumerate(names)}


def test_it_is_the_best_of_three_penalties_by_the_validation_set_on_the_test_set() -> None:
    noise = np.random.default_rng(1).normal(size=900)
    made = parts(lambda rows: (rows[:, 0] - rows[:, 1] + noise > 0).astype(np.int32), width=40)
    found = headroom("Classification", ACCURACY, ["a", "b"], made.__getitem__, 0)
    train, validation, test = made.values()
    fits = {
        each: LogisticRegression(C=1 / each, max_iter=1000).fit(train.features, train.targets) for each in PENALTIES
    }
    best = max(PENALTIES, key=lambda each: fits[each].score(validation.features, validation.targets))
    assert found is not None and (found.rows, found.penalty) == (300, best)
    assert found.linear.value == pytest.approx(fits[best].score(test.features, test.targets), abs=0.01)
    assert found.linear.standard_error > 0


def test_what_is_not_linear_has_headroom_and_a_regression_is_in_its_own_unit() -> None:
    ring = parts(lambda rows: ((rows**2).sum(axis=1) > 3.4).astype(np.int32))
    found = headroom("Classification", ACCURACY, ["in", "out"], ring.__getitem__, 0)
    assert found is not None and found.linear.value < 0.65
    # As large as dates in seconds: float32 would lose them.
    line = parts(lambda rows: 1.7e9 + 3.0 * rows[:, 0].astype(np.float64))
    linear = headroom("Regression", Measure("rmse"), None, line.__getitem__, 0)
    fitted = Ridge(alpha=0.01).fit(line["train"].features.astype(np.float64), line["train"].targets)
    errors = fitted.predict(line["test"].features.astype(np.float64)) - line["test"].targets
    assert linear is not None and linear.penalty == 0.01
    assert linear.linear.value == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-3) and linear.linear.value < 0.01


def test_of_many_rows_and_of_wide_tables_some_are_learned_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    made = parts(lambda rows: (rows[:, 0] > 0).astype(np.int32))
    monkeypatch.setattr(tested, "LEAST_ROWS", 50)
    for name, value, rows in (("MOST_ROWS", 100, 100), ("MOST_NUMBERS", 4 * 2 * 50, 50)):
        with monkeypatch.context() as patched:
            patched.setattr(tested, name, value)
            one, same, other = (
                headroom("Classification", ACCURACY, ["a", "b"], made.__getitem__, s) for s in (1, 1, 2)
            )
            assert one is not None and one.rows == rows and one == same and one != other

    monkeypatch.setattr(tested, "MOST_NUMBERS", 4 * 2 * 49)
    assert headroom("Classification", ACCURACY, ["a", "b"], made.__getitem__, 0) is None


def test_a_label_that_was_not_learned_is_said_of_no_row_and_one_label_is_nothing_to_learn() -> None:
    made = parts(lambda rows: 2 * (rows[:, 0] > 0).astype(np.int32))
    made["test"].targets[:30] = 1
    found = headroom("Classification", ACCURACY, ["a", "never", "b"], made.__getitem__, 0)
    assert found is not None and 0.8 < found.linear.value <= 0.9
    same = parts(lambda rows: np.zeros(len(rows), np.int32))
    assert headroom("Classification", ACCURACY, ["a", "b"], same.__getitem__, 0) is None


def test_where_labels_count_alike_the_fit_does_so_too() -> None:
    noise = np.random.default_rng(1).normal(size=900)
    made = parts(lambda rows: (rows[:, 0] + noise > 2).astype(np.int32))
    train, _, test = made.values()
    plain = LogisticRegression().fit(train.features, train.targets).predict(test.features)
    found = headroom("Classification", Measure("balancedAccuracy"), ["often", "rare"], made.__getitem__, 0)
    assert found is not None and found.linear.value > 0.1 + balanced_accuracy_score(test.targets, plain)
