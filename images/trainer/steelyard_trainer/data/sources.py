"""From `spec.dataset.uri` to batches of rows: Parquet, scikit-learn's own sets, and CSV through csv_source.

Imports steelyard.api, pyarrow; scikit-learn only where one of its sets is asked for.
"""

import difflib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from steelyard.api.contract import Reason
from steelyard.api.dataset import SKLEARN_SCHEME, Dataset, Split
from steelyard.api.errors import ConfigurationError, DataError
from steelyard.api.uris import is_claim_uri
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.reading import ROW
from steelyard_trainer.data.words import listed, nearest

ColumnKind = Literal["Number", "Category"]

BATCH_BYTES = 16 << 20
"""About how much of a table is worked on at a time: large enough that the work per column does not count, small
against the memory that is allowed."""


@dataclass(frozen=True)
class Column:
    """A feature."""

    name: str
    kind: ColumnKind

    @property
    def arrow_type(self) -> pa.DataType:
        """How its cells are read and kept."""
        return pa.float64() if self.kind == "Number" else pa.string()


class Source(ABC):
    """A table that can be read from start to end, in bounded memory."""

    def __init__(self, name: str, features: Sequence[Column], target: str, dealt_by: str | None = None) -> None:
        self.name = name
        self.features = tuple(features)
        self.target = target
        self.dealt_by = dealt_by
        """The column that deals the rows out (`dataset.split`), where there is one."""

    @property
    def read_columns(self) -> list[str]:
        """The names of the columns of a batch: features, target, and what deals the rows out."""
        return [*(column.name for column in self.features), self.target, *([self.dealt_by] if self.dealt_by else [])]

    @abstractmethod
    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in order: the features in order, typed as they say, then the target as string, then, where there is
        one, the column that deals the rows out as string; missing is null."""

    @property
    @abstractmethod
    def estimated_rows(self) -> int:
        """How many rows there are, as far as that is known by now."""

    @property
    def first_rows(self) -> int | None:
        """How many rows come before those of a test file, when all were read; None where there is no such file."""
        return None

    def where(self, row: int) -> str:
        """What to call a row (from 0) in an error."""
        return f"row {row + 1:,}"

    def review_words(self, words: Mapping[str, Counter[str]]) -> None:  # noqa: B027 - most sources have no doubts
        """Is told the words of the text columns; raises DataError where they show that a column was misread."""


class ColumnsAreText(Exception):  # noqa: N818 - not an error: the source must be read again
    """Columns that began like numbers are text."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__(", ".join(sorted(names)))
        self.names = names


def open_source(context: StageContext, as_text: frozenset[str] = frozenset()) -> Source:
    """Opens the table that the manifest names.

    Args:
        context: the stage.
        as_text: columns beside `dataset.categorical` that are to be read as text.

    Raises:
        DataError: it can't be found or read, or its columns can't be used.
        ConfigurationError: the manifest names columns that it does not have.
    """
    dataset = context.job.spec.dataset
    if not dataset.is_file:
        return _sklearn_source(dataset)
    first = _open_file(context, dataset, as_text)
    if dataset.test_uri is None:
        return first
    from steelyard_trainer.data.joined import JoinedSource

    return JoinedSource(first, _open_test_file(context, dataset, first))


def _open_file(
    context: StageContext,
    dataset: Dataset,
    as_text: frozenset[str],
    field: str = "uri",
    only: frozenset[str] | None = None,
) -> Source:
    path = context.resolve(dataset.uri)
    _check_file(path, context, dataset.uri, field)
    if dataset.inferred_format == "CSV":
        from steelyard_trainer.data.csv_source import CsvSource

        return CsvSource(path, dataset, as_text, only)
    return ParquetSource(path, dataset, only)


def _open_test_file(context: StageContext, dataset: Dataset, first: Source) -> Source:
    """The file of testUri, read as the first file was: what is no feature there is none here."""
    names = frozenset(column.name for column in first.features)
    text = frozenset(column.name for column in first.features if column.kind == "Category")
    own = {"uri": dataset.test_uri, "test_uri": None, "split": Split()}
    test = dataset.model_copy(update=own)
    return _open_file(context, test, text, "testUri", only=names)


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
    if unnamed := [str(index + 1) for index, name in enumerate(names) if not name.strip()]:
        raise DataError(
            f"the header of {source} has no name for column {', '.join(unnamed[:10])} of {len(names)}: name it; if it "
            "only numbers the rows, list it under dataset.exclude or write the file without it (pandas: index=False)"
        )
    if doubled := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"the header of {source} has the same name more than once: {listed(doubled)}; rename them")
    if ROW in names and ROW not in dataset.exclude:
        raise DataError(f"{source} has a column {ROW!r}, a name that is kept for the row's number; rename it")
    if dataset.target not in names:
        separator = next((mark for mark in (";", "\t", "|") if len(names) == 1 and mark in names[0]), None)
        hint = f"; is it separated by {separator!r}? Only commas are (tabs in .tsv)" if separator else ""
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
    for field in ("exclude", "categorical"):
        for index, name in enumerate(getattr(dataset, field)):
            if name not in names:
                raise ConfigurationError(
                    f"spec.dataset.{field}[{index}]: {source} has no column {name!r}{nearest(name, names)}; "
                    f"its columns are {listed(names)}"
                )
    others = {dataset.target, *dataset.exclude, *(dataset.split.by or ())[1:]}
    features = [name for name in names if name not in others]
    if not features:
        if len(names) == 1:
            raise DataError(f"{source} has only the target's column {dataset.target!r}; there is nothing to learn from")
        raise ConfigurationError(f"spec.dataset.exclude: it leaves no feature; {source} has {listed(names)}")
    return features


