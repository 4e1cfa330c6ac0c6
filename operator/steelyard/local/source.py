"""The source of a job's rows, as far as it can be judged without reading it as a table. Imports stores, formats,
cells and the api."""

import csv
import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from steelyard.api.dataset import Dataset, Split
from steelyard.api.errors import DataError, Problem
from steelyard.api.places import mounted_claim
from steelyard.cells.csv_text import no_text
from steelyard.cells.manifest import csv_style
from steelyard.cells.messages import nearest, unnamed
from steelyard.contract.stages import ExitCode, Reason
from steelyard.contract.workspace import DATASET_FILE, PREPROCESSING_FILE
from steelyard.formats.csv_text import CSV
from steelyard.formats.gzipped import header_of, open_decompressed
from steelyard.formats.others import binary_kind
from steelyard.formats.table import format_named, mismatch
from steelyard.local.first_cells import Frame, type_problems
from steelyard.local.first_rows import FirstRows, cell_problems
from steelyard.stores.base import SourceRecord
from steelyard.stores.registry import source_at
from steelyard.stores.surroundings import Surroundings
from steelyard.texts.figures import counted

_LISTS = ("exclude", "categorical")
_MAPS = ("numbers", "dates")
"""The fields that name columns."""


def find_source(dataset: Dataset, path: Path, field: str = "uri") -> None:
    """Makes sure that a source file, or the file that describes a prepared dataset, is there and can be read.

    Args:
        dataset: `spec.dataset`; of its test file: with that as its uri.
        path: the file.
        field: the field that names it.

    Raises:
        DataError: it is not there, is no file or can't be read.
    """
    if dataset.is_prepared:
        path = path / DATASET_FILE
    if not path.exists():
        hint = ""
        if (claim := mounted_claim(dataset.uri)) is not None:
            hint = f"; the folder that is the claim here can be named: --claim {claim}=DIR"
        raise DataError(
            f"spec.dataset.{field}: {dataset.uri} does not exist: there is no file {path}{hint}",
            reason=Reason.SOURCE_NOT_FOUND,
        )
    if not path.is_file():
        raise DataError(
            f"spec.dataset.{field}: {path} is {'a folder' if path.is_dir() else 'no regular file'}, not a table's file",
            reason=Reason.SOURCE_NOT_FOUND,
        )
    try:
        path.open("rb").close()
    except OSError as error:
        raise DataError(f"spec.dataset.{field}: {path} can't be read: {error.strerror}") from None


def sources_digest(
    dataset: Dataset, surroundings: Surroundings, remembered: SourceRecord | None
) -> tuple[str, SourceRecord | None]:
    """What stands for the content of the source and, where there is one, of the test file; as `source_digest`.

    Args:
        dataset: the job's `spec.dataset`.
        surroundings: what this machine sees of the places.
        remembered: from an earlier call.
    """
    digest, record = source_digest(dataset, surroundings, remembered)
    if (test := test_dataset(dataset)) is None:
        return digest, record
    find_source(test, surroundings.path(test.uri), "testUri")
    test_digest, test_record = source_digest(test, surroundings, remembered.test if remembered else None)
    both = hashlib.sha256(f"{digest}\n{test_digest}".encode()).hexdigest()
    return both, replace(record, test=test_record) if record else None


def test_dataset(dataset: Dataset) -> Dataset | None:
    """The test file as a dataset of its own; None where there is none."""
    if dataset.test_uri is None:
        return None
    return dataset.model_copy(update={"uri": dataset.test_uri, "test_uri": None, "split": Split()})


def source_digest(
    dataset: Dataset, surroundings: Surroundings, remembered: SourceRecord | None
) -> tuple[str, SourceRecord | None]:
    """What stands for the source's content, and what to remember so that a file is not read again.

    Args:
        dataset: the job's `spec.dataset`.
        surroundings: what this machine sees of the places.
        remembered: from an earlier call.

    Returns:
        What the source's store says of the file, or of a prepared dataset's descriptions, which hold the fingerprint of
        its rows.

    Raises:
        DataError: the file is not there or can't be read.
    """
    if dataset.is_file:
        find_source(dataset, surroundings.path(dataset.uri))
    described_by = (DATASET_FILE, PREPROCESSING_FILE) if dataset.is_prepared else ()
    return source_at(dataset.uri, surroundings).identity(described_by, remembered)


@dataclass(frozen=True)
class Finding:
    """What is wrong with a source, and whose fault it is."""

    problem: Problem
    exit_code: ExitCode
    """DATA or CONFIGURATION."""


def sources_findings(dataset: Dataset, surroundings: Surroundings) -> list[Finding]:
    """What is wrong with the source and, where there is one, with the test file; as `source_findings`. Nothing is wrong
    with what is no file."""
    if not dataset.is_file:
        return []
    findings = source_findings(dataset, surroundings.path(dataset.uri))
    if (test := test_dataset(dataset)) is None:
        return findings
    # What is excluded need not be in the test file.
    test = test.model_copy(update={"exclude": []})
    for finding in source_findings(test, surroundings.path(test.uri)):
        problem = finding.problem
        message = problem.message.removeprefix("spec.dataset.uri: ")
        findings.append(replace(finding, problem=Problem("spec.dataset.testUri", message)))
    return findings


