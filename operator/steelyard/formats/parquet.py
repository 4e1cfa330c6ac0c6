"""Apache Parquet: marked at its begin and its end. Imports formats only."""

from pathlib import Path

from steelyard.formats.base import Format

_MAGIC = b"PAR1"
_LEAST_BYTES = 12
_END_BYTES = 8
"""The length of the description before it, then the mark."""
_NOUN = "a Parquet file"


def _sniff(header: bytes) -> bool:
    return header.startswith(_MAGIC)


def _fault(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(len(_MAGIC))
        file.seek(max(0, size - _END_BYTES))
        footer, tail = int.from_bytes(file.read(_END_BYTES - len(_MAGIC)), "little"), file.read(len(_MAGIC))
    if size >= _LEAST_BYTES and head == tail == _MAGIC:
        return "" if footer <= size - _LEAST_BYTES else "is damaged: its description is said to be longer than the file"
    return "is cut off: its end is missing" if head == _MAGIC else f"is not {_NOUN}"


PARQUET = Format(name="Parquet", noun=_NOUN, endings=(".parquet", ".pq"), sniff=_sniff, fault=_fault)
