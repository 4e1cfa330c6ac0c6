"""A CSV file as a Source: a fast reader, and on its failure diagnosis.py says exactly what is wrong and where.

Imports steelyard.api and pyarrow.
"""

import io
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from steelyard.api.dataset import Dataset
from steelyard.api.errors import DataError
from steelyard.cells.numbers import MOSTLY_NUMBERS, is_number
from steelyard_trainer.data.diagnosis import CsvFile, diagnose
from steelyard_trainer.data.sources import BATCH_BYTES, Column, ColumnsAreText, Source, choose_features
from steelyard_trainer.data.words import MISSING_NUMBER_CELLS

_BLOCK_BYTES = 2 << 20
"""What the reader parses at a time; a row may not be longer."""
_SNIFFED_ROWS = 5000
_SNIFFED_CHARACTERS = 1 << 20


class CsvSource(Source):
    """A CSV file: UTF-8, a header, commas (tabs in .tsv), RFC 4180 quotes; plain or .gz.

    Number or text is decided by the first rows; a column in which text turns up later leads to ColumnsAreText, or to a
    DataError where it is a stray word in a column of numbers.
    """

    def __init__(
        self,
        path: Path,
        dataset: Dataset,
        as_text: frozenset[str] = frozenset(),
        only: frozenset[str] | None = None,
    ) -> None:
        self._csv = CsvFile(path)
        self._declared_text = frozenset(dataset.categorical)
        header = self._csv.header()
        names = choose_features(header, dataset, path.name, only)
        text = self._declared_text | as_text | _sniff_text_columns(self._csv, header)
        features = [Column(name, "Category" if name in text else "Number") for name in names]
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
        types |= {column.name: column.arrow_type for column in self.features}
        return pa.csv.open_csv(
            pa.PythonFile(stream, mode="r"),
            read_options=pa.csv.ReadOptions(block_size=_BLOCK_BYTES),
            parse_options=pa.csv.ParseOptions(delimiter=self._csv.delimiter, newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                include_columns=self.read_columns,
                column_types=types,
                null_values=sorted(MISSING_NUMBER_CELLS),
                # Else "NA" would be missing in a text column, and a label "None" too.
                strings_can_be_null=False,
            ),
        )

    def review_words(self, words: Mapping[str, Counter[str]]) -> None:
        """A text column that is mostly numbers is one of numbers with stray words, unless it is declared text."""
        for column, counts in words.items():
            given = sum(count for word, count in counts.items() if word not in MISSING_NUMBER_CELLS)
            numbers = sum(count for word, count in counts.items() if is_number(word))
            if column not in self._declared_text and numbers >= MOSTLY_NUMBERS * max(given, 1):
                diagnose(self._csv, frozenset([column]), f"column {column!r} is mostly numbers, but not only")

    def _explain(self, cause: str) -> None:
        """Raises what the precise reader finds."""
        numbers = frozenset(column.name for column in self.features if column.kind == "Number")
        if text := diagnose(self._csv, numbers, cause):
            raise ColumnsAreText(text) from None


def _sniff_text_columns(csv: CsvFile, header: list[str]) -> frozenset[str]:
    """The columns in which fewer than MOSTLY_NUMBERS of the first rows' cells are numbers."""
    given, numbers = Counter[int](), Counter[int]()
    characters = 0
    for record in csv.records():
        for index, cell in enumerate(record.cells):
            if cell not in MISSING_NUMBER_CELLS:
                given[index] += 1
                numbers[index] += is_number(cell)
            characters += len(cell) + 1
        if record.row >= _SNIFFED_ROWS or characters >= _SNIFFED_CHARACTERS:
            break
    else:
        if not characters:
            raise DataError(f"{csv.path.name} has a header but no rows")
    return frozenset(header[index] for index, count in given.items() if numbers[index] < MOSTLY_NUMBERS * count)


class _WatchedFile(io.RawIOBase):
    """The file's (uncompressed) bytes, with an eye on what the fast reader would take without a word."""

    def __init__(self, csv: CsvFile) -> None:
        super().__init__()
        self._csv = csv
        self._raw = csv.path.open("rb")
        self._file = csv.decompressed(self._raw)
        self.quotes = 0

    @property
    def position(self) -> int:
        """Bytes of the file, compressed as it is, that were read."""
        return os.lseek(self._raw.fileno(), 0, os.SEEK_CUR)

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes. Raises DataError for a NUL byte."""
        data = self._file.read(size)
        if b"\0" in data:
            self._csv.refuse_nul()
        self.quotes += data.count(b'"')
        return data

    def close(self) -> None:
        """Closes the file."""
        self._raw.close()
        super().close()
