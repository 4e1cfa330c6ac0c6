"""What every published model can do, whichever library runs it, and how its latency is measured. Imports numpy only."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

BATCH_ROWS = 1024


class ServedModel(Protocol):
    """A model in memory that takes (rows, width) and gives (rows, outputs): probabilities by class, or one number."""

    @property
    def width(self) -> int:
        """How many features it takes."""
        ...

    @property
    def outputs(self) -> int:
        """Of a row."""
        ...

    @property
    def features_type(self) -> type[np.float32] | type[np.float64]:
        """What `predict` computes with: what `Preprocessing.transform` should give."""
        ...

    def predict(self, features: npt.ArrayLike) -> npt.NDArray[Any]:
        """The outputs, float32 or float64, shape (rows, outputs), of preprocessed rows."""
        ...

    def latencies(
        self, features: npt.ArrayLike, *, rows: int = 1, repeats: int = 1000, seconds: float = 1.0
    ) -> list[float]:
        """Times of calls on one thread, in microseconds; see `timed`."""
        ...


@dataclass(frozen=True)
class TargetUnit:
    """A regression's target as networks and ONNX files learn and give it: shifted to mean 0, scaled to deviation 1.

    Both ways in float64: next to 1.7e9 float32 knows only every 128th number, and Float16 ends at 65,504.
    """

    mean: float
    """Of the training set's target, in its own unit."""
    scale: float
    """Its standard deviation; 1 where it does not vary."""

    def standardized(self, targets: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """From the target's own unit; float64, of the same shape."""
        return (np.asarray(targets, dtype=np.float64) - self.mean) / self.scale

    def restored(self, outputs: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """To the target's own unit; float64, of the same shape."""
        return np.asarray(outputs, dtype=np.float64) * self.scale + self.mean


@dataclass(frozen=True)
class InTargetUnit:
    """A model whose file gives the standardized target, as one that gives the target itself."""

    model: ServedModel
    unit: TargetUnit

    @property
    def width(self) -> int:
        """How many features it takes."""
        return self.model.width

    @property
    def outputs(self) -> int:
        """Of a row: 1."""
        return self.model.outputs

    @property
    def features_type(self) -> type[np.float32] | type[np.float64]:
        """What `predict` computes with."""
        return self.model.features_type

    def predict(self, features: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The target in its own unit, float64, shape (rows, 1)."""
        return self.unit.restored(self.model.predict(features))

    def latencies(
        self, features: npt.ArrayLike, *, rows: int = 1, repeats: int = 1000, seconds: float = 1.0
    ) -> list[float]:
        """Of the file itself; see `timed`."""
        return self.model.latencies(features, rows=rows, repeats=repeats, seconds=seconds)


def timed(
    run: Callable[[npt.NDArray[Any]], object],
    features: npt.NDArray[Any],
    *,
    rows: int,
    repeats: int,
    seconds: float,
    place: Callable[[npt.NDArray[Any]], object] = lambda _batch: None,
) -> list[float]:
    """Times of calls, in microseconds.

    Args:
        run: takes features of shape (rows, width).
        place: called with the same before, untimed: puts the rows where `run` finds them.
        features: shape (any number of rows, width); the rows are taken in turn, and again where they are too few.
        rows: of a call.
        repeats: calls that are timed, after a tenth as many for warm-up.
        seconds: a slow model is timed no longer than this, but for one call at least.
    """
    matrix = features if len(features) >= rows else np.resize(features, (rows, features.shape[1]))
    times: list[int] = []
    warm_up = max(1, repeats // 10)
    deadline = time.perf_counter() + seconds
    for turn in range(warm_up + repeats):
        start = turn * rows % (len(matrix) - rows + 1)
        batch = matrix[start : start + rows]
        place(batch)
        begin = time.perf_counter_ns()
        run(batch)
        times.append(time.perf_counter_ns() - begin)
        if len(times) > 1 and time.perf_counter() > deadline:
            break
    return [each / 1000 for each in times[warm_up:] or times[-1:]]


def by_batches(
    run: Callable[[npt.NDArray[Any]], npt.NDArray[Any]], features: npt.NDArray[Any], outputs: int, step: int
) -> npt.NDArray[Any]:
    """The outputs of all rows, of the features' type, computed `step` rows at a time."""
    results = np.empty((len(features), outputs), dtype=features.dtype)
    for start in range(0, len(features), step):
        results[start : start + step] = run(features[start : start + step])
    return results
