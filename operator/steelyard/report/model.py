"""What is published of a model for people: the card in Markdown, and the page `report.html`. Both are made of the same
sections; a section that is new here has a module in `parts` and a line in one of these tables, or both. Pure."""

from collections.abc import Callable

from steelyard.contract.report import PublishedReport, TrainingElsewhere
from steelyard.report.blocks import Figure, Report, Section, code, listed
from steelyard.report.html import page
from steelyard.report.markdown import markdown
from steelyard.report.names import shown_name
from steelyard.report.parts.change import change
from steelyard.report.parts.choice import choice
from steelyard.report.parts.curves import curves
from steelyard.report.parts.data import data, findings
from steelyard.report.parts.limits import limits
from steelyard.report.parts.making import making
from steelyard.report.parts.quality import quality
from steelyard.report.parts.search import search, search_charts
from steelyard.report.parts.usage import usage
from steelyard.report.told import Told
from steelyard.texts.figures import counted, duration, number

Part = Callable[[Told], Section | None]

CARD: tuple[Part, ...] = (quality, search, choice, change, data, usage, limits, making)
PAGE: tuple[Part, ...] = (
    quality,
    curves,
    choice,
    change,
    search,
    search_charts,
    data,
    findings,
    usage,
    limits,
    making,
)


def model_card(report: PublishedReport) -> str:
    """README.md: what a person should know before using the model."""
    told = Told(report)
    return markdown(Report(report.name, _purpose(report), (), tuple(_sections(CARD, told))))


def report_page(told: Told) -> str:
    """report.html: the same with charts, and with what has room there. It needs nothing else: no script, no font, no
    address of anybody's."""
    return page(f"Model {told.report.name}", report_of(told))


def report_of(told: Told) -> Report:
    """What report.html shows, for any rendering."""
    report = told.report
    text = f"{_purpose(report)} {_origin(report)}"
    return Report(report.name, text, tuple(_figures(report)), tuple(_sections(PAGE, told)))


def _sections(parts: tuple[Part, ...], told: Told) -> list[Section]:
    return [section for part in parts if (section := part(told)) is not None]


def _purpose(report: PublishedReport) -> str:
    target, classes, columns = code(report.target), report.dataset.classes, report.dataset.columns
    if classes is None:
        return f"Predicts the number {target} from {counted(len(columns), 'column')} of a table."
    return (
        f"Predicts {target}, one of {len(classes)} labels ({listed(classes)}), from "
        f"{counted(len(columns), 'column')} of a table."
    )


def _origin(report: PublishedReport) -> str:
    """What was trained on what."""
    spec = report.manifest.get("spec", {})
    model = code(next(iter(spec.get("model", {})), "a model"))
    if isinstance(report.training, TrainingElsewhere):
        by = "elsewhere" if report.training.program is None else "by a program of the user's own"
        return f"A model that was trained {by}, judged on rows of {code(spec['dataset']['uri'])}."
    rows = sum(report.dataset.rows.get(part, 0) for part in report.training.parts)
    # What a search prepared once for all its trials is of the data that it was given.
    source = report.search.dataset if report.search else spec["dataset"]["uri"]
    return f"A model of kind {model}, trained on {counted(rows, 'row')} of {code(source)}."


def _figures(report: PublishedReport) -> list[Figure]:
    chosen = report.choice
    figure = report.metrics["test"][chosen.primary_metric]
    facts = [
        Figure(number(figure.value), f"{chosen.primary_metric} on the test set, ± {number(figure.standard_error, 2)}"),
        Figure(f"{chosen.bytes:,}", f"bytes ({shown_name(chosen.chosen, chosen.baseline)})"),
    ]
    if chosen.bytes != chosen.baseline_bytes:
        facts.append(Figure(f"{chosen.bytes / chosen.baseline_bytes:.3f}", f"of the {chosen.baseline} model"))
    published = next((each for each in chosen.candidates if each.name == chosen.chosen), None)
    if published is not None and published.latency_microseconds:
        facts.append(Figure(duration(published.latency_microseconds), "a row"))
    rows = report.dataset.rows
    return [*facts, Figure(f"{sum(rows.values()):,}", "rows"), Figure(str(len(report.dataset.columns)), "columns")]
