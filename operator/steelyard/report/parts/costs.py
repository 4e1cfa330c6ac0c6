"""What candidates cost: time and memory where they run, and what it took to make them."""

from steelyard.contract.report import ChoiceReport, LatencyReport, TimesReport
from steelyard.report.blocks import Table, Text, code
from steelyard.report.names import BASELINES, shown_name
from steelyard.texts.figures import counted, number


def costs(chosen: ChoiceReport) -> tuple[Text | Table, ...]:
    """Times and memory, and what it took to make them."""
    return *_times(chosen), *_making(chosen)


def _times(chosen: ChoiceReport) -> tuple[Text | Table, ...]:
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
    slow = [shown_name(each.name, chosen.baseline) for each, own in timed if own.turns is not None]
    if slow:
        text += f" Slow ones had fewer turns, and smaller batches, which a number behind / tells: {', '.join(slow)}."
    most = max(own.batch_rows for _, own in timed)
    batch = f"in batches of {most}"
    against = f"against {chosen.baseline}"
    header = ("candidate", "one row", "p99", batch, "p99", "memory, bytes", "gzip, bytes", against)
    rows = tuple(
        (
            shown_name(each.name, chosen.baseline),
            *_calls(own.row),
            *_calls(own.batch, "" if own.batch_rows == most else f"/{own.batch_rows}"),
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


def _making(chosen: ChoiceReport) -> tuple[Text | Table, ...]:
    """Seconds, and of those that were trained how much; nothing where that is not told."""
    made = [(each, each.made) for each in chosen.candidates if each.made]
    if not made:
        return ()
    names = [shown_name(each.name, chosen.baseline) for each, _ in made]
    if not any(own.work for _, own in made):
        told = ", ".join(f"{name} {number(own.seconds, 3)} s" for name, (_, own) in zip(names, made, strict=True))
        return (Text(f"Making them took: {told}."),)
    rows = tuple(
        (name, number(own.seconds, 3), number(own.work, 3) if own.work else "-")
        for name, (_, own) in zip(names, made, strict=True)
    )
    text = (
        "What it took to make them; a step that several have is counted for each. Training is counted as rows x epochs "
        "x weights, in times that of the model itself."
    )
    return Text(text), Table(("candidate", "seconds", "training"), rows, frozenset({1, 2}))


def _calls(latency: LatencyReport | None, note: str = "") -> tuple[str, str]:
    """The median and what 99 of 100 calls do not exceed."""
    return ("-", "-") if latency is None else (f"{latency.median:.2f}{note}", f"{latency.p99:.2f}{note}")
