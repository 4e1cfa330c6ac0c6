"""A search's charts, as data: pure functions of its entries. Imports the api, the search, and the charts' data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.api.metrics import Goal
from steelyard.api.tuning import Parameter
from steelyard.report.chart_data import Axis, Bars, Curve, Mark, MarkKind, Parallel, Plot, Run
from steelyard.report.scales import NumberScale, Scale, figure, scale_of
from steelyard.search.best import is_better
from steelyard.search.log import Entry

SECONDARY_LABELS = {"Size": "bytes", "Latency": "microseconds a row"}


@dataclass(frozen=True)
class Importance:
    """How much each parameter matters to the objective, as a forest has learned it."""

    shares: tuple[tuple[str, float], ...]
    """(path, share) of each parameter, most important first; the shares add up to 1."""
    explained: float
    """How much of the variance the forest predicts of answers that it has not seen (R² out of bag); at most 1."""


def history_chart(entries: Sequence[Entry], metric: str, goal: Goal, chosen: int | None) -> Plot:
    """Each trial's value by its number, and the best so far. At least one has a value that is a number. The chosen
    trial bears its number."""
    shown = [entry for entry in entries if entry.value is not None and math.isfinite(entry.value)]
    numbers = [float(entry.number) for entry in entries]
    steps: list[tuple[float, float]] = []
    best: float | None = None
    for entry in shown:
        assert entry.value is not None
        if entry.is_answer and (best is None or is_better(entry.value, best, goal)):
            if best is not None:
                steps.append((entry.number, best))
            best = entry.value
            steps.append((entry.number, best))
    if best is not None:
        steps.append((max(numbers), best))
    return Plot(
        label=f"{metric} of each trial, and the best so far",
        x_label="trial",
        y_label=metric,
        curves=(Curve(tuple(steps), "best"),) if steps else (),
        marks=tuple(
            Mark(
                entry.number, entry.value or 0.0, "pruned" if entry.state == "Pruned" else "trial", _told(entry, metric)
            )
            for entry in shown
        ),
        ring=next((_ring(entry.number, entry, metric) for entry in shown if entry.number == chosen), None),
        x_range=(min(numbers) - 0.5, max(numbers) + 0.5),
    )


def front_chart(
    entries: Sequence[Entry], front: Sequence[Entry], metric: str, secondary: str, chosen: int | None
) -> Plot:
    """Score against size or latency; the front is joined, and the chosen trial bears its number."""
    shown = [entry for entry in entries if entry.is_answer and entry.has_cost]
    members = {entry.number for entry in front}
    marks = []
    for entry in sorted(shown, key=lambda entry: entry.number in members):
        is_member, cost = entry.number in members, entry.secondary or 0.0
        title = f"{_told(entry, metric)}, {figure(cost)} {secondary}{' (front)' if is_member else ''}"
        kind: MarkKind = "front" if is_member else "dominated"
        marks.append(Mark(cost, entry.value or 0.0, kind, title, radius=6.0 if is_member else 4.0))
    along = sorted(front, key=lambda entry: entry.secondary or 0.0)
    return Plot(
        label=f"{metric} against {secondary}; the front is joined",
        x_label=secondary,
        y_label=metric,
        curves=(Curve(tuple((entry.secondary or 0.0, entry.value or 0.0) for entry in along), "best"),),
        marks=tuple(marks),
        ring=next((_ring(entry.secondary or 0.0, entry, metric) for entry in shown if entry.number == chosen), None),
        height=360.0,
    )


def parallel_chart(
    parameters: Sequence[Parameter], entries: Sequence[Entry], metric: str, goal: Goal, chosen: int | None
) -> Parallel:
    """A line for each answered trial through an axis for each parameter and one for the objective; the better, the
    stronger, and drawn over those of worse ones. The chosen trial's lies on top, whoever ties with it."""
    shown = [entry for entry in entries if entry.is_answer and entry.value is not None]
    values = NumberScale.of([entry.value for entry in shown if entry.value is not None])
    scales: list[tuple[str, Scale]] = [(parameter.path, scale_of(parameter)) for parameter in parameters]
    sign = 1 if goal == "Maximize" else -1
    ranked = sorted(shown, key=lambda entry: (entry.number == chosen, sign * (entry.value or 0.0), -entry.number))
    runs = []
    for rank, entry in enumerate(ranked):
        places = [scale.place(entry.values[path]) if path in entry.values else None for path, scale in scales]
        share = rank / max(1, len(ranked) - 1)
        own = values.place(entry.value or 0.0)
        runs.append(Run((*places, own), _told(entry, metric), share, entry.number == chosen))
    axes = [Axis(_short(path), scale) for path, scale in scales]
    return Parallel(f"parallel coordinates: parameters and {metric}", (*axes, Axis(metric, values)), tuple(runs))


def importance_chart(importance: Importance) -> Bars:
    """A bar for each parameter."""
    return Bars("importance of each parameter", importance.shares)


def _ring(x: float, entry: Entry, metric: str) -> Mark:
    return Mark(x, entry.value or 0.0, "front", _told(entry, metric), f"trial {entry.number}")


def _short(path: str) -> str:
    """The last name of a path, with the one before where it says nothing by itself: hiddenUnits.0, optimizer.name."""
    names = path.split(".")
    return ".".join(names[-2:]) if names[-1].isdigit() or names[-1] == "name" else names[-1]


def _told(entry: Entry, metric: str) -> str:
    state = "" if entry.state == "Complete" else f" ({entry.state.lower()})"
    return f"trial {entry.number}{state}: {metric} {figure(entry.value or 0.0)}"
