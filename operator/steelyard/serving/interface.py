"""What every published model can do, whichever library runs it, and how its latency is measured. Imports numpy only."""

import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

BATCH_ROWS = 1024


class ServedModel(Protocol):
    """A model in memory that takes (rows, width) and gives (rows, outputs): probabilities by class, or one number."""

    outputs: int

    @property
    def features_type(self) -> type[np.float32] | type[np.float64]:
        """What `predict` computes with: what `Preprocessing.transform` should give."""
        ...

    def predict(self, features: npt.ArrayLike) -> npt.NDArray[Any]:
        """The outputs, float32 or float64, shape (rows, outputs), of preprocessed rows."""
        ...

    def median_latency(self, features: npt.ArrayLike, *, repeats: int = 1000, seconds: float = 1.0) -> float:
        """Median time of one row on one thread, in microseconds; see `median_microseconds`."""
        ...


def median_microseconds(
    run: Callable[[npt.NDArray[Any]], object],
    features: npt.NDArray[Any],
    *,
    repeats: int,
    seconds: float,
    place: Callable[[npt.NDArray[Any]], object] = lambda _row: None,
) -> float:
    """Median time of one call with one row.

    Args:
        run: takes features of shape (1, width).
        place: called with the same before, untimed: puts the row where `run` finds it.
        features: shape (rows, width); the rows are taken in turn.
        repeats: calls that are timed, after a tenth as many for warm-up.
        seconds: a slow model is timed no longer than this, but for 20 calls at least.
    """
    times: list[int] = []
    warm_up = repeats // 10
    deadline = time.perf_counter() + seconds
    for turn in range(warm_up + repeats):
        row = turn % len(features)
        one = features[row : row + 1]
        place(one)
        begin = time.perf_counter_ns()
        run(one)
        times.append(time.perf_counter_ns() - begin)
        if len(times) >= 20 and time.perf_counter() > deadline:
            break
    return float(np.median(times[warm_up:] or times)) / 1000


def by_batches(
    run: Callable[[npt.NDArray[Any]], npt.NDArray[Any]], features: npt.NDArray[Any], outputs: int, step: int
) -> npt.NDArray[Any]:
    """The outputs of all rows, of the features' type, computed `step` rows at a time."""
    results = np.empty((len(features), outputs), dtype=features.dtype)
    for start in range(0, len(features), step):
        results[start : start + step] = run(features[start : start + step])
    return results
