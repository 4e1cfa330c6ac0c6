"""What the prepared dataset's content is, in one number: independent of time, machine, shard size and library version.

Imports numpy and pyarrow.
"""

import hashlib
import json
from typing import Any

import numpy as np
import pyarrow as pa

_MISSING_LENGTH = 0xFFFFFFFF


class Fingerprint:
    """SHA-256 over a description and, per column in its order, the values.

    The rows come shard by shard, so each column has a digest of its own; the fingerprint is that of all of them.

    Args:
        description: JSON values: schema, task, split.
    """

    def __init__(self, description: dict[str, Any]) -> None:
        self._description = description
        self._columns: dict[str, Any] = {}

    def update(self, column: str, cells: pa.Array) -> None:
        """Takes a column's next cells: int64, float64, timestamp or string."""
        self._columns.setdefault(column, hashlib.sha256()).update(_bytes(cells))

    def hexdigest(self) -> str:
        """The fingerprint."""
        columns = {name: digest.hexdigest() for name, digest in self._columns.items()}
        document = json.dumps([self._description, columns], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(document.encode()).hexdigest()


def _bytes(cells: pa.Array) -> Any:
    """Little-endian numbers, NaN for a missing one; words as UTF-8 with their length in front."""
    if pa.types.is_integer(cells.type):
        return np.ascontiguousarray(cells.to_numpy(), dtype="<i8")
    if pa.types.is_timestamp(cells.type):
        # Microseconds beyond the year 2255 have no float64 of their own; the nearest stands for them.
        return _bytes(cells.cast(pa.int64()).cast(pa.float64(), safe=False))
    if pa.types.is_floating(cells.type):
        numbers = np.ascontiguousarray(cells.to_numpy(zero_copy_only=False), dtype="<f8")
        missing = np.isnan(numbers)
        return np.where(missing, np.float64("nan"), numbers) if missing.any() else numbers
    encoded = cells.dictionary_encode()
    pieces = [
        len(data).to_bytes(4, "little") + data for word in encoded.dictionary.to_pylist() for data in [word.encode()]
    ]
    pieces.append(_MISSING_LENGTH.to_bytes(4, "little"))
    return b"".join(pieces[index] for index in encoded.indices.fill_null(len(pieces) - 1).to_pylist())
