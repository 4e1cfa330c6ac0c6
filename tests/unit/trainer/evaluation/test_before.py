"""The model without compression beside the published one."""

import numpy as np
import pytest

from steelyard.api.metrics import all_measures
from steelyard_trainer.evaluation.before import before_of
from steelyard_trainer.evaluation.evidence import errors_of
from steelyard_trainer.evaluation.metrics import evaluate

CLASSES = ["a", "b", "c", "nowhere"]
MEASURES = all_measures("Classification")


def test_answers_that_differ_are_counted_by_who_is_right() -> None:
    targets = np.array([0, 0, 1, 1, 1, 2, 2])
    before = np.eye(4)[[0, 1, 1, 1, 1, 0, 2]]
    after = np.eye(4)[[0, 0, 2, 0, 1, 1, 2]]
    found = before_of("Classification", MEASURES, CLASSES, targets, before, after)
    assert found is not None and found.answers is not None and found.recalls is not None
    assert found.answers.to_json() == {"rows": 7, "differing": 4, "lost": 2, "won": 1}
    # A label that has no row there has no recall.
    assert [(each.label, each.rows, each.before, each.after) for each in found.recalls] == [
        ("a", 2, 0.5, 1.0),
        ("b", 3, 1.0, 1 / 3),
        ("c", 2, 0.5, 0.5),
    ]
    assert found.errors == errors_of(CLASSES, targets, before)
    expected = evaluate("Classification", targets, before, MEASURES, CLASSES)
    assert expected is not None
    assert {name: each.value for name, each in found.metrics.items()} == {
        name: pytest.approx(figure.value) for name, figure in expected.items()
    }


def test_of_numbers_there_are_residuals_and_of_outputs_that_are_none_there_is_nothing() -> None:
    targets, outputs = np.arange(5.0), np.zeros((5, 1))
    found = before_of("Regression", all_measures("Regression"), None, targets, outputs, outputs)
    assert found is not None and found.answers is None and found.errors == errors_of(None, targets, outputs)
    assert before_of("Regression", [], None, targets, np.full((5, 1), np.nan), outputs) is None
