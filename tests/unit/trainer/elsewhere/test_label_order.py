"""Outputs of a model from elsewhere whose order is not that of the labels."""

import numpy as np

from steelyard_trainer.elsewhere.label_order import wrong_order

RANDOM = np.random.default_rng(0)
LABELS = ("high", "low", "medium")
TARGETS = RANDOM.integers(0, 3, 200)


def answers(order: list[int], erring: float = 0.1) -> np.ndarray:
    """Of a model whose output for a label stands where `order` says."""
    right = RANDOM.uniform(size=len(TARGETS)) > erring
    given = np.where(right, TARGETS, RANDOM.integers(0, 3, len(TARGETS)))
    return np.eye(3)[np.array(order)[given]]


def test_an_order_of_its_own_is_told_with_what_to_do() -> None:
    told = wrong_order(answers([2, 0, 1]), TARGETS, LABELS)
    assert told is not None
    assert "taken for 'high', 'low', 'medium', in this order" in told
    assert "in the order 'low', 'medium', 'high' they have 9" in told
    assert told.endswith("number the labels in the table as the model does, from 0")


def test_the_labels_order_a_guess_and_few_rows_are_taken() -> None:
    assert wrong_order(answers([0, 1, 2]), TARGETS, LABELS) is None
    assert wrong_order(RANDOM.uniform(size=(200, 3)), TARGETS, LABELS) is None
    assert wrong_order(answers([2, 0, 1])[:40], TARGETS[:40], LABELS) is None
    # Two of three labels are exchanged.
    assert wrong_order(answers([0, 2, 1], 0.0), TARGETS, LABELS) is not None
