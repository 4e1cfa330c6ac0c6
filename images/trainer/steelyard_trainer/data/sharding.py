"""The second and third pass: rows from the source's order into the split's, in bounded memory, to Parquet shards.

The second pass deals the spooled rows to one temporary file per shard, the third sorts each and writes the shard.
Imports steelyard, numpy and pyarrow.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from steelyard.cells.words import Spelling, spelled
from steelyard.serving.input_columns import seconds_of
from steelyard_trainer.data.feature_columns import Column
from steelyard_trainer.data.reading import ROW
from steelyard_trainer.data.splitting import Split, SplitName
from steelyard_trainer.data.spool import Spool
from steelyard_trainer.data.target import Target

_SHARD_BYTES = 48 << 20
"""Of the spooled rows of one shard, which are in memory two or three times while it is sorted and written."""
_SHARD_ROWS = 250_000
_MOST_SHARDS = 400
"""One file each is open in the second pass; the usual limit of a process is 1,024."""


@dataclass(frozen=True)
class Shard:
    """Rows begin ... begin + rows - 1 of a part."""

    split: SplitName
    number: int
    begin: int
    rows: int

    @property
    def file(self) -> str:
        """The file's name."""
        return f"{self.split}-{self.number:05d}.parquet"


def plan_shards(split_rows: dict[SplitName, int], shard_rows: int) -> list[Shard]:
    """Cuts every part into shards of `shard_rows` rows, the last one of what is left."""
    return [
        Shard(split, number, begin, min(shard_rows, rows - begin))
        for split, rows in split_rows.items()
        for number, begin in enumerate(range(0, rows, shard_rows))
    ]


def rows_of_a_shard(spool: Spool) -> int:
    """How many rows keep a shard within _SHARD_BYTES, _SHARD_ROWS and the number of shards within _MOST_SHARDS."""
    row_bytes = max(1, spool.path.stat().st_size // spool.rows)
    return max(min(_SHARD_ROWS, _SHARD_BYTES // row_bytes), -(-spool.rows // _MOST_SHARDS), 1)


def write_shards(
    spool: Spool,
    kept: npt.NDArray[np.int64] | None,
    split: Split,
    target: Target,
    *,
    columns: Sequence[Column],
    target_name: str,
    folder: Path,
    shard_rows: int,
    progress: Callable[[int], None],
) -> Iterator[tuple[Shard, pa.Table]]:
    """Writes the shards, and gives each one's rows as it is written; the spool is deleted on the way.

    Args:
        spool: the source's rows.
        kept: the numbers of the rows that the split is about; None: all.
        split: indices into `kept`.
        target: of the kept rows.
        columns: the features, in order.
        target_name: the target's column.
        folder: where the files go.
        shard_rows: rows of a shard, at most.
        progress: is told how many rows went through a pass; every row goes through two.
    """
    spellings = spool.spellings
    shards = plan_shards({name: len(part) for name, part in split.parts.items()}, shard_rows)
    starts = np.concatenate([[0], np.cumsum([shard.rows for shard in shards])[:-1]])
    order = np.concatenate(list(split.parts.values()))
    # Where each row of the source goes, counted over all parts; -1 for the rows that DropRow removed.
    places = np.full(spool.rows, -1, dtype=np.int32)
    places[order if kept is None else kept[order]] = np.arange(len(order), dtype=np.int32)
    piles = [folder / f"{shard.file}.rows" for shard in shards]
    _deal(spool, places, starts, piles, progress)
    del places
    spool.path.unlink()
    for shard, start, pile in zip(shards, starts, piles, strict=True):
        table = _sorted_rows(pile, shard.rows)
        kept_rows = order[start : start + shard.rows].astype(np.int64)
        rows = kept_rows if kept is None else kept[kept_rows]
        cells = [_spelled(column, spellings.get(one.name)) for column, one in zip(table.columns, columns, strict=True)]
        table = pa.Table.from_arrays(
            [pa.array(rows), *cells, target.cells(kept_rows)],
            names=[ROW, *(column.name for column in columns), target_name],
        )
        _write_parquet(table, folder / shard.file)
        progress(shard.rows)
        yield shard, table


def _deal(
    spool: Spool,
    places: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
    piles: Sequence[Path],
    progress: Callable[[int], None],
) -> None:
    """Appends every row to its shard's pile, with its place among all rows in front."""
    begin = 0
    with ExitStack() as stack:
        writers: list[pa.ipc.RecordBatchStreamWriter] = []
        for batch in spool.batches():
            schema = batch.schema.insert(0, pa.field("place", pa.int32()))
            if not writers:
                files = [stack.enter_context(pile.open("wb")) for pile in piles]
                writers = [stack.enter_context(pa.ipc.new_stream(file, schema)) for file in files]
            place = places[begin : begin + batch.num_rows]
            order = np.argsort(place, kind="stable")
            order = order[np.count_nonzero(place < 0) :]
            place = place[order]
            taken = batch.take(pa.array(order))
            taken = pa.record_batch([pa.array(place), *taken.columns], schema=schema)
            cuts = np.searchsorted(place, [*starts, len(places)]).tolist()
            for writer, first, last in zip(writers, cuts, cuts[1:], strict=False):
                if first < last:
                    writer.write_batch(taken.slice(first, last - first))
            begin += batch.num_rows
            progress(len(order))


def _sorted_rows(pile: Path, rows: int) -> pa.Table:
    """The features of a shard's rows, in the order of their places; the pile is deleted."""
    with pa.OSFile(str(pile)) as file, pa.ipc.open_stream(file) as reader:
        table = reader.read_all()
    pile.unlink()
    order = np.argsort(table.column("place").to_numpy())
    if len(order) != rows:
        raise RuntimeError(f"{pile.name} has {len(order)} rows, but {rows} were dealt to it")
    return table.drop_columns(["place"]).take(pa.array(order))


def _spelled(cells: pa.ChunkedArray, spelling: Spelling | None) -> pa.ChunkedArray:
    """Words in the one spelling of their column; other cells as they are."""
    if spelling is None:
        return cells
    encoded = cells.combine_chunks().dictionary_encode()
    words = encoded.dictionary.to_pylist()
    in_spelling = [spelled(word, spelling) for word in words]
    if words == in_spelling:
        return cells
    return pa.chunked_array([pa.array(in_spelling, pa.string()).take(encoded.indices)])


def _write_parquet(table: pa.Table, path: Path) -> None:
    """Writes a file and waits until it is on the disk."""
    words = [field.name for field in table.schema if pa.types.is_string(field.type)]
    with path.open("wb") as file:
        # A dictionary does not help with numbers, most of which are different; what repeats, zstd finds.
        pq.write_table(table, file, compression="zstd", use_dictionary=words, write_statistics=False)
        file.flush()
        os.fsync(file.fileno())


def median_of(folder: Path, shards: Sequence[Shard], column: str) -> float:
    """The exact median of a column of numbers, or of dates in seconds, over shards; 8 bytes a row of one column are in
    memory."""
    values = [
        pq.read_table(folder / shard.file, columns=[column]).column(column).drop_null().to_numpy() for shard in shards
    ]
    numbers = np.concatenate(values)
    if numbers.dtype.kind == "M":
        numbers = seconds_of(numbers)
    return float(np.median(numbers, overwrite_input=True))
