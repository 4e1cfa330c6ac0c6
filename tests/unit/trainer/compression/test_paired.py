"""What a model loses of each metric against another one on the same rows."""

import numpy as np
import pytest

from steelyard.api.compression.proof import LEAST_ROWS
from steelyard.api.metrics import METRICS_OF_TASK, OF_LABELS, Measure
from steelyard_trainer.compression.bounds import tango_bound
from steelyard_trainer.compression.paired import bound
from steelyard_trainer.evaluation.metrics import class_index_of, value_of

CLASSES = ("a", "b", "c")
OF_CLASSES = [Measure(name) for name in METRICS_OF_TASK["Classification"]] + [Measure(name, "b") for name in OF_LABELS]
OF_NUMBERS = [Measure(name) for name in METRICS_OF_TASK["Regression"]]
ROWS = 400


def answers(measure: Measure, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets, a model's outputs, and those of one that answers some rows otherwise."""
    random = np.random.default_rng(seed)
    if measure.info.task == "Regression":
        targets = random.normal(10, 3, ROWS)
        before = (targets + random.normal(size=ROWS))[:, None]
        after = before + random.normal(size=(ROWS, 1)) * (random.random((ROWS, 1)) < 0.2)
        return targets, before, after
    targets = random.choice(3, ROWS, p=[0.6, 0.3, 0.1]).astype(np.int32)
    scores = random.normal(size=(ROWS, 3))
    scores[np.arange(ROWS), targets] += 2
    others = scores + random.normal(size=(ROWS, 3)) * (random.random((ROWS, 1)) < 0.2)
    before, after = (np.exp(each) / np.exp(each).sum(axis=1, keepdims=True) for each in (scores, others))
    return targets, before, after


@pytest.mark.parametrize("measure", OF_CLASSES + OF_NUMBERS, ids=lambda each: each.name)
def test_the_loss_is_that_of_the_metric_and_its_bound_is_above(measure: Measure) -> None:
    targets, before, after = answers(measure, 0)
    found = bound(measure, targets, before, after, 0.95, CLASSES)
    index = class_index_of(measure, CLASSES)
    values = [value_of(measure, targets, each, index) for each in (after, before)]
    assert found.drop == pytest.approx(measure.loss(*values), abs=1e-9)
    surer = bound(measure, targets, before, after, 0.99, CLASSES)
    assert found.drop < found.upper < surer.upper < found.drop + 1


@pytest.mark.parametrize("measure", OF_CLASSES + OF_NUMBERS, ids=lambda each: each.name)
def test_a_model_that_answers_alike_is_proved_by_as_many_rows_as_are_said(measure: Measure) -> None:
    targets, before, _ = answers(measure, 1)
    found = bound(measure, targets, before, before, 0.95, CLASSES)
    assert found.drop == 0 < found.upper
    assert found.rows_to_prove(found.upper * 1.001, 0.95) <= found.rows < found.rows_to_prove(found.upper * 0.98, 0.95)


@pytest.mark.parametrize("measure", OF_CLASSES + OF_NUMBERS, ids=lambda each: each.name)
def test_of_many_rows_the_bound_is_that_of_the_normal_distribution(measure: Measure) -> None:
    """So it is only where what each row contributes is how the loss moves with that row: seen by resampling."""
    targets, before, after = answers(measure, 2)
    random, copies, drops = np.random.default_rng(0), 40, []
    for _ in range(100):
        drawn = random.integers(0, ROWS, ROWS)
        drops.append(bound(measure, targets[drawn], before[drawn], after[drawn], 0.95, CLASSES).drop)
    many = [np.concatenate([each] * copies) for each in (targets, before, after)]
    found = bound(measure, *many, 0.95, CLASSES)
    expected = 1.645 * np.std(drops) / copies**0.5
    # That of the median is looked for at several places, and is the largest.
    most = 3.0 if measure.metric == "medianAe" else 1.4
    assert 0.6 * expected <= found.upper - found.drop <= most * expected


def test_accuracy_has_tangos_bound() -> None:
    targets, before, after = answers(Measure("accuracy"), 3)
    old, new = (each.argmax(axis=1) == targets for each in (before, after))
    lost, gained = int((old & ~new).sum()), int((new & ~old).sum())
    assert lost != gained
    found = bound(Measure("accuracy"), targets, before, after, 0.95)
    assert found.upper == pytest.approx(tango_bound(lost, gained, ROWS, 0.95), abs=1e-9)


def test_the_recall_of_a_class_is_told_by_its_rows_alone() -> None:
    targets, before, _ = answers(Measure("recall", "c"), 4)
    found = bound(Measure("recall", "c"), targets, before, before, 0.95, CLASSES)
    assert found.rows == (targets == 2).sum()
    without = bound(Measure("recall", "c"), np.zeros(ROWS, np.int32), before, before, 0.95, CLASSES)
    assert without.upper == np.inf
    assert without.rows_to_prove(0.01, 0.95) is None


@pytest.mark.parametrize("name", ["rocAuc", "averagePrecision", "f1", "precision", "recall"])
def test_rows_without_a_class_prove_nothing_of_it(name: str) -> None:
    _, before, after = answers(Measure(name, "c"), 4)
    targets = np.zeros(ROWS, np.int32)
    # None is said to be of it, either.
    before[:, 2] = after[:, 2] = 0
    assert bound(Measure(name, "c"), targets, before, after, 0.95, CLASSES).upper == np.inf


@pytest.mark.parametrize("measure", OF_CLASSES + OF_NUMBERS, ids=lambda each: each.name)
def test_few_rows_and_rows_that_are_all_alike_prove_nothing(measure: Measure) -> None:
    targets, before, _ = answers(measure, 5)
    few = [each[: LEAST_ROWS - 1] for each in (targets, before)]
    assert bound(measure, few[0], few[1], few[1], 0.95, CLASSES).upper == np.inf
    if measure.info.task == "Regression":
        constant, exact = np.full(ROWS, 7.0), np.full((ROWS, 1), 7.0)
        assert bound(measure, constant, exact, exact, 0.95).upper == np.inf
