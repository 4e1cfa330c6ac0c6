"""Files that gzip has compressed: their first bytes say so, whatever their name does. Imports the standard
library only."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

_HEADER_BYTES = 1 << 16
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Header:
    """How a file begins."""

    content: bytes
    """Its first 64 KiB, unpacked; of a damaged gzip file two bytes that say so."""
    is_packed: bool


def header_of(path: Path) -> Header:
    """How a file begins. Raises OSError."""
    with path.open("rb") as raw:
        is_packed = _is_packed(raw)
        try:
            return Header(unpacked(raw).read(_HEADER_BYTES), is_packed)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            # Whoever reads it says what is wrong.
            return Header(_GZIP, is_packed)


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A file's bytes, unpacked. Raises OSError; EOFError, zlib.error and gzip.BadGzipFile where they are read."""
    with path.open("rb") as raw:
        yield unpacked(raw)


def unpacked(raw: IO[bytes]) -> IO[bytes]:
    """The bytes of a file that is open at its begin, unpacked where they are packed."""
    return cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if _is_packed(raw) else raw


def _is_packed(raw: IO[bytes]) -> bool:
    is_gzip = raw.read(len(_GZIP)) == _GZIP
    raw.seek(0)
    return is_gzip
