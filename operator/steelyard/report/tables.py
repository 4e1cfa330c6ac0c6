"""What other blocks are as a table, where nothing is drawn. Pure; imports the blocks only."""

from steelyard.report.blocks import Facts, Table, code
from steelyard.report.chart_data import Bars, Matrix, Quantiles


def matrix_table(chart: Matrix) -> Table:
    """A row for each label, of how often each label was said; the names are users' words."""
    names = tuple(code(name) for name in chart.names)
    rows = zip(names, chart.counts, strict=True)
    return _of_numbers(
        ("", *names), tuple((name, *(count_text(chart, each) for each in counts)) for name, counts in rows), 1
    )


def count_text(chart: Matrix, count: int) -> str:
    """A cell of a matrix; of one of differences with its sign."""
    return f"{count:+,}" if chart.is_change and count else f"{count:,}"


def quantiles_table(chart: Quantiles) -> Table:
    """One row, with a column for each share."""
    header = tuple(f"{float(share):.0%}" for share in chart.values)
    return _of_numbers(header, (tuple(f"{value:.6g}" for value in chart.values.values()),), 0)


def bars_table(chart: Bars) -> Table:
    """A row for each bar."""
    return _of_numbers((chart.label, ""), tuple((name, f"{share:.0%}") for name, share in chart.bars), 1)


def facts_in_words(facts: Facts) -> list[tuple[str, str]]:
    """(name, text) of each, in one line."""
    return [(name, "; ".join(", ".join(pieces) for pieces in lines)) for name, lines in facts.rows]


def _of_numbers(header: tuple[str, ...], rows: tuple[tuple[str, ...], ...], first: int) -> Table:
    return Table(header, rows, frozenset(range(first, len(header))))
