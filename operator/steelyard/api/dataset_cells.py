"""How the cells of `spec.dataset` are written: the file, its numbers, its dates, its gaps. Imports the api only."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from steelyard.api.base import ColumnName, Part, refuse

Encoding = Literal[
    "UTF-8",
    "UTF-16",
    "ISO-8859-1",
    "ISO-8859-2",
    "ISO-8859-15",
    "Windows-1250",
    "Windows-1251",
    "Windows-1252",
    "KOI8-R",
    "Shift_JIS",
    "EUC-JP",
    "EUC-KR",
    "GB18030",
    "Big5",
    "MacRoman",
]
DecimalMark = Literal[".", ","]
ThousandsMark = Literal[",", ".", " ", "'", "\u2019", "_"]

MOST_CATEGORIES = 1000
_DIRECTIVES = "aAwdbBmyYHIpMSfzZjUWcxXGuV%"
DATE_FORM = f"^(ISO8601|[^%]*%[{_DIRECTIVES}]([^%]|%[{_DIRECTIVES}])*)$"
_MOST_COLUMNS = 256


class NumberFormat(Part):
    """How the numbers of a text column are written. A map without fields says that they are plain numbers, whatever
    else the column looks like."""

    decimal: DecimalMark | None = None
    """What stands before the fraction. Default: that of `csv.decimal`, else a point."""
    thousands: ThousandsMark | None = None
    """What stands between groups of three digits; a blank is any blank. Default: that of `csv.thousands`, else
    nothing."""
    prefix: Annotated[str, Field(min_length=1, max_length=16)] | None = None
    """What may stand before a number, such as $."""
    suffix: Annotated[str, Field(min_length=1, max_length=16)] | None = None
    """What may stand behind a number, such as EUR. % must stand there, and divides by 100."""

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        check_marks(self.decimal, self.thousands)
        return self


class CsvFormat(Part):
    """How a CSV file is written."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1, pattern='^[^"\\r\\n]$')] | None = None
    """What separates the cells. Default: a comma; in a file that is called .tsv a tab."""
    decimal: DecimalMark | None = None
    """What stands before the fraction in all columns of numbers. Default: a point."""
    thousands: ThousandsMark | None = None
    """What stands between groups of three digits in all columns of numbers; a blank is any blank. Default: nothing."""
    encoding: Encoding | None = None
    """How characters are written as bytes. Default: UTF-8."""
    header_row: Annotated[int, Field(ge=0, le=1000)] | None = None
    """The line that names the columns; what stands above it is not read. 0: no line does, the columns are column1,
    column2 and so on. Default: 1."""
    comment: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    """What a line that is not read begins with, such as #. Default: all lines are read."""

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        check_marks(self.decimal, self.thousands)
        return self


class Categories(Part):
    """What becomes of text columns with many different words."""

    max: Annotated[int, Field(ge=2, le=10_000)] = MOST_CATEGORIES
    """How many words of a column the model tells apart: the most frequent of the training set. All others are one
    category, other."""


Numbers = Annotated[dict[ColumnName, NumberFormat], Field(max_length=_MOST_COLUMNS)]
Dates = Annotated[
    dict[ColumnName, Annotated[str, Field(max_length=64, pattern=DATE_FORM)]], Field(max_length=_MOST_COLUMNS)
]
MissingMarkers = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=64)]


def check_marks(decimal: DecimalMark | None, thousands: ThousandsMark | None) -> None:
    """Raises where one mark would have both meanings."""
    if thousands is not None and thousands == (decimal or "."):
        raise refuse(
            "thousands", "'{mark}' is the decimal mark too; say both decimal and thousands, differing", mark=thousands
        )


def check_columns(
    target: str, numbers: Mapping[str, NumberFormat], dates: Mapping[str, str], others: Mapping[str, list[str]]
) -> None:
    """Raises where a column is said to be two things, or the target a date.

    Args:
        target: the target's column.
        numbers: `dataset.numbers`.
        dates: `dataset.dates`.
        others: the lists of columns by field, such as `exclude`.
    """
    if target in dates:
        raise refuse(
            "dates", "'{target}' is the target; a date can't be predicted, only a number or label", target=target
        )
    fields: dict[str, set[str]] = {"numbers": set(numbers), "dates": set(dates)}
    if both := sorted(fields["numbers"] & fields["dates"]):
        raise refuse(
            "dates",
            "'{both}' is named under {other} as well; a column is one or the other",
            both=both[0],
            other="numbers",
        )
    for field, names in fields.items():
        for other, listed in others.items():
            if both := sorted(names & set(listed)):
                raise refuse(
                    field,
                    "'{both}' is named under {other} as well; a column is one or the other",
                    both=both[0],
                    other=other,
                )
