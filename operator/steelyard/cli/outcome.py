"""What a job achieved, for a person: where the model lies, what it costs, what was weighed. Imports the api only."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steelyard.api.compression import BASELINE
from steelyard.api.status import ModelStatus
from steelyard.texts.figures import duration, number, with_error

_BASELINES = (BASELINE, "None")
"""What the model without compression is called in JSON; "None" in jobs of before that name."""

_COLUMNS = 80
"""The width that every terminal has."""

_INDENT = 12
"""Where the second column begins."""


def outcome_lines(found: Mapping[str, Any], published: Sequence[str]) -> list[str]:
    """A result, line by line.

    Args:
        found: the summary of the last stage's result; one that was too long for its place may lack any part.
        published: the places, as the user can type them.
    """
    lines = [f"published   {place}" for place in published]
    # One blank less, and it would not fit: 80 characters with what is to be copied in one line.
    lines += [f"digest  {found['digest']}"] if "digest" in found else []
    lines += [f"chosen      {_chosen(found)}"] if "chosen" in found else []
    lines += _test_lines(found)
    lines += [f"doubtful    {doubt}" for doubt in found.get("doubts", [])]
    return lines + _candidate_lines(found)


def typed(folder: Path) -> str:
    """A folder as the user can type it here: relative if it lies below."""
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)


def _test_lines(found: Mapping[str, Any]) -> list[str]:
    """What decides, beside a model that ignores the features; then the other metrics."""
    metrics = {name: f"{name} {with_error(value, error)}" for name, (value, error) in found.get("metrics", {}).items()}
    naive, decides = found.get("naive"), found.get("metric")
    if naive is not None and decides in metrics:
        label = naive.get("label")
        says = f"the mean, {naive.get('mean', 0.0):.6g}" if label is None else f"'{label}'"
        metrics[decides] += f" (always saying {says}: {number(naive['value'])})"
    shown = list(metrics.values())
    lines = [shown[0], *_wrapped(shown[1:])] if naive and shown else _wrapped(shown)
    return [f"{'' if number else 'test':<{_INDENT}}{line}" for number, line in enumerate(lines)]


def _wrapped(figures: Sequence[str]) -> list[str]:
    """Figures with commas between, as many in a line as fit. None is broken in two."""
    lines: list[str] = []
    for figure in figures:
        if lines and len(lines[-1]) + len(", ") + len(figure) <= _COLUMNS - _INDENT:
            lines[-1] += f", {figure}"
        else:
            lines.append(figure)
    return lines


def _chosen(found: Mapping[str, Any]) -> str:
    """The chosen candidate against the model without compression."""
    name, size, baseline, drop = (found.get(key) for key in ("chosen", "bytes", "baselineBytes", "metricDrop"))
    if name is None or not size or not baseline:
        return shown_name(str(name), found.get("baseline"))
    time = _time(_candidate(found, name))
    if name in _BASELINES:
        return f"{_baseline(found)}, {size:,} bytes{time}{_other_end(found)}"
    cost = "at the same" if not drop else f"{number(abs(drop))} {'less' if drop > 0 else 'more'}"
    return (
        f"{name}, {size:,} bytes{time}: {size / baseline:.3f} of {_baseline(found)} ({baseline:,} bytes), "
        f"{cost} {found.get('metric', 'metric')} on the validation set{_other_end(found)}"
    )


def _other_end(found: Mapping[str, Any]) -> str:
    """A line for what the fastest candidate within the budget costs, or, where that was chosen, the smallest."""
    chosen = _candidate(found, found["chosen"])
    within = [each for each in found.get("candidates", []) if each.get("withinBudget") and _time(each)]
    if len(within) < 2 or not _time(chosen):
        return ""
    key, word = ("latencyMicroseconds", "fastest")
    if chosen[key] == min(each[key] for each in within):
        key, word = ("bytes", "smallest")
    other = min(within, key=lambda each: float(each[key]))
    if other[key] >= chosen[key]:
        return ""
    name = shown_name(other["name"], found.get("baseline"))
    return f"\n{'':<12}the {word} within the budget: {name}, {other['bytes']:,} bytes{_time(other)}"


def _candidate(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A candidate that was weighed; empty where it is not told."""
    return next((each for each in found.get("candidates", []) if each["name"] == name), {})


def _time(candidate: Mapping[str, Any]) -> str:
    """How long a candidate takes; nothing where that was not measured."""
    latency = candidate.get("latencyMicroseconds")
    return f", {duration(latency)} a row" if latency else ""


def shown_name(name: str, baseline: str | None) -> str:
    """What a candidate is called where a person reads: the model without compression by its form, float32 or skops.

    Args:
        name: as JSON has it.
        baseline: what the result's `baseline` says.
    """
    return (baseline or "float32") if name in _BASELINES else name


def _baseline(found: Mapping[str, Any]) -> str:
    return shown_name(BASELINE, found.get("baseline"))


def _candidate_lines(found: Mapping[str, Any]) -> list[str]:
    """A table of the candidates that were weighed; nothing for one alone."""
    candidates = found.get("candidates", [])
    if len(candidates) < 2:
        return []
    metric = str(found.get("metric", "metric"))
    width = max(12, len(metric) + 2)
    lines = ["", f"{'candidate':<14}{'bytes':>12}{metric:>{width}}{'one row':>10}"]
    for each in candidates:
        name = shown_name(each["name"], found.get("baseline"))
        size, value, latency = (each.get(key) for key in ("bytes", "metric", "latencyMicroseconds"))
        cells = ("-" if size is None else f"{size:,}", "-" if value is None else number(value))
        time = "-" if latency is None else duration(latency)
        note = "  loses too much" if each.get("withinBudget") is False else ""
        note = "  can't be made" if each.get("bytes") is None and each.get("withinBudget") is False else note
        lines.append(f"{name:<14}{cells[0]:>12}{cells[1]:>{width}}{time:>10}{note}")
    return lines


def summary_of(model: ModelStatus) -> dict[str, Any]:
    """The model as the summary of a result says it."""
    found = model.model_dump(by_alias=True, exclude_none=True)
    if model.metrics is not None:
        found["metrics"] = {name: (each.value, each.standard_error) for name, each in model.metrics.items()}
    return found
