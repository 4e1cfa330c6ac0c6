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
    """Its first 64 KiB, decompressed; of a damaged gzip file two bytes that say so."""
    is_gzipped: bool


def header_of(path: Path) -> Header:
    """How a file begins. Raises OSError."""
    with path.open("rb") as raw:
        is_gzipped = _is_gzipped(raw)
        try:
            return Header(decompressed(raw).read(_HEADER_BYTES), is_gzipped)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            # Whoever reads it says what is wrong.
            return Header(_GZIP, is_gzipped)


@contextmanager
def open_decompressed(path: Path) -> Iterator[IO[bytes]]:
    """A file's bytes, decompressed. Raises OSError; EOFError, zlib.error and gzip.BadGzipFile where they are read."""
    with path.open("rb") as raw:
        yield decompressed(raw)


def decompressed(raw: IO[bytes]) -> IO[bytes]:
    """The bytes of a file that is open at its begin, decompressed where gzip compressed them."""
    return cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if _is_gzipped(raw) else raw


def _is_gzipped(raw: IO[bytes]) -> bool:
    is_gzip = raw.read(len(_GZIP)) == _GZIP
    raw.seek(0)
    return is_gzip
