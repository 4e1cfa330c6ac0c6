"""Rows dealt to folds."""

import numpy as np

from steelyard_trainer.data.folds import fold_of_rows

LABELS = np.repeat([0, 1, 2], [60, 31, 9])


def test_each_fold_has_an_even_share_of_the_rows_and_of_each_class() -> None:
    folds = fold_of_rows(LABELS, 3, 5, seed=1)
    assert np.bincount(folds).tolist() == [20] * 5
    for label in range(3):
        shares = np.bincount(folds[label == LABELS], minlength=5)
        assert shares.max() - shares.min() <= 1
    numbers = fold_of_rows(np.linspace(0, 1, 12), None, 5, seed=1)
    assert sorted(np.bincount(numbers)) == [2, 2, 2, 3, 3]


def test_the_seed_says_which_rows_are_together() -> None:
    first, again, other = (fold_of_rows(LABELS, 3, 5, seed).tolist() for seed in (1, 1, 2))
    assert first == again != other
