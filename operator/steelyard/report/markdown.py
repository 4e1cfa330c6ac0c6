"""Sections as Markdown: texts, tables, and the charts that are tables as well. Pure; imports the blocks only."""

from collections.abc import Callable, Sequence
from typing import Any

from steelyard.report.blocks import Bullets, Code, Facts, Heading, Section, Table, Text, Warn, code
from steelyard.report.chart_data import Matrix, Quantiles


def markdown(title: str, sections: Sequence[Section]) -> str:
    """A document.

    Args:
        title: its title.
        sections: what follows it.
    """
    parts = [f"# {_plain(title)}"]
    for section in sections:
        parts += [f"## {section.title}"] if section.title else []
        parts += [_WRITERS[type(block)](block) for block in section.blocks if type(block) in _WRITERS]
    return "\n\n".join(parts) + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(map(_plain, row)) + " |" for row in (header, *rows)]
    lines.insert(1, "|" + " --- |" * len(header))
    return "\n".join(lines)


def _matrix(chart: Matrix) -> str:
    names = [code(name) for name in chart.names]
    rows = [[name, *(f"{count:,}" for count in counts)] for name, counts in zip(names, chart.counts, strict=True)]
    return _table(["", *names], rows)


def _quantiles(chart: Quantiles) -> str:
    return _table(*quantile_cells(chart))


def quantile_cells(chart: Quantiles) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of the table that the chart is as well."""
    return [f"{float(share):.0%}" for share in chart.values], [[f"{value:.6g}" for value in chart.values.values()]]


def facts_in_words(facts: Facts) -> list[tuple[str, str]]:
    """(name, text) of each, in one line."""
    return [(name, "; ".join(", ".join(pieces) for pieces in lines)) for name, lines in facts.rows]


def _plain(text: str) -> str:
    return text.replace("|", "\\|")


_WRITERS: dict[type[Any], Callable[[Any], str]] = {
    Text: lambda block: block.text,
    Warn: lambda block: f"**{block.label}:** {code(block.text)}",
    Heading: lambda block: f"### {block.text}",
    Bullets: lambda block: "\n".join(f"- {item}" for item in block.items),
    Code: lambda block: f"```{block.language}\n{block.text}\n```",
    Table: lambda block: _table(block.header, block.rows),
    Facts: lambda block: "\n".join(f"- {name}: {text}" for name, text in facts_in_words(block)),
    Matrix: _matrix,
    Quantiles: _quantiles,
}
"""What is not here is left out."""
