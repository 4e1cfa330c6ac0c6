"""A user's metrics of the validation set, after each epoch. Imports Keras and numpy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from steelyard.serving.interface import TargetUnit
from steelyard_trainer.elsewhere.archive import RefusedError
from steelyard_trainer.families.keras.own.outputs import Gives

_TOLD_ANYWAY = ("accuracy", "acc", "sparse_categorical_accuracy", "mae", "mean_absolute_error", "loss")
_LEAST = 1e-30


@dataclass(frozen=True)
class OwnMetrics:
    """Keras's metrics. They are given all outputs of the validation set: worker 0 computes them."""

    metrics: tuple[keras.metrics.Metric, ...]
    gives: Gives
    targets: NDArray[Any]
    """(rows,): class indices, or numbers in the target's own unit."""
    unit: TargetUnit | None
    """Regression: what standardized the target."""

    @property
    def names(self) -> list[str]:
        """As the history has them, after val_."""
        return [str(metric.name) for metric in self.metrics]

    def values(self, outputs: NDArray[Any]) -> list[float]:
        """In the order of the names.

        Args:
            outputs: probabilities (rows, classes), or the standardized target (rows, 1).
        """
        given, targets = self._as_the_model_gives(outputs), self.targets
        if given.shape[1] == 1:
            targets = targets.reshape(-1, 1)
        found = []
        for metric in self.metrics:
            metric.reset_state()
            wants_one_hot = given.shape[1] > 1 and _wants_one_hot(metric)
            metric.update_state(np.eye(given.shape[1])[targets] if wants_one_hot else targets, given)
            found.append(float(np.mean(metric.result())))
        return found

    def _as_the_model_gives(self, outputs: NDArray[Any]) -> NDArray[Any]:
        match self.gives:
            case "Number":
                return np.asarray(self.unit.restored(outputs) if self.unit else outputs)
            case "Probability":
                return outputs[:, 1:]
            case "Logit":
                shares: NDArray[Any] = np.log(np.maximum(outputs, _LEAST))
                return np.asarray(shares[:, 1:] - shares[:, :1])
            case "Logits":
                logits: NDArray[Any] = np.log(np.maximum(outputs, _LEAST))
                return logits
        return outputs


def own_metrics(
    given: Sequence[Any], gives: Gives, targets: NDArray[Any], unit: TargetUnit | None
) -> OwnMetrics | None:
    """A user's metrics, without those that are told of every model; None where none is left.

    Args:
        given: Keras's names, keras.metrics.Metric, or functions of (targets, outputs) that give a number for each row.
        gives: what the network gives: they are given the same.
        targets: of the validation set.
        unit: regression: what standardized the target.

    Raises:
        RefusedError: one is none.
    """
    metrics = tuple(_found(each) for each in given if not (isinstance(each, str) and each in _TOLD_ANYWAY))
    metrics = tuple(metric for metric in metrics if metric.name not in _TOLD_ANYWAY)
    return OwnMetrics(metrics, gives, targets, unit) if metrics else None


def _found(given: Any) -> keras.metrics.Metric:
    try:
        found = keras.metrics.get(given)
    except (ValueError, TypeError) as error:
        raise RefusedError(f"one of its metrics is none: {error}") from None
    if isinstance(found, keras.metrics.Metric):
        return found
    if callable(found):
        return keras.metrics.MeanMetricWrapper(found, name=getattr(found, "__name__", "metric"))
    raise RefusedError(f"one of its metrics is a {type(given).__name__}; allowed: Keras's name, a Metric, a function")


def _wants_one_hot(metric: keras.metrics.Metric) -> bool:
    """Of Keras's own all that are not called sparse, and that do not say so themselves."""
    function = getattr(metric, "_fn", metric)
    home = getattr(function, "__module__", "") or ""
    name = f"{getattr(function, '__name__', type(metric).__name__)} {type(metric).__name__}".lower()
    return home.partition(".")[0] == "keras" and "sparse" not in name
