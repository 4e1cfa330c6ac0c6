"""What figures are read beside: scikit-learn's dummy models, where a model errs, and what makes figures doubtful."""

from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import confusion_matrix

from steelyard.api.metrics import Measure, all_measures
from steelyard_trainer.evaluation.evidence import MOST_CONFUSION_CLASSES, Naive, doubts, errors_of, naive_model
from steelyard_trainer.evaluation.metrics import Figure, evaluate

CLASSES = ["a", "b", "c"]


def test_the_naive_model_is_scikit_learns_dummy() -> None:
    random = np.random.default_rng(0)
    trained, targets = random.choice(3, 200, p=[0.2, 0.5, 0.3]), random.choice(3, 90)
    measures = [*all_measures("Classification"), Measure("recall", "b")]
    found = naive_model(measures, CLASSES, trained, targets)
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((200, 1)), trained)
    expected = evaluate("Classification", targets, dummy.predict_proba(np.zeros((90, 1))), measures, CLASSES)
    assert expected is not None and found.says == "b"
    assert found.values == {name: pytest.approx(figure.value) for name, figure in expected.items()}
    assert found.values["recall[b]"] == 1 and found.values["rocAuc"] == 0.5
    numbers = random.normal(50, 3, 80)
    mean = naive_model(all_measures("Regression"), None, numbers, numbers[:30])
    dummy = DummyRegressor().fit(np.zeros((80, 1)), numbers)
    assert mean.says == pytest.approx(dummy.predict([[0]])[0]) and mean.values["r2"] == pytest.approx(
        dummy.score(np.zeros((30, 1)), numbers[:30])
    )


def test_errors_of_classes_are_the_confusion_matrix_of_many_the_pairs_that_are_confused_most() -> None:
    random = np.random.default_rng(0)
    targets, outputs = random.choice(3, 50), random.dirichlet(np.ones(3), 50)
    found = errors_of(CLASSES, targets, outputs)
    assert found.to_json() == {"confusion": confusion_matrix(targets, outputs.argmax(1), labels=range(3)).tolist()}
    many = [f"label {index}" for index in range(MOST_CONFUSION_CLASSES + 1)]
    said = np.eye(len(many))[[4, 4, 4, 7, 2, 2]]
    assert errors_of(many, np.array([5, 5, 4, 6, 9, 2]), said).to_json() == {
        "confused": [
            {"label": "label 5", "said": "label 4", "rows": 2},
            {"label": "label 6", "said": "label 7", "rows": 1},
            {"label": "label 9", "said": "label 2", "rows": 1},
        ]
    }


def test_errors_of_numbers_are_quantiles_of_target_minus_prediction() -> None:
    found = errors_of(None, np.arange(101.0), np.zeros((101, 1)))
    assert found.to_json() == {
        "residuals": {"0": 0, "0.05": 5, "0.25": 25, "0.5": 50, "0.75": 75, "0.95": 95, "1": 100}
    }


def doubtful(value: float, error: float = 0.01, naive: float = 0.5, metric: Any = "accuracy", **findings: Any) -> str:
    measure = Measure(metric)
    return "; ".join(doubts(measure, {metric: Figure(value, error)}, Naive("no", {metric: naive}), findings, rows=1000))


def test_doubts() -> None:
    assert doubtful(0.9) == "" == doubtful(0.9, duplicateRows=9)
    assert doubtful(0.9, duplicateRows=10).startswith("10 of 1,000 rows (1%) repeat an earlier one")
    assert "'a' says the target already" in doubtful(0.9, featuresEqualToTarget=["a"])
    assert doubtful(0.9, lookAlikeLabels=[{"A": 3, "a": 4}]) == "labels look alike: 'A' (3 rows), 'a' (4 rows)"
    assert "accuracy 0.505 ± 0.01 on the test set is no better than 0.5" in doubtful(0.505)
    assert "always saying 'no'" in doubtful(0.4)
    # Less is better.
    assert doubtful(4.0, 0.5, naive=5.0, metric="rmse") == ""
    assert "no better than 5" in doubtful(4.6, 0.5, naive=5.0, metric="rmse")
