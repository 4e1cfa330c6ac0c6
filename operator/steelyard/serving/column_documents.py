"""Columns from what preprocessing.json says of them. Imports cells and serving only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from steelyard.cells.numbers import NumberStyle
from steelyard.cells.words import Spelling
from steelyard.serving.input_columns import CategoryColumn, CodeColumn, Column, DateColumn, NumberColumn


def column_from_json(document: Mapping[str, Any], markers: Sequence[str] = ()) -> Column:
    """Raises KeyError, TypeError or ValueError where the document is not one of `to_json`."""
    readers: dict[str, Callable[[Mapping[str, Any], tuple[str, ...]], Column]] = {
        "Number": _number_column,
        "Category": _category_column,
        "Code": _code_column,
        "Date": _date_column,
    }
    return readers[document["kind"]](document, tuple(markers))


def _number_column(document: Mapping[str, Any], markers: tuple[str, ...]) -> NumberColumn:
    return NumberColumn(
        document["name"],
        _fill(document),
        float(document["mean"]),
        float(document["scale"]),
        NumberStyle.from_json(document.get("style", {})),
        bool(document.get("truth", False)),
        markers,
        bool(document.get("gaps", False)),
    )


def _fill(document: Mapping[str, Any]) -> float | None:
    return None if document["fill"] is None else float(document["fill"])


def _category_column(document: Mapping[str, Any], markers: tuple[str, ...]) -> CategoryColumn:
    # Documents of older versions say nothing of the spelling: words were taken to the letter.
    spelling: Spelling = document.get("spelling", "AsWritten")
    other = bool(document.get("other", False))
    return CategoryColumn(document["name"], document["fill"], tuple(document["words"]), spelling, other, markers)


def _code_column(document: Mapping[str, Any], markers: tuple[str, ...]) -> CodeColumn:
    return code_column(_category_column(document, markers), keeps_gaps=bool(document.get("gaps", False)))


def code_column(column: CategoryColumn, *, keeps_gaps: bool) -> CodeColumn:
    """The column as one input: the words' indices."""
    given = {each.name: getattr(column, each.name) for each in fields(CategoryColumn)}
    return CodeColumn(**given, keeps_gaps=keeps_gaps)


def _date_column(document: Mapping[str, Any], markers: tuple[str, ...]) -> DateColumn:
    parts = tuple(document["parts"])
    means, scales = (
        tuple(float(number) for number, _ in zip(document[key], parts, strict=True)) for key in ("means", "scales")
    )
    return DateColumn(
        document["name"],
        _fill(document),
        document["form"],
        parts,
        means,
        scales,
        markers,
        bool(document.get("gaps", False)),
    )
