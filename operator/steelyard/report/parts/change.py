"""What compression changed: the model without it beside the published one, on the test set."""

from steelyard.api.losses import fell
from steelyard.api.metrics import measure_named
from steelyard.contract.report import (
    AnswersReport,
    BeforeReport,
    ConfusedReport,
    ConfusionReport,
    PublishedReport,
    RecallReport,
    ResidualsReport,
)
from steelyard.report.blocks import Block, Folded, Section, Table, Text, code
from steelyard.report.chart_data import Matrix
from steelyard.report.names import shown_name
from steelyard.report.told import Told
from steelyard.texts.figures import counted, number, with_error

_MOST_LABELS = 12
"""Labels that are told of; of more those that lost most."""
_MOST_PAIRS = 12


def change(told: Told) -> Section | None:
    """The metric, the answers, the recall of each label and the confusion, or the residuals; None where the model
    without compression is the published one, or nothing is told of it."""
    report, before = told.report, told.report.before
    if before is None:
        return None
    chosen = report.choice
    names = chosen.baseline, shown_name(chosen.chosen, chosen.baseline)
    return Section(
        "What compression changed",
        (
            Text(f"{_lead(report, before, names)}{_answers(before.answers, names)}"),
            Folded("All metrics before and after", _metrics(report, before, names)),
            *_recalls(before.recalls or [], names),
            *_errors(report, before, names),
        ),
    )


Names = tuple[str, str]
"""Of the model without compression, and of the published one."""


def _lead(report: PublishedReport, before: BeforeReport, names: Names) -> str:
    metric = report.choice.primary_metric
    measure, figures = measure_named(metric), (before.metrics[metric], report.metrics["test"][metric])
    was, now = (with_error(each.value, each.standard_error) for each in figures)
    fallen = fell(measure, measure.loss(figures[1].value, figures[0].value))
    return f"On the test set {fallen}: {metric} {was} of {names[0]}, {now} of {names[1]}."


def _answers(answers: AnswersReport | None, names: Names) -> str:
    if answers is None:
        return ""
    if not answers.differing:
        return f" Both give each of the {counted(answers.rows, 'row')} the same label: no label's recall changed."
    if not answers.lost and not answers.won:
        return (
            f" They give {answers.differing:,} of {counted(answers.rows, 'row')} another label; both are wrong about "
            f"{'it' if answers.differing == 1 else 'them'}."
        )
    return (
        f" They give {answers.differing:,} of {counted(answers.rows, 'row')} another label: {answers.lost:,} that only "
        f"{names[0]} has right, {answers.won:,} that only {names[1]} has right."
    )


def _metrics(report: PublishedReport, before: BeforeReport, names: Names) -> Table:
    rows = tuple(
        (name, with_error(each.value, each.standard_error), number(before.metrics[name].value))
        for name, each in report.metrics["test"].items()
        if name in before.metrics
    )
    return Table(("metric (test)", names[1], names[0]), rows)


def _recalls(recalls: list[RecallReport], names: Names) -> tuple[Block, ...]:
    """Of each label; of many those that lost most. Nothing where no label's changed."""
    if all(each.before == each.after for each in recalls):
        return ()
    shown = recalls
    text = "Recall of each label, the share of its test rows that are given it:"
    if len(recalls) > _MOST_LABELS:
        shown = sorted(recalls, key=lambda each: each.after - each.before)[:_MOST_LABELS]
        text = f"Recall of the {_MOST_LABELS} labels of {len(recalls):,} that lost most of it:"
    rows = tuple(
        (code(each.label), f"{each.rows:,}", number(each.before), number(each.after), _signed(each.after - each.before))
        for each in shown
    )
    return Text(text), Table(("label", "rows", *names, "change"), rows, frozenset({1, 2, 3, 4}))


def _signed(value: float) -> str:
    return "0" if not value else ("+" if value > 0 else "-") + number(abs(value), 2)


def _errors(report: PublishedReport, before: BeforeReport, names: Names) -> tuple[Block, ...]:
    match before.errors, report.errors:
        case ResidualsReport(residuals=was), ResidualsReport(residuals=now):
            return _residuals(was, now, names)
        case ConfusedReport(), ConfusedReport():
            return _pairs(before.errors, report.errors, names)
        case ConfusionReport(confusion=was), ConfusionReport(confusion=now):
            return _confusion(was, now, report.dataset.classes or [], names)
    return ()


def _confusion(was: list[list[int]], now: list[list[int]], classes: list[str], names: Names) -> tuple[Block, ...]:
    """The difference of both matrices, of the labels that have one."""
    changes = [[after - before for before, after in zip(*rows, strict=True)] for rows in zip(was, now, strict=True)]
    labels = [index for index, row in enumerate(changes) if any(row) or any(other[index] for other in changes)]
    if not labels:
        return ()
    title = (
        f"More (+) and fewer (-) test rows with {names[1]} than with {names[0]}, by label (down) and what was said "
        "(across)"
    )
    counts = tuple(tuple(changes[row][column] for column in labels) for row in labels)
    rest = "; labels without a change are left out" if len(labels) < len(classes) else ""
    return Text(f"{title}{rest}:"), Matrix(title, tuple(classes[index] for index in labels), counts, is_change=True)


def _residuals(was: dict[str, float], now: dict[str, float], names: Names) -> tuple[Block, ...]:
    rows = tuple(
        (f"{float(share):.0%}", f"{was[share]:.6g}", f"{now[share]:.6g}", f"{now[share] - was[share]:+.3g}")
        for share in now
        if share in was
    )
    table = Table(("quantile", *names, "change"), rows, frozenset({1, 2, 3}))
    return Text("Target minus prediction on the test set:"), table


def _pairs(was: ConfusedReport, now: ConfusedReport, names: Names) -> tuple[Block, ...]:
    """The pairs of labels that were confused most often by either; those that are told of one alone are rare with the
    other."""
    counts = [{(pair.label, pair.said): pair.rows for pair in each.confused} for each in (was, now)]
    pairs = sorted({**counts[1], **counts[0]}, key=lambda pair: -max(each.get(pair, 0) for each in counts))
    rows = tuple(
        (code(pair[0]), code(pair[1]), *(f"{each[pair]:,}" if pair in each else "few" for each in counts))
        for pair in pairs[:_MOST_PAIRS]
    )
    return Text("Test rows that were confused:"), Table(("label", "said", *names), rows, frozenset({2, 3}))
