"""Sharding and order of rows: every row exactly once an epoch, the same global batches for any number of workers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard_trainer.families.keras.batches import Batches, share


def make(rows: int, batch_size: int, workers: int, worker: int, seed: int = 3) -> Batches:
    features = np.arange(rows, dtype=np.float32)[:, None]
    return Batches(
        features, np.arange(rows), 1.0 + np.arange(rows, dtype=np.float32) % 3, batch_size, workers, worker, seed
    )


@given(st.integers(1, 200), st.integers(1, 17), st.integers(1, 5), st.integers(0, 3))
def test_an_epoch_has_every_row_once_in_equal_steps_on_all_workers(rows, batch_size, workers, epoch):
    seen: list[int] = []
    steps = set()
    for worker in range(workers):
        parts = list(make(rows, batch_size, workers, worker).epoch(epoch))
        steps.add(len(parts))
        for part in parts:
            assert part.features.shape == (batch_size, 1)
            assert (part.weights[~part.mask] == 0).all()
            seen.extend(part.targets[part.mask].tolist())
    assert sorted(seen) == list(range(rows))
    assert steps == {make(rows, batch_size, workers, 0).steps}


@given(st.integers(1, 100), st.integers(1, 8), st.integers(1, 4))
def test_the_weights_of_a_step_add_up_to_one_over_all_workers(rows, batch_size, workers):
    by_step = zip(*[make(rows, batch_size, workers, worker).epoch(0) for worker in range(workers)], strict=True)
    total = 0.0
    for parts in by_step:
        assert sum(part.weights.sum(dtype=np.float64) for part in parts) == pytest.approx(1, abs=1e-5)
        assert len({part.step_weight for part in parts}) == 1
        total += parts[0].step_weight
    assert total == pytest.approx(make(rows, batch_size, workers, 0).row_weights.sum(dtype=np.float64))


def test_two_workers_see_the_rows_of_one_with_the_double_batch():
    one = list(make(45, 10, 1, 0).epoch(2))
    two = list(zip(make(45, 5, 2, 0).epoch(2), make(45, 5, 2, 1).epoch(2), strict=True))
    for whole, (first, second) in zip(one, two, strict=True):
        parts = np.concatenate([first.targets[first.mask], second.targets[second.mask]])
        assert parts.tolist() == whole.targets[whole.mask].tolist()


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(seed: int, epoch: int, first: int = 0) -> list[int]:
        return [row for part in make(40, 4, 1, 0, seed).epoch(epoch, first) for row in part.targets.tolist()]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)
    assert order(1, 5, first=3) == order(1, 5)[12:]


@given(st.integers(0, 1000), st.integers(1, 9))
def test_shares_cover_every_row_once(rows, workers):
    covered = [row for worker in range(workers) for row in range(rows)[share(rows, workers, worker)]]
    assert covered == list(range(rows))
