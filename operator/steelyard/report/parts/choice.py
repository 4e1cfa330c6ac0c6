"""Which candidate was published, and what the others cost."""

from steelyard.api.losses import allowed, share_of
from steelyard.api.metrics import measure_named
from steelyard.contract.report import ChoiceReport, PublishedReport
from steelyard.report.blocks import Block, Section, Table, Text, Warn
from steelyard.report.names import shown_name
from steelyard.report.parts.costs import costs
from steelyard.report.parts.front import fronts
from steelyard.report.told import Told
from steelyard.texts.figures import number, with_error

_HEADROOM = 0.03
"""What a linear model must be behind, so that a small network that is as good as a large one is an achievement."""


def choice(told: Told) -> Section:
    """The verdicts, as a table and, of several candidates, as a chart of size against metric."""
    chosen = told.report.choice
    share = f"{chosen.bytes / chosen.baseline_bytes:.3f}"
    # What is proved has a line of its own.
    why = chosen.why.removesuffix(f"; {chosen.proof}")
    text = f"Published: {why}. It has {chosen.bytes:,} bytes, {share} of the {chosen.baseline} model."
    before: list[Block] = [Text(text), *_proof(chosen), *_searched(chosen), *_refit(chosen), *fronts(chosen)]
    return Section("How it was chosen", (*before, _table(chosen), *_headroom(told.report), *costs(chosen)))


def _proof(chosen: ChoiceReport) -> tuple[Text | Warn, ...]:
    """What is proved of the published model; what is not must not be overlooked."""
    if not chosen.proof:
        return ()
    words = chosen.proof[0].upper() + chosen.proof[1:]
    label, _, rest = words.partition(": ")
    return (Warn(label, rest) if label == "Not proved" else Text(f"{words}."),)


def _searched(chosen: ChoiceReport) -> tuple[Text, ...]:
    """How the candidates were found, where a search did."""
    return () if chosen.searched is None else (Text(f"Searched by Auto: {chosen.searched.told}."),)


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
