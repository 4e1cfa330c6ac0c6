"""Tables whose columns have types: Parquet files, and tables in memory. Imports steelyard and pyarrow."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from steelyard.api.dataset import Dataset
from steelyard.api.errors import ConfigurationError, DataError
from steelyard.cells.arrow_types import feature_fault, kind_of, numbers_fault, saved_index, target_fault
from steelyard.cells.manifest import column_style, default_style
from steelyard.cells.messages import refuse_large
from steelyard.cells.words import text_of
from steelyard_trainer.data.feature_columns import Column, choose_features, declared_column, is_named, sniffed_column
from steelyard_trainer.data.source import BATCH_BYTES, ReadAgain, Source

_SNIFFED_ROWS = 5000
# Days since 1970-01-01 of 0001-01-01 and 9999-12-31: what a text, and Python, can say.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class ParquetSource(Source):
    """A Parquet file, read a piece of a row group at a time."""

    def __init__(
        self, path: Path, dataset: Dataset, again: ReadAgain | None = None, only: frozenset[str] | None = None
    ) -> None:
        try:
            # Threads would decode all columns of a row group ahead.
            self._file = pq.ParquetFile(path, pre_buffer=False)
            schema = self._file.schema_arrow
        except (pa.ArrowInvalid, OSError) as error:
            raise self._broken(path.name, error) from None
        index = saved_index(schema)
        # pandas lets an index be named "".
        names = [name for name in schema.names if name.strip() or name not in index]
        names = choose_features(names, dataset, path.name, only)
        self.left_out = tuple(name for name in index if name in names and not is_named(name, dataset))
        names = [name for name in names if name not in self.left_out]
        if not names:
            raise DataError(f"{path.name} has no feature: beside the target there is only pandas' saved index")
        first = next(self._file.iter_batches(batch_size=_SNIFFED_ROWS, columns=_texts(names, schema)), None)
        features = _typed(names, schema, dataset, path.name, first, again or ReadAgain())
        check_target(schema.field(dataset.target), path.name)
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
        features = _typed(names, table.schema, dataset, name, None, ReadAgain())
        super().__init__(name, features, dataset.target, _dealt_by(dataset))
        self._table = table

    @property
    def estimated_rows(self) -> int:
        """Exact."""
        return int(self._table.num_rows)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See Source."""
        for batch in self._table.select(self.read_columns).to_batches(65536):
            yield _cast(batch, self)


def check_target(field: pa.Field, source: str) -> None:
    """Raises DataError for a target that can be neither a label nor a number."""
    if fault := target_fault(field.name, field.type, source):
        raise DataError(fault)


def _texts(names: Sequence[str], schema: pa.Schema) -> list[str]:
    """The columns whose cells are texts; a dictionary of texts is said to be one of words by whoever made it."""
    return [name for name in names if kind_of(schema.field(name).type) == "Text"]


def _typed(
    names: Sequence[str],
    schema: pa.Schema,
    dataset: Dataset,
    source: str,
    first: pa.RecordBatch | None,
    again: ReadAgain,
) -> list[Column]:
    texts = _texts(names, schema)
    columns = []
    for name in names:
        if name not in texts:
            columns.append(_typed_column(schema.field(name), dataset, source))
        elif (declared := declared_column(name, dataset)) is not None:
            columns.append(declared)
        elif name in again.text:
            columns.append(Column(name, "Category"))
        elif name in again.parsed:
            columns.append(Column(name, "Number", default_style(dataset), is_text=True))
        else:
            cells = first.column(name).to_pylist() if first is not None else []
            counts = Counter(cell for cell in cells if cell is not None)
            # Text without a cell so far: words, as its type says.
            column = sniffed_column(name, counts, dataset, is_typed_by_reader=False)
            columns.append(column if counts else Column(name, "Category"))
    return columns


