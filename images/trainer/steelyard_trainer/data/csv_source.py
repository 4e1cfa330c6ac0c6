"""A CSV file as a Source: a fast reader, and on its failure diagnosis.py says exactly what is wrong and where.

Imports steelyard.api, cells and pyarrow.
"""

import io
import os
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

import pyarrow as pa
import pyarrow.csv

from steelyard.api.dataset import Dataset
from steelyard.api.errors import DataError
from steelyard.cells.csv_text import CsvStyle, blanked, open_text
from steelyard.cells.manifest import csv_style, default_style, missing_numbers
from steelyard.cells.messages import refuse_large
from steelyard.formats.gzipped import decompressed
from steelyard_trainer.data.diagnosis import CsvFile, diagnose, fast_missing
from steelyard_trainer.data.feature_columns import Column, choose_features, declared_column, sniffed_column
from steelyard_trainer.data.source import BATCH_BYTES, ReadAgain, Source

_BLOCK_BYTES = 2 << 20
"""What the reader parses at a time; a row may not be longer."""
_SNIFFED_ROWS = 5000
_SNIFFED_CHARACTERS = 1 << 20


class CsvSource(Source):
    """A CSV file with a header, written as `dataset.csv` says; plain or .gz.

    What a column is, is decided by the first rows; where later ones say otherwise, ReadAgain says how to read it, or a
    DataError names the stray word in a column of numbers.
    """

    def __init__(
        self,
        path: Path,
        dataset: Dataset,
        again: ReadAgain | None = None,
        only: frozenset[str] | None = None,
    ) -> None:
        self._csv = CsvFile(path, csv_style(path.name, dataset.csv))
        self._missing = missing_numbers(dataset)
        self._style = default_style(dataset)
        again = again or ReadAgain()
        header = self._csv.header()
        names = choose_features(header, dataset, path.name, only)
        counts = _first_cells(self._csv, header)
        features = []
        for name in names:
            if (declared := declared_column(name, dataset)) is not None:
                features.append(declared)
            elif name in again.text:
                features.append(Column(name, "Category"))
            elif name in again.parsed:
                features.append(Column(name, "Number", self._style, is_text=True))
            else:
                features.append(sniffed_column(name, counts[name], dataset, is_typed_by_reader=True))
        dealt_by = dataset.split.by[1] if dataset.split.by is not None else None
        super().__init__(path.name, features, dataset.target, dealt_by)
        self._rows_read = 0
        self._bytes_read = 0

    @property
    def estimated_rows(self) -> int:
        """From the share of the file's bytes that was read."""
        size = self._csv.path.stat().st_size
        return max(self._rows_read, self._rows_read * size // max(self._bytes_read, 1))

    def where(self, row: int) -> str:
        """Row and line: they differ where cells hold line breaks or lines are empty."""
        return self._csv.where(row)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See Source."""
        self._rows_read = 0
        stream = _WatchedFile(self._csv)
        pending: list[pa.RecordBatch] = []
        try:
            for batch in self._open(stream):
                self._rows_read += batch.num_rows
                self._bytes_read = stream.position
                pending.append(batch)
                if sum(part.nbytes for part in pending) >= BATCH_BYTES:
                    yield pa.concat_batches(pending)
                    pending.clear()
        except (pa.ArrowException, EOFError, zlib.error, OSError) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            self._explain(str(error))
        finally:
            stream.close()
        if pending:
            yield pa.concat_batches(pending)
        # An opening quote that is never closed swallows the rest of the file without an error.
        if stream.quotes % 2:
            self._csv.check_quotes()

    def _open(self, stream: "_WatchedFile") -> pa.csv.CSVStreamingReader:
        types = {name: pa.string() for name in self.read_columns}
        types |= {column.name: column.read_type for column in self.features}
        is_unnamed = self._csv.has_unnamed_columns
        return pa.csv.open_csv(
            pa.PythonFile(stream, mode="r"),
            read_options=pa.csv.ReadOptions(
                block_size=_BLOCK_BYTES,
                column_names=self._csv.header() if is_unnamed or not self._csv.style.header_row else None,
                skip_rows_after_names=1 if is_unnamed else 0,
            ),
            parse_options=pa.csv.ParseOptions(delimiter=self._csv.style.delimiter, newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                include_columns=self.read_columns,
                column_types=types,
                null_values=fast_missing(self._missing),
                decimal_point=self._style.decimal,
                # Else "NA" would be missing in a text column, and a label "None" too.
                strings_can_be_null=False,
            ),
        )

    def check_whole(self, name: str) -> None:
        """See Source: digits alone are whole numbers, 1e20 is a measured one."""
        index = self._csv.header().index(name)
        for record in self._csv.records():
            refuse_large(name, record.cells[index].strip())

    def _explain(self, cause: str) -> None:
        """Raises what the precise reader finds."""
        numbers = frozenset(column.name for column in self.features if column.kind == "Number" and not column.is_text)
        raise diagnose(self._csv, numbers, self._style, self._missing, cause)


def _first_cells(csv: CsvFile, header: list[str]) -> dict[str, Counter[str]]:
    """How often each text occurs in the first rows, by column."""
    counts = [Counter[str]() for _ in header]
    characters = 0
    for record in csv.records():
        for count, cell in zip(counts, record.cells, strict=True):
            count[cell] += 1
            characters += len(cell) + 1
        if record.row >= _SNIFFED_ROWS or characters >= _SNIFFED_CHARACTERS:
            break
    else:
        if not characters:
            raise DataError(f"{csv.path.name} has a header but no rows")
    return dict(zip(header, counts, strict=True))


class _WatchedFile(io.RawIOBase):
    """The file's text as UTF-8, with an eye on what the fast reader would take without a word."""

    def __init__(self, csv: CsvFile) -> None:
        super().__init__()
        self._csv = csv
        self._raw = csv.path.open("rb")
        self._file = decompressed(self._raw)
        self._text: Iterator[bytes] | None = None
        self._rest = b""
        if not csv.style.is_utf8 or csv.style.skips_lines:
            # Kept: it closes the file when it is forgotten.
            self._decoded = open_text(self._file, csv.style)
            self._text = _utf8(self._decoded, csv.style)
        self.quotes = 0

    @property
    def position(self) -> int:
        """Bytes of the file, compressed as it is, that were read."""
        return os.lseek(self._raw.fileno(), 0, os.SEEK_CUR)

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes. Raises DataError for a NUL byte, and for bytes that are no text in the file's encoding."""
        data = self._file.read(size) if self._text is None else self._transcoded(size)
        if b"\0" in data:
            self._csv.refuse_nul()
        self.quotes += data.count(b'"')
        return data

    def _transcoded(self, size: int) -> bytes:
        assert self._text is not None
        pieces, length = [self._rest], len(self._rest)
        try:
            while size < 0 or length < size:
                piece = next(self._text, b"")
                if not piece:
                    break
                pieces.append(piece)
                length += len(piece)
        except UnicodeError:
            # The precise reader knows the line.
            self._csv.check_quotes()
            raise
        data = b"".join(pieces)
        end = len(data) if size < 0 else size
        self._rest = data[end:]
        return data[:end]

    def close(self) -> None:
        """Closes the file."""
        self._raw.close()
        super().close()


def _utf8(text: TextIO, style: CsvStyle) -> Iterator[bytes]:
    """A file's text as UTF-8, without the lines that are not read."""
    if not style.skips_lines:
        while piece := text.read(1 << 20):
            yield piece.encode()
        return
    lines = blanked(text, style)
    # Empty lines above the header would be no header.
    for _ in range(style.header_row - 1):
        next(lines, None)
    while batch := "".join(islice(lines, 4096)):
        yield batch.encode()
