"""Which candidate was published, and what the others cost."""

from steelyard.api.losses import allowed, share_of
from steelyard.api.metrics import measure_named
from steelyard.contract.report import ChoiceReport, PublishedReport, TimesReport
from steelyard.report.blocks import Block, Section, Table, Text, code
from steelyard.report.names import BASELINES, shown_name
from steelyard.report.parts.front import fronts
from steelyard.report.told import Told
from steelyard.texts.figures import counted, number, with_error

_HEADROOM = 0.03
"""What a linear model must be behind, so that a small network that is as good as a large one is an achievement."""


def choice(told: Told) -> Section:
    """The verdicts, as a table and, of several candidates, as a chart of size against metric."""
    chosen = told.report.choice
    share = f"{chosen.bytes / chosen.baseline_bytes:.3f}"
    text = f"Published: {chosen.why}. It has {chosen.bytes:,} bytes, {share} of the {chosen.baseline} model."
    before: list[Block] = [Text(text), *_refit(chosen), *fronts(chosen)]
    return Section("How it was chosen", (*before, _table(chosen), *_headroom(told.report), *_costs(chosen)))


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


def _headroom(report: PublishedReport) -> tuple[Text, ...]:
    """What a linear model reaches on the same rows, and one that ignores them; nothing where that was not told."""
    found, metric = report.headroom, report.choice.primary_metric
    if found is None:
        return ()
    measure, own = measure_named(metric), report.metrics["test"][metric].value
    ignorant = (
        "" if report.naive is None else f", a model that ignores the features {number(report.naive.test[metric])}"
    )
    text = (
        f"On the test set the best linear model reaches {metric} "
        f"{with_error(found.linear.value, found.linear.standard_error)}{ignorant}, the published one {number(own)}."
    )
    behind = measure.loss(found.linear.value, own)
    if behind <= _HEADROOM:
        text += (
            f" A linear model is within {allowed(measure, _HEADROOM)} of it: the task needs no large model, and how "
            "small this one became says little."
        )
    return (Text(text),)


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
    times, baseline = timed[0][1], next((own for each, own in timed if each.name in BASELINES), None)
    text = (
        f"Times are microseconds a row on {counted(times.threads, 'thread')} of {code(times.machine)}, the candidates "
        "in turns: the median, and what 99 of 100 calls do not exceed. Memory is what the runtime holds for the model; "
        "gzip shows how many bytes a compressed download has."
    )
    batch = f"in batches of {times.batch_rows}"
    against = f"against {chosen.baseline}"
    header = ("candidate", "one row", "p99", batch, "p99", "memory, bytes", "gzip, bytes", against)
    rows = tuple(
        (
            shown_name(each.name, chosen.baseline),
            *(f"{value:.2f}" for latency in (own.row, own.batch) for value in (latency.median, latency.p99)),
            *("-" if size is None else f"{size:,}" for size in (each.memory_bytes, each.compressed_bytes)),
            _against(own, baseline),
        )
        for each, own in timed
    )
    return Text(text), Table(header, rows, frozenset(range(1, len(header) - 1)))


def _against(own: TimesReport, baseline: TimesReport | None) -> str:
    """How one row's time compares with that of the model without compression."""
    if own.against_baseline is None or baseline is None:
        return "-"
    if own.against_baseline == "NoDifference":
        return "no significant difference"
    ratio = own.row.median / baseline.row.median if own.row.median and baseline.row.median else 1.0
    return f"{ratio:.1f} times as long" if own.against_baseline == "Slower" else f"{1 / ratio:.1f} times as fast"