def _typed_column(field: pa.Field, dataset: Dataset, source: str) -> Column:
    """A column that is no text, as its type says."""
    kind, name = kind_of(field.type), field.name
    if name in dataset.numbers:
        if fault := numbers_fault(name, field.type, source):
            raise ConfigurationError(f"spec.dataset.numbers.{name}: {fault}")
        return Column(name, "Number", column_style(dataset, name), is_text=True, is_sure=True)
    if name in dataset.dates and kind in ("Number", "Words", "Text"):
        return Column(name, "Date", form=dataset.dates[name], is_text=True, is_sure=True)
    match kind:
        case "Words" | "Text":
            return Column(name, "Category", is_sure=True)
        case "Number" | "Truth" | "Empty":
            if name in dataset.categorical:
                return Column(name, "Category", is_sure=True)
            return Column(name, "Number", is_sure=True, is_truth=kind == "Truth")
        case "Duration":
            return Column(name, "Number", is_sure=True)
        case "Date":
            return Column(name, "Category" if name in dataset.categorical else "Date", is_sure=True)
        case "Other":
            raise DataError(feature_fault(name, field.type, source))


def _dealt_by(dataset: Dataset) -> str | None:
    return dataset.split.by[1] if dataset.split.by is not None else None


def _cast(batch: pa.RecordBatch, source: Source) -> pa.RecordBatch:
    """The batch's columns as a Source must give them."""
    arrays = [_cast_column(column.name, batch.column(column.name), column.read_type) for column in source.features]
    names = source.read_columns
    arrays += [_as_texts(batch.column(name)) for name in names[len(arrays) :]]
    return pa.record_batch(arrays, names=names)


def _cast_column(name: str, cells: pa.Array, to: pa.DataType) -> pa.Array:
    if pa.types.is_string(to):
        return _as_texts(cells)
    cells = _plain_cells(cells)
    if pa.types.is_integer(cells.type) and pa.types.is_floating(to):
        _check_whole(name, cells)
    if pa.types.is_duration(cells.type) and pa.types.is_floating(to):
        return pc.divide(cells.cast(pa.duration("us"), safe=False).cast(pa.int64()).cast(pa.float64()), 1e6)
    if pa.types.is_date(cells.type) or pa.types.is_timestamp(cells.type):
        _check_dates(name, cells)
    if pa.types.is_time(cells.type) and pa.types.is_timestamp(to):
        # A time of day is one of 1970-01-01.
        unit = pa.time64("us")
        return cells.cast(unit, safe=False).cast(pa.int64()).cast(to)
    return cells.cast(to, safe=False)


def _plain_cells(cells: pa.Array) -> pa.Array:
    """The cells without a dictionary, NaN as null."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if pa.types.is_floating(cells.type):
        cells = pc.if_else(pc.is_nan(cells), None, cells)
    # Half floats have no cast to text, decimals none to float64 without a loss that is meant here.
    return cells.cast(pa.float32()) if pa.types.is_float16(cells.type) else cells


def _as_texts(cells: pa.Array) -> pa.Array:
    """The cells as a CSV file would have them."""
    cells = _plain_cells(cells)
    texts = cells.cast(pa.string(), safe=False)
    if not pa.types.is_floating(cells.type):
        return texts
    # 1e+15 is a whole number too.
    is_long = pc.and_(pc.equal(cells, pc.trunc(cells)), pc.greater(pc.abs(cells), 1e14))
    if not pc.any(is_long).as_py():
        return texts
    pairs = zip(cells.to_pylist(), texts.to_pylist(), strict=True)
    return pa.array([text_of(cell) if cell is not None and cell.is_integer() else text for cell, text in pairs])


def _check_whole(name: str, cells: pa.Array) -> None:
    """Raises DataError for whole numbers that float64 can't tell from their neighbors."""
    if cells.type.bit_width < 64 or cells.null_count == len(cells):
        return
    ends = pc.min_max(cells)
    for end in (ends["min"].as_py(), ends["max"].as_py()):
        refuse_large(name, str(end))


def _check_dates(name: str, cells: pa.Array) -> None:
    """Raises DataError for dates outside the years 1 to 9999, which text can't have either."""
    is_days = pa.types.is_date32(cells.type)
    per_day = 1 if is_days else 86_400 * _PER_SECOND["ms" if pa.types.is_date64(cells.type) else cells.type.unit]
    ends = pc.min_max(cells.cast(pa.int32() if is_days else pa.int64()))
    for end in (ends["min"].as_py(), ends["max"].as_py()):
        if end is not None and not _FIRST_DAY <= end // per_day <= _LAST_DAY:
            raise DataError(
                f"column {name!r} holds a date outside the years 1 to 9999, {end // per_day:,} days from 1970-01-01; "
                "mend the cell, leave it empty, or list the column under dataset.exclude"
            )
