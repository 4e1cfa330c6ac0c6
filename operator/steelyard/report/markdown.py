"""Sections as Markdown: texts, tables, and the charts that are tables as well. Pure; imports the
blocks and texts only."""

from collections.abc import Callable
from typing import Any

from steelyard.report.blocks import Bullets, Code, Facts, Heading, Report, Table, Text, Warn, code
from steelyard.report.chart_data import Matrix, Quantiles
from steelyard.report.tables import facts_in_words, matrix_table, quantiles_table
from steelyard.texts.printable import printable


def markdown(report: Report) -> str:
    """A document."""
    parts = [f"# {_plain(report.title)}", report.text]
    parts += ["\n".join(f"- {each.value}: {each.what}" for each in report.figures)] if report.figures else []
    for section in report.sections:
        parts += [f"## {section.title}"] if section.title else []
        parts += [_WRITERS[type(block)](block) for block in section.blocks if type(block) in _WRITERS]
    return printable("\n\n".join(parts) + "\n")


def _table(table: Table) -> str:
    lines = ["| " + " | ".join(map(_plain, row)) + " |" for row in (table.header, *table.rows)]
    lines.insert(1, "|" + " --- |" * len(table.header))
    return "\n".join(lines)


def _plain(text: str) -> str:
    return text.replace("|", "\\|")


_WRITERS: dict[type[Any], Callable[[Any], str]] = {
    Text: lambda block: block.text,
    Warn: lambda block: f"**{block.label}:** {code(block.text)}",
    Heading: lambda block: f"### {block.text}",
    Bullets: lambda block: "\n".join(f"- {item}" for item in block.items),
    Code: lambda block: f"```{block.language}\n{block.text}\n```",
    Table: _table,
    Facts: lambda block: "\n".join(f"- {name}: {text}" for name, text in facts_in_words(block)),
    Matrix: lambda block: _table(matrix_table(block)),
    Quantiles: lambda block: _table(quantiles_table(block)),
}
"""What is not here is left out."""
