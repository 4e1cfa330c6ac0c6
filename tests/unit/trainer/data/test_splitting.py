"""The split is scikit-learn's, set and order, in less memory."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import datasets
from sklearn.model_selection import train_test_split

from steelyard_trainer.data.splitting import (
    ClassTooSmallError,
    PartTooSmallError,
    TooFewRowsError,
    _group,
    split_rows,
)


def _by_scikit_learn(rows, test, validation, seed, labels):
    rest, test_part = train_test_split(np.arange(rows), test_size=test, random_state=seed, stratify=labels)
    train, validation_part = train_test_split(
        rest,
        test_size=math.ceil(validation * rows),
        random_state=seed,
        stratify=None if labels is None else labels[rest],
    )
    return train, validation_part, test_part


def _codes(labels):
    return np.unique(labels, return_inverse=True)[1].astype(np.int32)


@pytest.mark.parametrize("name", ["digits", "iris", "wine", "breast_cancer"])
@pytest.mark.parametrize("stratify", [False, True])
@pytest.mark.parametrize(
    ("test", "validation", "seed"), [(0.2, 0.1, 42), (0.25, 0.25, 0), (0.1, 0.3, 7), (1 / 3, 0.15, 2**32 - 1)]
)
def test_it_equals_scikit_learns_on_shipped_data_sets(name, stratify, test, validation, seed):
    labels = getattr(datasets, f"load_{name}")().target
    split = split_rows(
        len(labels), test=test, validation=validation, seed=seed, codes=_codes(labels) if stratify else None
    )
    expected = _by_scikit_learn(len(labels), test, validation, seed, labels if stratify else None)
    for part, expected_part in zip(split.parts.values(), expected, strict=True):
        np.testing.assert_array_equal(part, expected_part)
        assert part.dtype == np.int32


def test_class_order_is_that_of_text_labels_too():
    labels = np.array(["b", "a", "c", "b", "a", "b", "c", "a"] * 9)
    split = split_rows(len(labels), test=0.2, validation=0.2, seed=3, codes=_codes(labels))
    for part, expected in zip(split.parts.values(), _by_scikit_learn(len(labels), 0.2, 0.2, 3, labels), strict=True):
        np.testing.assert_array_equal(part, expected)


@settings(max_examples=200)
@given(
    class_sizes=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    test=st.floats(0.01, 0.6),
    validation=st.floats(0.01, 0.39),
    seed=st.integers(0, 2**32 - 1),
    stratify=st.booleans(),
)
def test_parts_are_disjoint_cover_every_row_and_are_scikit_learns(class_sizes, test, validation, seed, stratify):
    rows = sum(class_sizes)
    labels = np.random.RandomState(0).permutation(np.repeat(np.arange(len(class_sizes)), class_sizes)).astype(np.int32)
    try:
        split = split_rows(rows, test=test, validation=validation, seed=seed, codes=labels if stratify else None)
    except TooFewRowsError:
        with pytest.raises(ValueError, match=r"should be|too few|will be empty"):
            _by_scikit_learn(rows, test, validation, seed, labels if stratify else None)
        return
    assert len(split.test) == math.ceil(test * rows)
    assert len(split.validation) == math.ceil(validation * rows)
    assert sorted([*split.train, *split.validation, *split.test]) == list(range(rows))
    expected = _by_scikit_learn(rows, test, validation, seed, labels if stratify else None)
    for part, expected_part in zip(split.parts.values(), expected, strict=True):
        np.testing.assert_array_equal(part, expected_part)


def test_a_class_of_one_row_is_named():
    codes = np.array([0] * 20 + [1] + [2] * 20, dtype=np.int32)
    with pytest.raises(ClassTooSmallError) as failure:
        split_rows(41, test=0.2, validation=0.1, seed=0, codes=codes)
    assert (failure.value.code, failure.value.rows) == (1, 1)


def test_a_part_with_fewer_rows_than_classes_is_named():
    codes = np.repeat(np.arange(10), 5).astype(np.int32)
    with pytest.raises(PartTooSmallError) as failure:
        split_rows(50, test=0.1, validation=0.2, seed=0, codes=codes)
    assert (failure.value.part, failure.value.rows, failure.value.classes) == ("test", 5, 10)


def test_no_row_left_to_train_on():
    with pytest.raises(TooFewRowsError, match="2 rows are too few"):
        split_rows(2, test=0.2, validation=0.1, seed=0)


@given(codes=st.lists(st.integers(0, 4), min_size=1, max_size=60), chunk=st.integers(1, 20))
def test_grouping_in_chunks_is_a_stable_sort(codes, chunk):
    array = np.array(codes, dtype=np.int32)
    np.testing.assert_array_equal(_group(array, np.bincount(array), chunk), np.argsort(array, kind="stable"))
