"""From `spec.dataset.uri` to batches of rows: Parquet, scikit-learn's own sets, and CSV through csv_source.

Imports steelyard.api, pyarrow; scikit-learn only where one of its sets is asked for.
"""

import difflib
import json
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
from steelyard.cells.column import meaning_of
from steelyard.cells.dates import ISO8601
from steelyard.cells.manifest import column_style, default_style, missing_numbers
from steelyard.cells.messages import nearest, refuse_large
from steelyard.cells.numbers import PLAIN, NumberStyle
from steelyard.cells.words import text_of
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.reading import ROW
from steelyard_trainer.data.words import listed

ColumnKind = Literal["Number", "Category", "Date"]

BATCH_BYTES = 16 << 20
"""About how much of a table is worked on at a time: large enough that the work per column does not count, small
against the memory that is allowed."""
_SNIFFED_ROWS = 5000
# Days since 1970-01-01 of 0001-01-01 and 9999-12-31: what a text, and Python, can say.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


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
        """The rows in order: the features in order, of their `read_type`, then the target as string, then, where there
        is one, the column that deals the rows out as string; missing is null."""

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

    left_out: tuple[str, ...] = ()
    """Columns that are no features though the manifest does not say so: pandas' saved index."""

    def check_whole(self, name: str) -> None:  # noqa: B027 - most sources know the types of their columns
        """Raises DataError where a column that is read as float64 has whole numbers that this does not hold."""


class ReadAgain(Exception):  # noqa: N818 - not an error
    """The source must be read again: columns are not what their first cells said."""

    def __init__(self, *, text: frozenset[str] = frozenset(), parsed: frozenset[str] = frozenset()) -> None:
        super().__init__(", ".join(sorted(text | parsed)))
        self.text = text
        """Columns of words."""
        self.parsed = parsed
        """Columns of numbers whose texts must be read one by one."""

    def __or__(self, other: "ReadAgain") -> "ReadAgain":
        # What was found to be words stays so.
        text = self.text | other.text
        return ReadAgain(text=text, parsed=(self.parsed | other.parsed) - text)


def open_source(context: StageContext, again: ReadAgain | None = None) -> Source:
    """Opens the table that the manifest names.

    Args:
        context: the stage.
        again: what an earlier reading has shown.

    Raises:
        DataError: it can't be found or read, or its columns can't be used.
        ConfigurationError: the manifest names columns that it does not have.
    """
    dataset = context.job.spec.dataset
    if not dataset.is_file:
        return _sklearn_source(dataset)
    again = again or ReadAgain()
    first = _open_file(context, dataset, again)
    if dataset.test_uri is None:
        return first
    from steelyard_trainer.data.joined import JoinedSource

    return JoinedSource(first, _open_test_file(context, dataset, first))


def _open_file(
    context: StageContext,
    dataset: Dataset,
    again: ReadAgain,
    field: str = "uri",
    only: frozenset[str] | None = None,
) -> Source:
    path = context.resolve(dataset.uri)
    _check_file(path, context, dataset.uri, field)
    if dataset.inferred_format == "CSV":
        from steelyard_trainer.data.csv_source import CsvSource

        return CsvSource(path, dataset, again, only)
    return ParquetSource(path, dataset, again, only)


def _open_test_file(context: StageContext, dataset: Dataset, first: Source) -> Source:
    """The file of testUri, read as the first file was: what is no feature there is none here."""
    names = frozenset(column.name for column in first.features)
    text = frozenset(column.name for column in first.features if column.kind == "Category")
    own = {"uri": dataset.test_uri, "test_uri": None, "split": Split()}
    test = dataset.model_copy(update=own)
    return _open_file(context, test, ReadAgain(text=text), "testUri", only=names)


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
        names = choose_features(schema.names, dataset, path.name, only)
        self.left_out = tuple(name for name in saved_index(schema) if name in names and not _is_named(name, dataset))
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


def saved_index(schema: pa.Schema) -> list[str]:
    """The columns in which pandas saved a table's index."""
    try:
        described = json.loads((schema.metadata or {})[b"pandas"])
        return [name for name in described["index_columns"] if isinstance(name, str)]
    except (KeyError, TypeError, ValueError):
        return []


def _is_named(name: str, dataset: Dataset) -> bool:
    """Whether the manifest says what the column is."""
    return declared_column(name, dataset) is not None


def check_target(field: pa.Field, source: str) -> None:
    """Raises DataError for a target that can be neither a label nor a number."""
    plain = _plain(field.type)
    if pa.types.is_temporal(plain):
        raise DataError(
            f"the target {field.name!r} of {source} holds {field.type}: a date or time can't be predicted as it is; "
            "write a number into the table, such as the days since another date, and name that as dataset.target"
        )
    if pa.types.is_nested(plain):
        raise DataError(f"the target {field.name!r} of {source} holds {field.type}, which is no label and no number")


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _texts(names: Sequence[str], schema: pa.Schema) -> list[str]:
    """The columns whose cells are texts; a dictionary of texts is said to be one of words by whoever made it."""
    return [name for name in names if _is_string(schema.field(name).type)]


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
    plain, name = _plain(field.type), field.name
    is_number = pa.types.is_integer(plain) or pa.types.is_floating(plain) or pa.types.is_decimal(plain)
    if name in dataset.numbers:
        if not _is_string(plain):
            raise ConfigurationError(
                f"spec.dataset.numbers.{name}: column {name!r} of {source} holds {field.type}, no text; leave it out"
            )
        return Column(name, "Number", column_style(dataset, name), is_text=True, is_sure=True)
    if name in dataset.dates and (is_number or _is_string(plain)):
        return Column(name, "Date", form=dataset.dates[name], is_text=True, is_sure=True)
    if _is_string(plain):
        return Column(name, "Category", is_sure=True)
    if is_number or pa.types.is_boolean(plain) or pa.types.is_null(plain):
        if name in dataset.categorical:
            return Column(name, "Category", is_sure=True)
        return Column(name, "Number", is_sure=True, is_truth=pa.types.is_boolean(plain))
    if pa.types.is_duration(plain):
        return Column(name, "Number", is_sure=True)
    if pa.types.is_temporal(plain) and not pa.types.is_interval(plain):
        return Column(name, "Category" if name in dataset.categorical else "Date", is_sure=True)
    raise DataError(
        f"column {name!r} of {source} holds {field.type}, which is neither numbers nor text nor dates; "
        "list it under dataset.exclude, or write it as one of them"
    )


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
