"""The rows that steer a search of candidates."""

import numpy as np
import pytest

from steelyard_trainer.data.search_rows import MOST_ROWS, set_aside, with_search_rows
from steelyard_trainer.data.splitting import Split, split_rows

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
        (np.repeat(np.arange(8, dtype=np.int32), 2), 8, 3),
        (np.arange(7, dtype=np.int32) % 6, 6, 1),
    ],
    ids=["numbers", "many", "a class of one row", "few", "few of many classes", "one row", "pairs", "one pair"],
)
def test_there_are_as_many_as_there_can_be(targets: np.ndarray, classes: int | None, rows: int) -> None:
    learned, search = set_aside(targets, classes, seed=0)
    assert (len(learned), len(search)) == (len(targets) - rows, rows)
    for other in range(40 if classes else 0):
        assert set(targets[set_aside(targets, classes, other)[0]]) == set(targets), "every class is learned"


def test_a_split_gives_of_its_training_rows_alone() -> None:
    whole = split_rows(len(LABELS), test=0.2, validation=0.1, seed=7, codes=LABELS)
    cut = with_search_rows(whole, LABELS, None, seed=7)
    assert (cut.validation.tolist(), cut.test.tolist()) == (whole.validation.tolist(), whole.test.tolist())
    assert [row for row in whole.train if row in set(cut.train)] == cut.train.tolist(), "in their order"
    assert sorted([*cut.train, *cut.search]) == sorted(whole.train) and len(cut.search) == 140
    assert np.bincount(LABELS[cut.search]).tolist() == [84, 42, 14]
    assert list(whole.parts) == ["train", "validation", "test"] and list(cut.parts)[3:] == ["search"]


def test_whole_groups_are_set_aside_unless_a_class_would_not_be_learned() -> None:
    rows = np.arange(100, dtype=np.int32)
    whole, groups = Split(rows[:80], rows[80:90], rows[90:]), rows // 4
    cut = with_search_rows(whole, (rows % 2).astype(np.int32), groups, seed=0)
    assert len(cut.search) == 16 and not set(groups[cut.search]) & set(groups[cut.train])
    of_groups = (groups % 25).astype(np.int32)
    single = with_search_rows(whole, of_groups, groups, seed=0)
    assert set(of_groups[single.train]) == set(of_groups[whole.train]) and len(single.search) == 16


def test_a_large_group_keeps_no_smaller_one_from_being_set_aside() -> None:
    groups = np.repeat(np.arange(41), [800, *[5] * 40]).astype(np.int32)
    rows = np.arange(1000, dtype=np.int32)
    split = Split(rows, rows[:0], rows[:0])
    for seed in range(5):
        cut = with_search_rows(split, None, groups, seed)
        assert len(cut.search) == 200 and not set(groups[cut.search]) & set(groups[cut.train])
    # Where every group is larger than what is wanted, one of them is set aside all the same.
    four = with_search_rows(split, None, rows // 250, 0)
    assert len(four.search) == 250 and not set((rows // 250)[four.search]) & set((rows // 250)[four.train])
