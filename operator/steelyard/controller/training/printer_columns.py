"""The short texts of `kubectl get`, from the figures beside them. Pure; imports the api only."""

from collections.abc import Mapping
from typing import Any

from steelyard.api.metrics import METRICS

_UNITS = ("B", "kB", "MB", "GB", "TB")
# What is most worth a column while a training runs, best first: what the manifest asks for is there only then.
_ASKED_FOR = [f"val_{metric}" for metric in METRICS if metric not in ("accuracy", "mae")]
_SHOWN_FIGURES = (*_ASKED_FOR, "val_accuracy", "val_mae", "val_loss", "accuracy", "mae", "loss")


def progress_text(stage: str, done: int, total: int) -> str:
    """Such as `train 7/10`."""
    return f"{stage} {done}/{total}"


def metric_text(name: str, value: float) -> str:
    """Such as `accuracy 0.972`."""
    return f"{name} {value:.3g}"


def size_text(count: int) -> str:
    """Such as `94 kB`: three digits, thousands."""
    value = float(count)
    for unit in _UNITS:
        if value < 999.5 or unit == _UNITS[-1]:
            return f"{value:.0f} {unit}" if value >= 9.95 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


def figure_text(values: Mapping[str, Any]) -> str | None:
    """The most telling figure of a training that runs; None where there is none."""
    for name in _SHOWN_FIGURES:
        if isinstance(value := values.get(name), int | float):
            return metric_text(name, value)
    return None
