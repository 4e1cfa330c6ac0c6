"""Sections as JSON values, for programs. Pure; imports the blocks and the charts' data.

Each block is an object with its `type` and its fields, whose names are camelCase.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic.alias_generators import to_camel

from steelyard.report.blocks import Bullets, Code, Facts, Folded, Heading, Report, Table, Text, Warn
from steelyard.report.chart_data import Bars, Matrix, Parallel, Plot, Quantiles
from steelyard.report.scales import CategoryScale, NumberScale

TYPES: Mapping[type[Any], str] = {
    Text: "text",
    Warn: "warning",
    Heading: "heading",
    Bullets: "list",
    Code: "code",
    Table: "table",
    Facts: "facts",
    Folded: "folded",
    Plot: "plot",
    Bars: "bars",
    Parallel: "parallel",
    Matrix: "matrix",
    Quantiles: "quantiles",
    NumberScale: "numbers",
    CategoryScale: "categories",
}
"""What says of an object which it is, where it may be one of several."""


def json_of(report: Report) -> dict[str, Any]:
    """The whole report: `title`, `text`, `figures`, `sections`."""
    document: dict[str, Any] = _values(report)
    return document


def _values(value: Any) -> Any:
    if is_dataclass(value):
        named = {to_camel(field.name): _values(getattr(value, field.name)) for field in fields(value)}
        kind = TYPES.get(type(value))
        return {"type": kind, **named} if kind else named
    if isinstance(value, Mapping):
        return {name: _values(each) for name, each in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    return [_values(each) for each in value] if isinstance(value, tuple | list) else value