class ParquetSource(Source):
    """A Parquet file, read a piece of a row group at a time."""

    def __init__(self, path: Path, dataset: Dataset, only: frozenset[str] | None = None) -> None:
        try:
            # Threads would decode all columns of a row group ahead.
            self._file = pq.ParquetFile(path, pre_buffer=False)
            schema = self._file.schema_arrow
        except (pa.ArrowInvalid, OSError) as error:
            raise self._broken(path.name, error) from None
        names = choose_features(schema.names, dataset, path.name, only)
        features = _typed(names, schema, dataset, path.name)
        super().__init__(path.name, features, dataset.target, _dealt_by(dataset))

    @property
    def estimated_rows(self) -> int:
        """Exact: the file says it."""
        return int(self._file.metadata.num_rows)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See Source."""
        names = self.read_columns
        rows = max(256, min(65536, BATCH_BYTES // (8 * len(names))))
        batches = self._file.iter_batches(batch_size=rows, columns=names, use_threads=False)
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except (pa.ArrowInvalid, OSError) as error:
                raise self._broken(self.name, error) from None
            yield _cast(batch, self)

    @staticmethod
    def _broken(name: str, error: Exception) -> Exception:
        if isinstance(error, OSError) and error.errno:
            return error
        what = str(error).splitlines()[0]
        return DataError(f"{name} is not a whole Parquet file; it may have been cut off, or be of another kind: {what}")


class TableSource(Source):
    """A table in memory."""

    def __init__(self, name: str, table: pa.Table, dataset: Dataset) -> None:
        names = choose_features(table.column_names, dataset, name)
        super().__init__(name, _typed(names, table.schema, dataset, name), dataset.target, _dealt_by(dataset))
        self._table = table

    @property
    def estimated_rows(self) -> int:
        """Exact."""
        return int(self._table.num_rows)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See Source."""
        for batch in self._table.select(self.read_columns).to_batches(65536):
            yield _cast(batch, self)


def _sklearn_source(dataset: Dataset) -> Source:
    from sklearn import datasets

    name = dataset.uri.removeprefix(SKLEARN_SCHEME)
    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    return TableSource(dataset.uri, pa.Table.from_pandas(frame, preserve_index=False), dataset)


def _check_file(path: Path, context: StageContext, uri: str, field: str) -> None:
    if path.is_dir():
        raise DataError(
            f"spec.dataset.{field}: {path.resolve()} is a folder, not a file", reason=Reason.SOURCE_NOT_FOUND
        )
    if not path.exists():
        folder = path.parent
        files = [entry.name for entry in folder.iterdir() if entry.is_file()] if folder.is_dir() else []
        near = difflib.get_close_matches(path.name, files, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        if is_claim_uri(uri):
            hint += f" ({uri})"
        elif context.base_dir is not None:
            hint += f" (a relative path is relative to the manifest's folder, {context.base_dir.resolve()})"
        raise DataError(
            f"spec.dataset.{field}: the file {path.resolve()} does not exist{hint}", reason=Reason.SOURCE_NOT_FOUND
        )


def _typed(names: Sequence[str], schema: pa.Schema, dataset: Dataset, source: str) -> list[Column]:
    return [Column(name, _kind(schema.field(name), dataset, source)) for name in names]


def _kind(field: pa.Field, dataset: Dataset, source: str) -> ColumnKind:
    plain = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_string(plain) or pa.types.is_large_string(plain) or pa.types.is_string_view(plain):
        return "Category"
    if pa.types.is_integer(plain) or pa.types.is_floating(plain) or pa.types.is_decimal(plain):
        return "Category" if field.name in dataset.categorical else "Number"
    if pa.types.is_boolean(plain) or pa.types.is_null(plain):
        return "Category" if field.name in dataset.categorical else "Number"
    raise DataError(
        f"column {field.name!r} of {source} holds {field.type}, which is neither numbers nor text; "
        "list it under dataset.exclude, or write it as one of them"
    )


def _dealt_by(dataset: Dataset) -> str | None:
    return dataset.split.by[1] if dataset.split.by is not None else None


def _cast(batch: pa.RecordBatch, source: Source) -> pa.RecordBatch:
    """The batch's columns as a Source must give them."""
    types = [(column.name, column.arrow_type) for column in source.features]
    types += [(name, pa.string()) for name in source.read_columns[len(types) :]]
    arrays = [_cast_column(batch.column(name), to) for name, to in types]
    return pa.record_batch(arrays, names=[name for name, _ in types])


def _cast_column(cells: pa.Array, to: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if pa.types.is_floating(cells.type):
        cells = pc.if_else(pc.is_nan(cells), None, cells)
    # Half floats have no cast to text, decimals none to float64 without a loss that is meant here.
    if pa.types.is_float16(cells.type):
        cells = cells.cast(pa.float32())
    return cells.cast(to, safe=False)
