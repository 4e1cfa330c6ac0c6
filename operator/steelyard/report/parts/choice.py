"""Which candidate was published, and what the others cost."""

from steelyard.api.losses import share_of
from steelyard.api.metrics import measure_named
from steelyard.contract.report import CandidateReport, ChoiceReport
from steelyard.report.blocks import Section, Table, Text, code
from steelyard.report.chart_data import Curve, Mark, Plot
from steelyard.report.names import BASELINES, shown_name
from steelyard.report.told import Told
from steelyard.texts.figures import counted, number, with_error

_FEW = 6
"""Candidates that can be told apart on half a page's width."""


def choice(told: Told) -> Section:
    """The verdicts, as a table and, of several candidates, as a chart of size against metric."""
    chosen = told.report.choice
    share = f"{chosen.bytes / chosen.baseline_bytes:.3f}"
    text = f"Published: {chosen.why}. It has {chosen.bytes:,} bytes, {share} of the {chosen.baseline} model."
    chart = _chart(chosen)
    return Section(
        "How it was chosen",
        (Text(text), *_refit(chosen), *((chart,) if chart else ()), _table(chosen), *_costs(chosen)),
    )


def _refit(chosen: ChoiceReport) -> tuple[Text, ...]:
    """What is said of a model that was trained on all rows but the test set."""
    if chosen.made_with is None:
        return ()
    return (
        Text(
            f"The compression was chosen with the model of {chosen.made_with}, whose figures are in the table, before "
            "it was refitted on the training and validation sets together and compressed in the same way. The figures "
            "above are the refitted model's: `train` is of both sets, and no row but those of the test set was new "
            "to it."
        ),
    )


def _table(chosen: ChoiceReport) -> Table:
    metric = chosen.primary_metric
    rows = []
    for each in chosen.candidates:
        figure = each.validation[metric] if each.validation else None
        cost = ("-", "-")
        if each.bytes is not None and each.latency_microseconds is not None:
            cost = (f"{each.bytes:,}", f"{each.latency_microseconds:.2f}")
        shown = with_error(figure.value, figure.standard_error) if figure else "-"
        drop = "-" if each.drop is None else f"{each.drop:.4g}"
        most = () if chosen.confidence is None else ("-" if each.drop_at_most is None else f"{each.drop_at_most:.4g}",)
        rows.append((shown_name(each.name, chosen.baseline), *cost, shown, drop, *most, each.verdict))
    bound = () if chosen.confidence is None else (f"at most ({share_of(chosen.confidence)})",)
    return Table(
        ("candidate", "bytes", "µs a row", f"{metric} (validation)", "drop", *bound, "verdict"),
        tuple(rows),
        frozenset({1, 2}),
        next((index for index, each in enumerate(chosen.candidates) if each.name == chosen.chosen), None),
    )


def _costs(chosen: ChoiceReport) -> tuple[Text | Table, ...]:
    """Times and memory, of candidates that were timed; nothing where none was."""
    timed = [(each, each.times) for each in chosen.candidates if each.times]
    if not timed:
        return ()
    times = timed[0][1]
    text = (
        f"Times are microseconds a row on {counted(times.threads, 'thread')} of {code(times.machine)}, the candidates "
        "in turns: the median, and what 99 of 100 calls do not exceed. Memory is what the runtime holds for the model; "
        "gzip shows how many bytes a compressed download has."
    )
    batch = f"in batches of {times.batch_rows}"
    header = ("candidate", "one row", "p99", batch, "p99", "memory, bytes", "gzip, bytes")
    rows = tuple(
        (
            shown_name(each.name, chosen.baseline),
            *(f"{value:.2f}" for latency in (own.row, own.batch) for value in (latency.median, latency.p99)),
            *("-" if size is None else f"{size:,}" for size in (each.memory_bytes, each.compressed_bytes)),
        )
        for each, own in timed
    )
    return Text(text), Table(header, rows, frozenset(range(1, len(header))))


def _chart(chosen: ChoiceReport) -> Plot | None:
    """Size against metric; None where there are not two to compare."""
    metric = chosen.primary_metric
    marks = [_mark(each, chosen) for each in chosen.candidates if each.bytes is not None and each.validation]
    if len(marks) < 2:
        return None
    chosen_mark = next(_mark(each, chosen) for each in chosen.candidates if each.name == chosen.chosen)
    worst = _worst_allowed(chosen)
    ends = _with_room([mark.x for mark in marks])
    limit = () if worst is None else (Curve(((ends[0], worst), (ends[1], worst)), "limit", "budget"),)
    return Plot(
        label=f"bytes of each candidate against {metric} on the validation set",
        x_label="bytes",
        y_label=f"{metric} (validation)",
        curves=limit,
        marks=tuple(marks),
        ring=Mark(chosen_mark.x, chosen_mark.y, "trial", chosen_mark.title),
        x_range=ends,
        y_range=_with_room([mark.y for mark in marks] + ([] if worst is None else [worst])),
        # A phone shows half a page's width without moving it.
        size="Half" if len(marks) <= _FEW else "Wide",
        height=300.0,
    )


def _with_room(values: list[float]) -> tuple[float, float]:
    """A range in which labels have room beside the outermost marks."""
    low, high = min(values), max(values)
    room = 0.2 * (high - low) or 0.1 * abs(high) or 1.0
    return low - room, high + room


def _mark(each: CandidateReport, chosen: ChoiceReport) -> Mark:
    assert each.bytes is not None and each.validation is not None
    name, figure = shown_name(each.name, chosen.baseline), each.validation[chosen.primary_metric]
    title = f"{name}: {each.bytes:,} bytes, {chosen.primary_metric} {number(figure.value)}"
    return Mark(each.bytes, figure.value, "trial" if each.within_budget else "pruned", title, name, 5.0)


def _worst_allowed(chosen: ChoiceReport) -> float | None:
    """The metric that the budget ends at; None where there is none, or it is of no use to show."""
    baseline = next((each for each in chosen.candidates if each.name in BASELINES), None)
    if baseline is None or baseline.validation is None or not chosen.max_metric_drop:
        return None
    value, info = baseline.validation[chosen.primary_metric].value, measure_named(chosen.primary_metric).info
    drop = chosen.max_metric_drop * (abs(value) if info.is_in_target_unit else 1.0)
    return value - drop if info.goal == "Maximize" else value + drop
