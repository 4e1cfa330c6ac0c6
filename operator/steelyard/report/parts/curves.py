"""How the training went, epoch by epoch."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from steelyard.contract.report import NetworkTraining
from steelyard.report.blocks import Section, Text
from steelyard.report.chart_data import Curve, Plot
from steelyard.report.told import Told

History: TypeAlias = Mapping[str, Sequence[float | None]]

_TITLE = "How the training went"
_VALIDATION = "val_"


def curves(told: Told) -> Section | None:
    """A chart of each figure, on the training and the validation set; None where nothing was trained in epochs."""
    training = told.report.training
    if not isinstance(training, NetworkTraining):
        return None
    history = training.history
    if history is None:
        return Section(_TITLE, (_only_the_best(training),))
    names = dict.fromkeys(name.removeprefix(_VALIDATION) for name in history)
    plots = [plot for name in names if (plot := _plot(name, history, training.best_epoch)) is not None]
    if not plots:
        return None
    text = "Each figure after each epoch, as the training told it."
    if any(name.startswith(_VALIDATION) for name in history):
        text += (
            f" The weights are those of epoch {training.best_epoch}; the figures of the training set are taken while "
            "its weights still change."
        )
    return Section(_TITLE, (Text(text), *plots))


def _only_the_best(training: NetworkTraining) -> Text:
    figures = ", ".join(f"{name} {value:.4g}" for name, value in training.at_best_epoch.items())
    return Text(
        f"The weights are those of epoch {training.best_epoch} of {training.epochs}: {figures}. There are no figures "
        "of the other epochs: the version of Steelyard that published this model did not keep them."
    )


def _plot(name: str, history: History, best_epoch: int) -> Plot | None:
    learned, held_out = (_points(history.get(key, ())) for key in (name, _VALIDATION + name))
    lines = [Curve(learned, "first", "training")] if learned else []
    lines += [Curve(held_out, "second", "validation")] if held_out else []
    if not lines:
        return None
    values = [value for line in lines for _, value in line.points]
    best = Curve(((best_epoch, min(values)), (best_epoch, max(values))), "limit", "published")
    last = max(point[0] for line in lines for point in line.points)
    return Plot(
        label=f"{name} by epoch",
        x_label="epoch",
        y_label=name,
        curves=(best, *lines),
        x_range=(0.5, last + 0.5),
        size="Half",
        height=250.0,
    )


def _points(values: Sequence[float | None]) -> tuple[tuple[float, float], ...]:
    return tuple((float(epoch), value) for epoch, value in enumerate(values, 1) if value is not None)
