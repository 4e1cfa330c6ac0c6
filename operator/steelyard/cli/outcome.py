"""What a job achieved, for a person: where the model lies, what it costs, what was weighed. Imports the api and the contract."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steelyard.api.compression import BASELINE
from steelyard.api.status import ModelStatus
from steelyard.contract.summaries import CandidateSummary, ModelSummary
from steelyard.texts.figures import duration, number, with_error

_BASELINES = (BASELINE, "None")
"""What the model without compression is called in JSON; "None" in jobs of before that name."""

_COLUMNS = 80
"""The width that every terminal has."""

_INDENT = 12
"""Where the second column begins."""


def outcome_lines(summary: Mapping[str, Any], published: Sequence[str]) -> list[str]:
    """A result, line by line.

    Args:
        summary: that of the last stage's result; one that was too long for its place may lack any part.
        published: the places, as the user can type them.
    """
    found = ModelSummary.told(summary)
    lines = [f"published   {place}" for place in published]
    # One blank less, and it would not fit: 80 characters with what is to be copied in one line.
    lines += [f"digest  {found.digest}"] if found.digest else []
    lines += [f"chosen      {_chosen(found, found.chosen)}"] if found.chosen else []
    lines += _test_lines(found)
    lines += [f"doubtful    {doubt}" for doubt in found.doubts or []]
    return lines + _candidate_lines(found)


def typed(folder: Path) -> str:
    """A folder as the user can type it here: relative if it lies below."""
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)


def _test_lines(found: ModelSummary) -> list[str]:
    """What decides, beside a model that ignores the features; then the other metrics."""
    metrics = {name: f"{name} {with_error(value, error)}" for name, (value, error) in (found.metrics or {}).items()}
    naive, decides = found.naive, found.metric
    if naive is not None and decides in metrics:
        says = f"the mean, {naive.mean or 0.0:.6g}" if naive.label is None else f"'{naive.label}'"
        metrics[decides] += f" (always saying {says}: {number(naive.value)})"
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


def _chosen(found: ModelSummary, name: str) -> str:
    """The chosen candidate against the model without compression."""
    size, baseline, drop = found.bytes, found.baseline_bytes, found.metric_drop
    if not size or not baseline:
        return shown_name(name, found.baseline)
    time = _time(_candidate(found, name))
    if name in _BASELINES:
        return f"{_baseline(found)}, {size:,} bytes{time}{_other_end(found, name)}"
    cost = "at the same" if not drop else f"{number(abs(drop))} {'less' if drop > 0 else 'more'}"
    return (
        f"{name}, {size:,} bytes{time}: {size / baseline:.3f} of {_baseline(found)} ({baseline:,} bytes), "
        f"{cost} {found.metric or 'metric'} on the validation set{_other_end(found, name)}"
    )


def _other_end(found: ModelSummary, name: str) -> str:
    """A line for what the fastest candidate within the budget costs, or, where that was chosen, the smallest."""
    within = [each for each in found.candidates or [] if each.within_budget and _time(each)]
    chosen = _candidate(found, name)
    if chosen is None or len(within) < 2 or not _time(chosen):
        return ""
    fastest = min(within, key=lambda each: each.latency_microseconds or 0.0)
    smallest = min(within, key=lambda each: each.bytes or 0)
    if chosen.latency_microseconds != fastest.latency_microseconds:
        return _against("fastest", fastest, found)
    return _against("smallest", smallest, found) if (smallest.bytes or 0) < (chosen.bytes or 0) else ""


def _against(word: str, other: CandidateSummary, found: ModelSummary) -> str:
    name = shown_name(other.name, found.baseline)
    return f"\n{'':<12}the {word} within the budget: {name}, {other.bytes:,} bytes{_time(other)}"


def _candidate(found: ModelSummary, name: str) -> CandidateSummary | None:
    """A candidate that was weighed; None where it is not told."""
    return next((each for each in found.candidates or [] if each.name == name), None)


def _time(candidate: CandidateSummary | None) -> str:
    """How long a candidate takes; nothing where that was not measured."""
    latency = candidate.latency_microseconds if candidate else None
    return f", {duration(latency)} a row" if latency else ""


def shown_name(name: str, baseline: str | None) -> str:
    """What a candidate is called where a person reads: the model without compression by its form, float32 or skops.

    Args:
        name: as JSON has it.
        baseline: what the result's `baseline` says.
    """
    return (baseline or "float32") if name in _BASELINES else name


def _baseline(found: ModelSummary) -> str:
    return shown_name(BASELINE, found.baseline)


def _candidate_lines(found: ModelSummary) -> list[str]:
    """A table of the candidates that were weighed; nothing for one alone."""
    candidates = found.candidates or []
    if len(candidates) < 2:
        return []
    metric = found.metric or "metric"
    width = max(12, len(metric) + 2)
    lines = ["", f"{'candidate':<14}{'bytes':>12}{metric:>{width}}{'one row':>10}"]
    for each in candidates:
        name, size = shown_name(each.name, found.baseline), each.bytes
        cells = ("-" if size is None else f"{size:,}", "-" if each.metric is None else number(each.metric))
        time = "-" if each.latency_microseconds is None else duration(each.latency_microseconds)
        note = "  loses too much" if each.within_budget is False else ""
        note = "  can't be made" if size is None and each.within_budget is False else note
        lines.append(f"{name:<14}{cells[0]:>12}{cells[1]:>{width}}{time:>10}{note}")
    return lines


def summary_of(model: ModelStatus) -> dict[str, Any]:
    """The model as the summary of a result says it."""
    found = model.model_dump(by_alias=True, exclude_none=True)
    if model.metrics is not None:
        found["metrics"] = {name: (each.value, each.standard_error) for name, each in model.metrics.items()}
    return found
