"""From `spec.dataset.uri` to a source of rows. Imports steelyard, pyarrow and the sources; what a store needs
only where one of its places is opened."""

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa

from steelyard.api.dataset import Dataset, Split
from steelyard.api.errors import DataError
from steelyard.api.places import mounted_claim
from steelyard.contract.stages import Reason
from steelyard.formats.base import FormatName
from steelyard.formats.table import format_named, mismatch
from steelyard.stores.base import TableInMemory
from steelyard.stores.registry import source_at
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.arrow_source import ParquetSource, TableSource
from steelyard_trainer.data.csv_source import CsvSource
from steelyard_trainer.data.joined import JoinedSource
from steelyard_trainer.data.source import ReadAgain, Source

_READERS: Mapping[FormatName, Callable[[Path, Dataset, ReadAgain, frozenset[str] | None], Source]] = {
    "CSV": CsvSource,
    "Parquet": ParquetSource,
}


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
    opened = source_at(dataset.uri, context.surroundings).open()
    if isinstance(opened, TableInMemory):
        return TableSource(opened.name, pa.Table.from_pandas(opened.frame, preserve_index=False), dataset)
    first = _open_file(opened, context, dataset, again or ReadAgain())
    if dataset.test_uri is None:
        return first
    return JoinedSource(first, _open_test_file(context, dataset, first))


def _open_file(
    path: Path,
    context: StageContext,
    dataset: Dataset,
    again: ReadAgain,
    field: str = "uri",
    only: frozenset[str] | None = None,
) -> Source:
    _check_file(path, context, dataset.uri, field)
    name = dataset.inferred_format
    assert name is not None and name != "Prepared", "the manifest's checks let no other through"
    if (other := mismatch(name, path)) is not None:
        raise DataError(f"spec.dataset.{field}: {path.name} is {other[0]}, not {format_named(name).noun}: {other[1]}")
    return _READERS[name](path, dataset, again, only)


def _open_test_file(context: StageContext, dataset: Dataset, first: Source) -> Source:
    """The file of testUri, read as the first file was: what is no feature there is none here."""
    names = frozenset(column.name for column in first.features)
    text = frozenset(column.name for column in first.features if column.kind == "Category")
    own = {"uri": dataset.test_uri, "test_uri": None, "split": Split()}
    test = dataset.model_copy(update=own)
    path = source_at(test.uri, context.surroundings).open()
    assert isinstance(path, Path), "the manifest's checks let no other through"
    return _open_file(path, context, test, ReadAgain(text=text), "testUri", only=names)


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
        if mounted_claim(uri) is not None:
            hint += f" ({uri})"
        elif context.base_dir is not None:
            hint += f" (a relative path is relative to the manifest's folder, {context.base_dir.resolve()})"
        raise DataError(
            f"spec.dataset.{field}: the file {path.resolve()} does not exist{hint}", reason=Reason.SOURCE_NOT_FOUND
        )
