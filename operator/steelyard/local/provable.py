"""What can be said of a job's proof before anything is trained, as far as its rows are known without reading them as a
table. Imports cells, formats, stores and the api.

A table's rows are counted only up to as many as are enough. Rows that will be left out count, too: where these are too
few, fewer are.
"""

import csv
import json
import math
import re
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from steelyard.api.compression.proof import most_rows_needed, too_few_rows
from steelyard.api.dataset import Dataset
from steelyard.api.metrics import METRICS, Task
from steelyard.api.training_job import TrainingJobSpec
from steelyard.cells.csv_text import CsvStyle, open_text, records
from steelyard.cells.manifest import csv_style
from steelyard.cells.missing import MISSING_NUMBERS
from steelyard.contract.workspace import DATASET_FILE
from steelyard.formats.gzipped import open_decompressed
from steelyard.stores.surroundings import Surroundings

_SHIPPED: dict[str, tuple[Task, int]] = {
    "breast_cancer": ("Classification", 569),
    "diabetes": ("Regression", 442),
    "digits": ("Classification", 1797),
    "iris": ("Classification", 150),
    "linnerud": ("Regression", 20),
    "wine": ("Classification", 178),
}
"""What scikit-learn ships, and its rows: asking it takes a second."""
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True)
class Known:
    """What is known of a job's rows; None where it is not."""

    task: Task | None
    validation_rows: int | None
    class_rows: dict[str, int] | None = None
    """Of the validation set, by label."""


def too_few_rows_of(spec: TrainingJobSpec, surroundings: Surroundings, *, read_table: bool) -> str | None:
    """That the validation set will prove nothing; None where it may, or its rows are not known.

    Args:
        spec: a job's.
        surroundings: what this machine sees of the places.
        read_table: whether a table's file is counted.
    """
    needed = most_rows_needed(spec)
    if needed is None:
        return None
    try:
        known = _known(spec, surroundings, needed, read_table=read_table)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, csv.Error, zlib.error):
        # What is wrong with it is told elsewhere.
        return None
    if known.task is None or known.validation_rows is None:
        return None
    return too_few_rows(spec, known.task, known.validation_rows, known.class_rows)


def _known(spec: TrainingJobSpec, surroundings: Surroundings, needed: int, *, read_table: bool) -> Known:
    dataset = spec.dataset
    metric = spec.evaluation.metric
    task = spec.task or (METRICS[metric].task if metric else None)
    if dataset.is_prepared:
        return _prepared(surroundings.path(dataset.uri), task)
    if dataset.split.by is not None:
        return Known(task, None)
    share = dataset.split.validation_fraction
    if not dataset.is_file:
        name = dataset.uri.partition(":")[2]
        own, rows = _SHIPPED.get(name, (None, None))
        return Known(task or own, None if rows is None else math.ceil(share * rows))
    if not read_table:
        return Known(task, None)
    # One row more than is enough.
    rows, is_text = _counted(dataset, surroundings.path(dataset.uri), math.ceil(needed / share) + 1)
    return Known(task or ("Classification" if is_text else None), None if rows is None else math.ceil(share * rows))


def _prepared(folder: Path, task: Task | None) -> Known:
    document = json.loads((folder / DATASET_FILE).read_bytes())
    counts = (document.get("classCounts") or {}).get("validation")
    by_label = dict(zip(document["classes"], counts, strict=True)) if counts else None
    return Known(task or document["task"], document["rows"]["validation"], by_label)


def _counted(dataset: Dataset, path: Path, most: int) -> tuple[int | None, bool]:
    """(how many rows a table has, or `most` where it has more; whether its target is words)."""
    if dataset.inferred_format == "CSV":
        with open_decompressed(path) as file:
            style: CsvStyle = csv_style(path.name, dataset.csv)
            found = records(open_text(file, style), style)
            _, header = next(found)
            place = header.index(dataset.target)
            missing = MISSING_NUMBERS.union(dataset.missing_markers)
            return _count((cells[place] for _, cells in islice(found, most)), missing)
    if dataset.inferred_format == "Parquet":
        return _counted_frame(dataset, path)
    return None, False


def _counted_frame(dataset: Dataset, path: Path) -> tuple[int | None, bool]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return None, False
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            kind = file.schema_arrow.field(dataset.target).type
            return file.metadata.num_rows, pa.types.is_string(kind) or pa.types.is_dictionary(kind)
    except pa.ArrowException:
        return None, False


def _count(targets: Iterable[str], missing: Collection[str]) -> tuple[int, bool]:
    """(how many cells there are, whether some word is among them)."""
    rows, is_text = 0, False
    for cell in targets:
        rows += 1
        word = cell.strip()
        is_text = is_text or (word not in missing and _LETTER.match(word) is not None and not _is_number(word))
    return rows, is_text


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
