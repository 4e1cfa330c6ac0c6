"""A search's trials as rows of a table, best first. Imports the search, the api and the report."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from steelyard.api.metrics import Goal
from steelyard.api.tuning import Parameter
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.report.blocks import Table
from steelyard.search.best import is_better
from steelyard.search.log import Entry

_LONGEST_VALUE = 24
SECONDARY_NAMES = {"Size": "bytes", "Latency": "us/row"}
"""What the secondary objective is counted in."""


def short_names(parameters: Sequence[Parameter]) -> dict[str, str]:
    """The shortest ends of the parameters' paths that tell them apart, by path."""
    names: dict[str, str] = {}
    for parameter in parameters:
        parts = parameter.path.split(".")
        for count in range(1, len(parts) + 1):
            end = parts[-count:]
            others = [other.path.split(".") for other in parameters if other.path != parameter.path]
            if all(other[-count:] != end for other in others) and not end[0].isdigit():
                break
        names[parameter.path] = ".".join(end)
    return names


def shown(value: Any) -> str:
    """A parameter's value in a table's cell."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str):
        return value
    text = "none" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def values_on_a_line(values: Mapping[str, Any], parameters: Sequence[Parameter]) -> str:
    """A trial's values on one line, such as `learningRate 0.01  dropout 0.2`."""
    names = short_names(parameters)
    return "  ".join(f"{names.get(path, path)} {shown(value)}" for path, value in values.items())


def header(spec: TuningJobSpec) -> list[str]:
    """The names of the columns of `row`."""
    secondary = [SECONDARY_NAMES[spec.objective.secondary]] if spec.objective.secondary else []
    return ["TRIAL", "STATE", spec.objective.name, *secondary, *short_names(spec.parameters).values(), "SECONDS"]


def row(entry: Entry, spec: TuningJobSpec) -> list[str]:
    """An answered trial, as cells."""
    secondary = [_number(entry.secondary)] if spec.objective.secondary else []
    values = [shown(entry.values[path]) if path in entry.values else "" for path in short_names(spec.parameters)]
    state = f"{entry.state} after {stopped_at(entry, spec)}" if stopped_at(entry, spec) else entry.state
    return [str(entry.number), state, metric(entry.value), *secondary, *values, f"{entry.seconds:.1f}"]


def trials_table(entries: Sequence[Entry], spec: TuningJobSpec) -> Table:
    """Answered trials, with their figures at the right."""
    names = header(spec)
    figures = range(2, 4 if spec.objective.secondary else 3)
    return Table(
        tuple(names), tuple(tuple(row(entry, spec)) for entry in entries), frozenset({*figures, len(names) - 1})
    )


def columns(spec: TuningJobSpec) -> list[str]:
    """The names of what `record` holds, in its order."""
    secondary = [SECONDARY_NAMES[spec.objective.secondary]] if spec.objective.secondary else []
    paths = [parameter.path for parameter in spec.parameters]
    return ["trial", "state", spec.objective.name, *secondary, "epoch", "seconds", *paths, "reason"]


def record(entry: Entry, spec: TuningJobSpec) -> dict[str, Any]:
    """An answered trial for a program: its figures, and the value of each parameter that it has by its path."""
    secondary = [entry.secondary] if spec.objective.secondary else []
    values = [entry.values.get(parameter.path) for parameter in spec.parameters]
    cells = [entry.number, entry.state, entry.value, *secondary, entry.epoch, entry.seconds, *values, entry.reason]
    absent = {parameter.path for parameter in spec.parameters} - entry.values.keys()
    return {name: cell for name, cell in zip(columns(spec), cells, strict=True) if name not in absent}


def stopped_at(entry: Entry, spec: TuningJobSpec) -> str:
    """Where a pruned trial stopped, such as `epoch 3` or `fold 2`, which its value is of; else empty."""
    if entry.state != "Pruned" or not entry.steps:
        return ""
    unit = "epoch" if spec.template.evaluation.cross_validation is None else "fold"
    return f"{unit} {entry.steps[-1][0]}"


def answered(count: int, spec: TuningJobSpec) -> str:
    """How far a search is, such as `3 of 20 trials finished`; maxTrials may have become less since then."""
    if count <= spec.max_trials:
        return f"{count:,} of {numbered(spec.max_trials, 'trial')} finished"
    return f"{numbered(count, 'trial')} finished, maxTrials is {spec.max_trials:,} now"


def numbered(count: int, thing: str) -> str:
    """Such as `1 trial` or `2 trials`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def cost(value: float | None, secondary: str | None) -> str:
    """A value of the secondary objective with its unit; empty where there is none."""
    return "" if value is None or secondary is None else f"{_number(value)} {SECONDARY_NAMES[secondary]}"


def front_line(front: Sequence[int]) -> str:
    """The trials of a front by number, such as `2 trials: 3, 5`."""
    return f"{numbered(len(front), 'trial')}: {', '.join(map(str, sorted(front)))}"


def metric(value: float | None) -> str:
    """A value of the objective."""
    return "-" if value is None else f"{value:.5g}"


def best_first(entries: Iterable[Entry], goal: Goal) -> list[Entry]:
    """Answers from the best to the worst, of equal ones the earlier first; then what was pruned, then what failed."""
    ranks = {"Complete": 0, "Repeated": 0, "Pruned": 1, "Failed": 2}
    sign = 1.0 if is_better(0.0, 1.0, goal) else -1.0

    def key(entry: Entry) -> tuple[int, float, int]:
        worst = float("inf")
        value = worst if entry.value is None or entry.value != entry.value else sign * entry.value
        return (ranks[entry.state], value, entry.number)

    return sorted(entries, key=key)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