def source_findings(dataset: Dataset, path: Path) -> list[Finding]:
    """What is wrong with a source, as far as its first rows can tell."""
    try:
        find_source(dataset, path)
    except DataError as error:
        return [_data("uri", error.message.removeprefix("spec.dataset.uri: "))]
    name = dataset.inferred_format
    if name == "Prepared":
        return _prepared_findings(dataset, path)
    if name is None:
        return []
    form = format_named(name)
    if (other := mismatch(name, path)) is not None:
        return [_data("uri", f"{path} is {other[0]}, not {form.noun}: {other[1]}")]
    if form.fault is not None and (fault := form.fault(path)):
        return [_data("uri", f"{path} {fault}")]
    return _csv_findings(dataset, path) if form is CSV else _frame_findings(dataset, path)


def _csv_findings(dataset: Dataset, path: Path) -> list[Finding]:
    if (binary := binary_kind(header_of(path).content)) is not None:
        return [_data("uri", f"{path} is {binary[0]}, not a CSV file: {binary[1]}")]
    style = csv_style(path.name, dataset.csv)
    try:
        with open_decompressed(path) as file:
            head = FirstRows.read(file, style)
    except UnicodeError as error:
        return [_data("uri", f"{path} is not a CSV file: {no_text(error, style)}")]
    except (csv.Error, OSError, EOFError, zlib.error) as error:
        return [_data("uri", f"{path} is not a CSV file: {error}")]
    header = head.header
    if not any(name.strip() for name in header):
        return [_data("uri", f"{path} is empty; a CSV file begins with a line that names the columns")]
    if not head.rows:
        return [_data("uri", f"{path} has a header but no rows")]
    findings = _header_findings(str(path), header)
    if head.ragged is not None:
        row, cells = head.ragged
        where = "in the first row" if row == 1 else f"in row {row:,}"
        findings.append(
            _data("uri", f"{path} has {counted(len(header), 'column')}, but {counted(cells, 'cell')} {where}")
        )
    findings += names_findings(dataset, str(path), header)
    if not findings:
        findings = [_data(field, f"{path}, {message}") for field, message in cell_problems(dataset, head)]
    return findings


def names_findings(dataset: Dataset, table: str, header: Sequence[str]) -> list[Finding]:
    """The columns that the manifest names and the table has not.

    Args:
        dataset: `spec.dataset`.
        table: what to call it.
        header: the names of its columns.
    """
    findings = []
    there = f"the columns are {_listed(header)}"

    def absent(name: str) -> str:
        return f"{table} has no column '{name}'{nearest(name, header)}; {there}"

    if dataset.target not in header:
        findings.append(_data("target", absent(dataset.target)))
    if dataset.split.by is not None and dataset.split.by[1] not in header:
        by, name = dataset.split.by
        findings.append(_configuration(f"split.{by}", absent(name)))
    named = [(f"{field}[{index}]", name) for field in _LISTS for index, name in enumerate(getattr(dataset, field))]
    named += [(f"{field}.{name}", name) for field in _MAPS for name in getattr(dataset, field)]
    findings += [_configuration(field, absent(name)) for field, name in named if name not in header]
    if set(header) <= {dataset.target, *dataset.exclude, *(dataset.split.by or ())[1:]}:
        findings.append(_configuration("exclude", f"no feature is left beside the target; {there}"))
    return findings


def _frame_findings(dataset: Dataset, path: Path) -> list[Finding]:
    """What is wrong with a Parquet table. Nothing is known without pyarrow, which whoever trains has."""
    try:
        frame = Frame.read(path, dataset)
    except ImportError:
        return []
    except DataError as error:
        return [_data("uri", f"{path} {error.message}")]
    places = [place for place, name in enumerate(frame.header, 1) if not name.strip()]
    findings = [_data("uri", fault)] if (fault := unnamed(str(path), places, len(frame.header))) else []
    findings += _header_findings(str(path), frame.header)
    findings += names_findings(dataset, str(path), frame.header)
    if not findings:
        for field, message in type_problems(dataset, frame, str(path)):
            finding = _configuration if field.startswith("numbers.") else _data
            findings.append(finding(field, message))
    if not findings:
        findings = [_data(field, f"{path}, {message}") for field, message in cell_problems(dataset, frame)]
    return findings


def _header_findings(table: str, header: Sequence[str]) -> list[Finding]:
    """Names that are there twice."""
    repeated = sorted({name for name in header if name.strip() and header.count(name) > 1})
    return [_data("uri", f"{table} has the column '{repeated[0]}' more than once")] if repeated else []


def _prepared_findings(dataset: Dataset, path: Path) -> list[Finding]:
    try:
        target = json.loads((path / DATASET_FILE).read_bytes())["target"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [_data("uri", f"{path} is no prepared dataset: {type(error).__name__}: {error}")]
    if target != dataset.target:
        return [_configuration("target", f"'{dataset.target}' is not the target of {path}; that is '{target}'")]
    return []


def _data(field: str, message: str) -> Finding:
    return Finding(Problem(f"spec.dataset.{field}", message), ExitCode.DATA)


def _configuration(field: str, message: str) -> Finding:
    return Finding(Problem(f"spec.dataset.{field}", message), ExitCode.CONFIGURATION)


def _listed(names: Sequence[str], limit: int = 20) -> str:
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
