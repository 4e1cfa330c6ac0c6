"""What a manifest says of its cells, as this package takes it. Imports the api and this package."""

from steelyard.api.dataset import Dataset
from steelyard.api.dataset_cells import CsvFormat, NumberFormat
from steelyard.cells.csv_text import CsvStyle
from steelyard.cells.missing import MISSING_LABELS, MISSING_NUMBERS, MISSING_WORDS
from steelyard.cells.numbers import NumberStyle


def csv_style(file_name: str, csv: CsvFormat | None) -> CsvStyle:
    """How a CSV file is written: what `dataset.csv` says, else what the file's name says."""
    said = csv or CsvFormat()
    return CsvStyle.of(
        file_name,
        delimiter=said.delimiter,
        encoding=said.encoding,
        header_row=said.header_row,
        comment=said.comment,
    )


def default_style(dataset: Dataset) -> NumberStyle:
    """How the numbers of columns are written of which the manifest says nothing by name."""
    return number_style(NumberFormat(), dataset.csv)


def column_style(dataset: Dataset, column: str) -> NumberStyle:
    """How the numbers of a column are written, if they are numbers."""
    return number_style(dataset.numbers.get(column, NumberFormat()), dataset.csv)


def number_style(numbers: NumberFormat, csv: CsvFormat | None) -> NumberStyle:
    """How numbers are written by the manifest: what it says of the column, else of the file."""
    said = csv or CsvFormat()
    return NumberStyle(
        decimal=numbers.decimal or said.decimal or ".",
        thousands=numbers.thousands or said.thousands,
        prefix=numbers.prefix,
        suffix=numbers.suffix,
    )


def missing_numbers(dataset: Dataset) -> frozenset[str]:
    """What stands for an empty cell in a column of numbers or dates."""
    return MISSING_NUMBERS.union(markers(dataset))


def missing_words(dataset: Dataset) -> frozenset[str]:
    """What stands for an empty cell in a column of words."""
    return MISSING_WORDS.union(markers(dataset))


def missing_labels(dataset: Dataset) -> frozenset[str]:
    """What stands for an empty cell in a target of words."""
    return MISSING_LABELS.union(markers(dataset))


def markers(dataset: Dataset) -> tuple[str, ...]:
    """`dataset.missingMarkers` without blanks around them."""
    return tuple(marker.strip() for marker in dataset.missing_markers)
