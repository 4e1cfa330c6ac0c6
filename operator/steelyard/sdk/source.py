"""A table in memory as the source of a job: written to its workspace as Parquet. Imports the api, cells, local and
pyarrow when a table is written.
"""

import importlib.util
import os
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.cells.missing import is_missing
from steelyard.cells.words import text_of
from steelyard.contract.workspace import Workspace
from steelyard.local.beginning import make_workspace
from steelyard.local.lock import locked
from steelyard.sdk.tables import Table, columns_of
from steelyard.texts.installing import install_command

_OF_THE_FILE = ("format", "csv")
"""Fields of `dataset` that say how a file is read, of which there is none."""


def with_source(manifest: Mapping[str, Any], uri: str) -> dict[str, Any]:
    """The manifest, whatever its kind, with another source; the given one is not changed.

    Where it has no place for a source it is left as it is: whoever reads it says what is wrong.
    """
    changed = deepcopy(dict(manifest))
    holder: Any = changed.get("spec")
    if changed.get("kind") == "TuningJob" and isinstance(holder, dict):
        holder = holder.get("template")
    dataset = holder.get("dataset") if isinstance(holder, dict) else None
    if isinstance(dataset, dict):
        for name in _OF_THE_FILE:
            dataset.pop(name, None)
        dataset["uri"] = uri
    return changed


def write_source(data: Table, workspace: Workspace) -> Path:
    """Writes a table to its place in a workspace; one that is there and equal stays.

    Args:
        data: its index, where it has one, is left out.
        workspace: is made where there is none.

    Raises:
        DataError: it is no table, or a column can't be written.
        ConfigurationError: another run works in the workspace, or pyarrow is not installed.
        OSError: the file can't be written.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise ConfigurationError(
            f"a table in memory needs the library pyarrow, which is not installed; {install_command('trainer')}"
        )
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: _arrow_column(name, cells) for name, cells in columns_of(data)}
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"the columns differ in length: {lengths}")
    file = workspace.input_file
    make_workspace(workspace)
    with locked(workspace):
        aside = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            pq.write_table(pa.table(columns), aside, compression="zstd")
            # An equal file keeps its time, so that it is not read again.
            if not file.exists() or file.read_bytes() != aside.read_bytes():
                aside.replace(file)
        finally:
            aside.unlink(missing_ok=True)
    return file


def _arrow_column(name: str, cells: Any) -> Any:
    """A column as Arrow's. Of cells of several types, as spreadsheets have them, the text that a CSV file would have.

    Raises:
        DataError: it can't be one.
    """
    import pyarrow as pa

    if isinstance(cells, pa.ChunkedArray | pa.Array):
        return cells
    if hasattr(cells, "to_arrow"):  # Polars.
        return cells.to_arrow()
    if isinstance(cells, str | bytes | Mapping) or not hasattr(cells, "__len__"):
        raise DataError(f"column {name!r}: a {type(cells).__name__} is no column; give a list of cells")
    if _is_complex(cells):
        raise DataError(
            f"column {name!r} holds complex numbers, which are no cells; give real and imaginary part a column each"
        )
    try:
        return pa.array(cells, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        if any(isinstance(cell, list | tuple | dict | set) for cell in cells):
            raise DataError(f"column {name!r} can't be written as Parquet: {error}") from None
    return pa.array([None if is_missing(cell) else text_of(cell) for cell in cells], pa.string())


def _is_complex(cells: Any) -> bool:
    kind = getattr(getattr(cells, "dtype", None), "kind", "O")
    return bool(kind == "c" or (kind == "O" and any(isinstance(cell, complex) for cell in cells)))
