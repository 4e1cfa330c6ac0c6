"""`steelyard show`: the report of a published model, made again from its folder. Imports typer, serving, the contract
and the report."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from steelyard.cli.output import print_json, terminal_width
from steelyard.cli.searches import read_search
from steelyard.contract.package import SEARCH_FILE, SEARCH_PAGE_FILE
from steelyard.report.json_values import json_of
from steelyard.report.markdown import markdown
from steelyard.report.model import report_of, report_page
from steelyard.report.search import Found
from steelyard.report.terminal import terminal_text
from steelyard.report.told import Told
from steelyard.serving.published import intact_report


class ReportFormat(StrEnum):
    """How a report is printed."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


def show(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The folder of a published model.")],
    output: Annotated[
        ReportFormat,
        typer.Option(
            "--output",
            "-o",
            help="text is for this terminal, json has the sections with their tables and charts as data, markdown and "
            "html are documents.",
            show_choices=True,
        ),
    ] = ReportFormat.TEXT,
) -> None:
    """Shows the report of a published model: how good it is, how it was trained and chosen, on which data.

    Needs nothing but its folder. Of a model without `report.html`, -o html makes one.
    """
    told = _told(model)
    report = report_of(told)
    match output:
        case ReportFormat.JSON:
            print_json(json_of(report))
        case ReportFormat.MARKDOWN:
            print(markdown(report), end="")
        case ReportFormat.HTML:
            print(report_page(told), end="")
        case ReportFormat.TEXT:
            print(terminal_text(report, terminal_width()), end="")


def _told(folder: Path) -> Told:
    report = intact_report(folder)
    if report.search is None or not (folder / SEARCH_FILE).is_file():
        return Told(report)
    return Told(report, Found(read_search(folder / SEARCH_FILE), None, report.search.trial, SEARCH_PAGE_FILE))
