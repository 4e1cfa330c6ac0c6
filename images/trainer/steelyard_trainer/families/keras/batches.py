"""Which rows a worker sees in which step: a function of seed, epoch and step alone. Imports numpy only."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Batch:
    """One worker's part of a step, always `batch_size` rows: what is missing in the last step is padding."""

    features: Array
    """float32 (batch_size, width)."""
    targets: Array
    """(batch_size,): int32 class indices or float32."""
    weights: Array
    """float32 (batch_size,): 0 for padding; the weights of one step add up to 1 over all workers."""
    mask: Array
    """bool (batch_size,): False for padding."""
    step_weight: float
    """Sum of the rows' own weights over all workers: what the step counts for in the epoch's figures."""


@dataclass(frozen=True)
class Batches:
    """The training set dealt out to workers in global batches of workers x batch_size rows.

    Every worker makes the same number of steps, no row is left out and none counts twice.
    """

    features: Array
    targets: Array
    row_weights: Array
    """float32 (rows,): how much each row counts."""
    batch_size: int
    workers: int
    worker: int
    seed: int

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return math.ceil(len(self.features) / (self.workers * self.batch_size))

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch (from 0), from `first_step` on. The order of rows is new in every epoch."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.features))
        global_size = self.workers * self.batch_size
        for step in range(first_step, self.steps):
            yield self._batch(order[step * global_size : (step + 1) * global_size])

    def _batch(self, rows: Array) -> Batch:
        step_weight = float(self.row_weights[rows].sum(dtype=np.float64))
        own = rows[self.worker * self.batch_size : (self.worker + 1) * self.batch_size]
        weights = self.row_weights[own] / np.float32(step_weight)
        mask = np.ones(self.batch_size, bool)
        if padding := self.batch_size - len(own):
            mask[len(own) :] = False
            # Any row will do: it has weight 0.
            own = np.concatenate([own, np.zeros(padding, own.dtype)])
            weights = np.concatenate([weights, np.zeros(padding, np.float32)])
        return Batch(self.features[own], self.targets[own], weights, mask, step_weight)


def share(rows: int, workers: int, worker: int) -> slice:
    """The consecutive rows that a worker evaluates: every row is one worker's."""
    return slice(rows * worker // workers, rows * (worker + 1) // workers)
