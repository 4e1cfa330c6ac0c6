"""The features of a table: which columns they are, and of what kind. Imports steelyard and pyarrow."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from steelyard.api.dataset import Dataset
from steelyard.api.errors import ConfigurationError, DataError
from steelyard.cells.column import meaning_of
from steelyard.cells.dates import ISO8601
from steelyard.cells.manifest import column_style, default_style, missing_numbers
from steelyard.cells.messages import nearest, unnamed
from steelyard.cells.numbers import PLAIN, NumberStyle
from steelyard_trainer.data.reading import ROW
from steelyard_trainer.data.words import listed

ColumnKind = Literal["Number", "Category", "Date"]


@dataclass(frozen=True)
class Column:
    """A feature."""

    name: str
    kind: ColumnKind
    style: NumberStyle = PLAIN
    """Number: how its texts are written."""
    form: str = ISO8601
    """Date: how its texts are written."""
    is_text: bool = False
    """Number and Date: whether the source gives texts, which are parsed."""
    is_sure: bool = False
    """Whether the manifest or the column's type says what it is, so that a cell that is none is an error."""
    is_truth: bool = False
    """Number: whether its cells are truth values."""

    @property
    def read_type(self) -> pa.DataType:
        """How the source gives its cells."""
        return pa.string() if self.is_text else self.arrow_type

    @property
    def arrow_type(self) -> pa.DataType:
        """How its cells are kept."""
        return {"Number": pa.float64(), "Date": pa.timestamp("us"), "Category": pa.string()}[self.kind]


def declared_column(name: str, dataset: Dataset) -> Column | None:
    """The column as the manifest says it is, if it does."""
    if name in dataset.categorical:
        return Column(name, "Category", is_sure=True)
    if name in dataset.dates:
        return Column(name, "Date", form=dataset.dates[name], is_text=True, is_sure=True)
    if name in dataset.numbers:
        return Column(name, "Number", column_style(dataset, name), is_text=True, is_sure=True)
    return None


def sniffed_column(name: str, counts: Mapping[str, int], dataset: Dataset, *, is_typed_by_reader: bool) -> Column:
    """A column of text as its first cells say it is.

    Args:
        name: the column.
        counts: how often each of the first texts occurs.
        dataset: what the manifest says of the table.
        is_typed_by_reader: whether the source reads plain numbers by itself.
    """
    style = default_style(dataset)
    meaning = meaning_of(counts, style, missing_numbers(dataset))
    if meaning.kind == "Category":
        return Column(name, "Category", is_sure=meaning.has_one_width)
    if meaning.kind == "Date":
        return Column(name, "Date", is_text=True)
    # Digits of one width may turn out to be codes: a zero in front is to be seen.
    is_fast = is_typed_by_reader and style.thousands is None and not meaning.has_one_width
    return Column(name, "Number", style, is_text=not is_fast)


def choose_features(
    names: Sequence[str], dataset: Dataset, source: str, only: frozenset[str] | None = None
) -> list[str]:
    """The columns that are features, in the table's order.

    Args:
        names: the table's columns.
        dataset: what the manifest says of them.
        source: what to call the table.
        only: of a test file: the features of the table that is trained on, whatever other columns it has.

    Raises:
        DataError: names are doubled, empty or reserved, or the target is not among them.
        ConfigurationError: a column that the manifest names is not there, or no feature is left.
    """
    if fault := unnamed(source, (place for place, name in enumerate(names, 1) if not name.strip()), len(names)):
        raise DataError(fault)
    if doubled := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"the header of {source} has the same name more than once: {listed(doubled)}; rename them")
    if ROW in names and ROW not in dataset.exclude:
        raise DataError(f"{source} has a column {ROW!r}, a name that is kept for the row's number; rename it")
    if dataset.target not in names:
        separator = next((mark for mark in (";", "\t", "|") if len(names) == 1 and mark in names[0]), None)
        hint = (
            f"; is it separated by {separator!r}? then say dataset.csv: {{delimiter: {separator!r}}}"
            if separator
            else ""
        )
        raise DataError(
            f"{source} has no column {dataset.target!r}, which dataset.target names"
            f"{nearest(dataset.target, names)}; its columns are {listed(names)}{hint}"
        )
    if only is not None:
        return [name for name in names if name in only]
    if dataset.split.by is not None and dataset.split.by[1] not in names:
        by, name = dataset.split.by
        raise ConfigurationError(
            f"spec.dataset.split.{by}: {source} has no column {name!r}{nearest(name, names)}; "
            f"its columns are {listed(names)}"
        )
    for field, name in _named_columns(dataset):
        if name not in names:
            raise ConfigurationError(
                f"spec.dataset.{field}: {source} has no column {name!r}{nearest(name, names)}; "
                f"its columns are {listed(names)}"
            )
    others = {dataset.target, *dataset.exclude, *(dataset.split.by or ())[1:]}
    features = [name for name in names if name not in others]
    if not features:
        if len(names) == 1:
            raise DataError(f"{source} has only the target's column {dataset.target!r}; there is nothing to learn from")
        raise ConfigurationError(f"spec.dataset.exclude: it leaves no feature; {source} has {listed(names)}")
    return features


def _named_columns(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """(field, column) of all columns beside the target that the manifest names."""
    for field in ("exclude", "categorical"):
        for index, name in enumerate(getattr(dataset, field)):
            yield f"{field}[{index}]", name
    for field in ("numbers", "dates"):
        for name in getattr(dataset, field):
            yield f"{field}.{name}", name


def is_named(name: str, dataset: Dataset) -> bool:
    """Whether the manifest says what the column is."""
    return declared_column(name, dataset) is not None
