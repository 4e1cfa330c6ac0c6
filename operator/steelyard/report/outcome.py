"""What a job achieved: where the model lies, what it costs, what was weighed. Pure; imports contract and blocks."""

from collections.abc import Sequence

from steelyard.api.compression import BASELINE
from steelyard.contract.summaries import CandidateSummary, ModelSummary
from steelyard.report.blocks import Block, Facts, Section, Table, Text
from steelyard.report.names import BASELINES, shown_name
from steelyard.texts.figures import duration, number, with_error

Row = tuple[str, tuple[tuple[str, ...], ...]]


def outcome(found: ModelSummary, published: Sequence[str], before: Sequence[Row] = ()) -> Section:
    """What there is to tell of a model; of what is not known nothing.

    Args:
        found: the model.
        published: the places, as the user can type them.
        before: what is told first.
    """
    rows: list[Row] = [*before, *(("published", ((place,),)) for place in published)]
    rows += [("digest", ((found.digest,),))] if found.digest else []
    rows += [("chosen", _chosen(found, found.chosen))] if found.chosen else []
    rows += [("proof", ((found.proof,),))] if found.proof else []
    rows += [("searched", ((found.searched,),))] if found.searched else []
    rows += _test(found)
    rows += [("doubtful", ((doubt,),)) for doubt in found.doubts or []]
    blocks: list[Block] = [Facts(tuple(rows))] if rows else []
    return Section("", (*blocks, *_candidates(found)))


def _test(found: ModelSummary) -> list[Row]:
    """What decides, beside a model that ignores the features; then the other metrics."""
    metrics = {name: f"{name} {with_error(value, error)}" for name, (value, error) in (found.metrics or {}).items()}
    naive, decides = found.naive, found.metric
    if naive is not None and decides in metrics:
        says = f"the mean, {naive.mean or 0.0:.6g}" if naive.label is None else f"'{naive.label}'"
        metrics[decides] += f" (always saying {says}: {number(naive.value)})"
    shown = tuple(metrics.values())
    if not shown:
        return []
    return [("test", ((shown[0],), shown[1:]) if naive else (shown,))]


def _chosen(found: ModelSummary, name: str) -> tuple[tuple[str, ...], ...]:
    """The chosen candidate against the model without compression, and what the other end would cost."""
    size, baseline, drop = found.bytes, found.baseline_bytes, found.metric_drop
    if not size or not baseline:
        return ((shown_name(name, found.baseline),),)
    time = _time(_candidate(found, name))
    if name in BASELINES:
        return (f"{_baseline(found)}, {size:,} bytes{time}",), *_other_end(found, name)
    cost = "at the same" if not drop else f"{number(abs(drop))} {'less' if drop > 0 else 'more'}"
    told = (
        f"{name}, {size:,} bytes{time}: {size / baseline:.3f} of {_baseline(found)} ({baseline:,} bytes), "
        f"{cost} {found.metric or 'metric'} on the validation set"
    )
    return (told,), *_other_end(found, name)


def _other_end(found: ModelSummary, name: str) -> tuple[tuple[str, ...], ...]:
    """What the fastest candidate within the budget costs, or, where that was chosen, the smallest."""
    within = [each for each in found.candidates or [] if each.within_budget and _time(each)]
    chosen = _candidate(found, name)
    if chosen is None or len(within) < 2 or not _time(chosen):
        return ()
    fastest = min(within, key=lambda each: each.latency_microseconds or 0.0)
    smallest = min(within, key=lambda each: each.bytes or 0)
    if (chosen.latency_microseconds or 0.0) > (fastest.latency_microseconds or 0.0):
        return (_against("fastest", fastest, found),)
    return (_against("smallest", smallest, found),) if (smallest.bytes or 0) < (chosen.bytes or 0) else ()


def _against(word: str, other: CandidateSummary, found: ModelSummary) -> tuple[str, ...]:
    name = shown_name(other.name, found.baseline)
    return (f"the {word} within the budget: {name}, {other.bytes or 0:,} bytes{_time(other)}",)


def _candidate(found: ModelSummary, name: str) -> CandidateSummary | None:
    """A candidate that was weighed; None where it is not told."""
    return next((each for each in found.candidates or [] if each.name == name), None)


def _time(candidate: CandidateSummary | None) -> str:
    """How long a candidate takes; nothing where that was not measured."""
    latency = candidate.latency_microseconds if candidate else None
    return f", {duration(latency)} a row" if latency else ""


def _baseline(found: ModelSummary) -> str:
    return shown_name(BASELINE, found.baseline)


def _candidates(found: ModelSummary) -> tuple[Table | Text, ...]:
    """The candidates that were weighed; nothing for one alone."""
    candidates = found.candidates or []
    if len(candidates) < 2:
        return ()
    header = ("candidate", "bytes", found.metric or "metric", "one row", "")
    table = Table(header, tuple(_row(each, found) for each in candidates), frozenset({1, 2, 3}))
    if not found.weighed or found.weighed <= len(candidates):
        return (table,)
    return table, Text(f"{len(candidates)} of {found.weighed} candidates; the report has all.")


def _row(each: CandidateSummary, found: ModelSummary) -> tuple[str, ...]:
    refused = "loses too much" if each.drop_at_most is None or found.proved is False else "not proved"
    note = ("over a limit" if each.over_limit else refused) if each.within_budget is False else ""
    return (
        shown_name(each.name, found.baseline),
        "-" if each.bytes is None else f"{each.bytes:,}",
        "-" if each.metric is None else number(each.metric),
        "-" if each.latency_microseconds is None else duration(each.latency_microseconds),
        "can't be made" if each.bytes is None and note else note,
    )
