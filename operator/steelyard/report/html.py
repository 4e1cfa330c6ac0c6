"""Sections as one page that needs nothing else: no script, no font, no address of anybody's.

Pure; imports the blocks, the charts' drawing and texts.
"""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any

from steelyard.report.blocks import Block, Bullets, Code, Facts, Folded, Heading, Report, Section, Table, Text, Warn
from steelyard.report.chart_data import Bars, Matrix, Parallel, Plot, Quantiles
from steelyard.report.style import STYLE
from steelyard.report.svg import drawn
from steelyard.report.tables import facts_in_words, quantiles_table
from steelyard.texts.printable import printable

_LONG = 36
"""Characters of a cell whose column is broken into lines."""


def page(tab: str, report: Report) -> str:
    """The page as HTML; `tab` is what a browser's tab says."""
    items = "".join(f"<li><b>{escape(each.value)}</b><span>{escape(each.what)}</span></li>" for each in report.figures)
    body = [
        f"<h1>{escape(report.title)}</h1>\n<p>{inline(report.text)}</p>\n",
        f'<ul class="facts">{items}</ul>\n',
        *(_section(section) for section in report.sections),
    ]
    return printable(
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(tab)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style>\n</head>\n'
        f"<body>\n{''.join(body)}</body>\n</html>\n"
    )


def inline(text: str) -> str:
    """A text with what stands between backquotes as code."""
    parts = escape(text).split("`")
    if len(parts) % 2 == 0:
        # One has no other: it is a character like any.
        parts[-2:] = ["`".join(parts[-2:])]
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def _section(section: Section) -> str:
    heading = f"<h2>{escape(section.title)}</h2>\n" if section.title else ""
    groups = groupby(section.blocks, key=_is_half)
    return heading + "".join(_beside(list(blocks)) if half else _below(blocks) for half, blocks in groups)


def _is_half(block: Block) -> bool:
    return isinstance(block, Plot) and block.size == "Half"


def _beside(blocks: Sequence[Block]) -> str:
    return f'<div class="pair">\n{_below(blocks)}</div>\n'


def _below(blocks: Any) -> str:
    return "".join(f"{WRITERS[type(block)](block)}\n" for block in blocks)


def _table(table: Table) -> str:
    columns = range(len(table.header))
    longest = [max((len(row[column]) for row in table.rows), default=0) for column in columns]
    kinds = ["number" if column in table.numbers else "text" if longest[column] > _LONG else "" for column in columns]
    classes = [f' class="{kind}"' if kind else "" for kind in kinds]
    heads = "".join(f"<th{css}>{inline(name)}</th>" for css, name in zip(classes, table.header, strict=True))
    rows = []
    for index, row in enumerate(table.rows):
        css = ' class="chosen"' if index == table.chosen else ""
        cells = "".join(f"<td{kind}>{inline(cell)}</td>" for kind, cell in zip(classes, row, strict=True))
        rows.append(f"<tr{css}>{cells}</tr>")
    head = f"<thead><tr>{heads}</tr></thead>" if any(table.header) else ""
    return f'<div class="scroll"><table>{head}<tbody>{"".join(rows)}</tbody></table></div>'


def _quantiles(chart: Quantiles) -> str:
    return f"{drawn(chart)}\n{_table(quantiles_table(chart))}"


def _folded(folded: Folded) -> str:
    return f"<details><summary>{escape(folded.title)}</summary>\n{WRITERS[type(folded.block)](folded.block)}</details>"


WRITERS: Mapping[type[Any], Callable[[Any], str]] = {
    Text: lambda block: f"<p>{inline(block.text)}</p>",
    Warn: lambda block: f'<p class="warn"><b>{escape(block.label)}:</b> {inline(block.text)}</p>',
    Heading: lambda block: f"<h3>{escape(block.text)}</h3>",
    Bullets: lambda block: f"<ul>{''.join(f'<li>{inline(item)}</li>' for item in block.items)}</ul>",
    Code: lambda block: f"<pre><code>{escape(block.text)}</code></pre>",
    Table: _table,
    Facts: lambda block: _table(Table(("", ""), tuple(facts_in_words(block)))),
    Folded: _folded,
    Plot: drawn,
    Bars: drawn,
    Parallel: drawn,
    Matrix: drawn,
    Quantiles: _quantiles,
}
"""How each kind of block is written."""
