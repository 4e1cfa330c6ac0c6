"""The rows that steer a search of candidates."""

import numpy as np
import pytest

from steelyard_trainer.compression.search_rows import MOST_ROWS, set_aside

LABELS = np.repeat([0, 1, 2], [600, 300, 100]).astype(np.int32)


def test_a_fifth_of_each_class_is_set_aside_by_the_seed() -> None:
    learned, search = set_aside(LABELS, 3, seed=1)
    assert np.bincount(LABELS[search]).tolist() == [120, 60, 20]
    assert sorted([*learned, *search]) == list(range(len(LABELS)))
    assert [part.tolist() for part in set_aside(LABELS, 3, seed=1)] == [learned.tolist(), search.tolist()]
    assert set_aside(LABELS, 3, seed=2)[1].tolist() != search.tolist()


@pytest.mark.parametrize(
    ("targets", "classes", "rows"),
    [
        (np.random.default_rng(0).normal(size=99), None, 19),
        (np.zeros(110_000), None, MOST_ROWS),
        (np.array([0] * 30 + [1], np.int32), 2, 6),
        (np.arange(4), None, 0),
        (np.arange(4, dtype=np.int32), 4, 0),
        (np.zeros(1), None, 0),
    ],
    ids=["numbers", "many", "a class of one row", "few", "few rows of many classes", "one row"],
)
def test_there_are_as_many_as_there_can_be(targets: np.ndarray, classes: int | None, rows: int) -> None:
    learned, search = set_aside(targets, classes, seed=0)
    assert (len(learned), len(search)) == (len(targets) - rows, rows)
