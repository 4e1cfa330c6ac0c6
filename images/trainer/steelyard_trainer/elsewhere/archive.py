"""What is looked at of any zip archive that a model comes in, before a library reads it. Imports the standard library
only.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path

MOST_EXPANDED_BYTES = 2**30
"""Of all entries together."""


class RefusedError(ValueError):
    """A model that is not taken; the message says why and what is allowed."""


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """An archive, whose damages are RefusedErrors. Raises OSError, too."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, zlib.error, LZMAError) as error:
        raise RefusedError(f"it is damaged or not whole: {error}") from None


def check_entries(entries: Sequence[zipfile.ZipInfo], is_allowed: Callable[[str], bool], allowed: str) -> None:
    """Raises RefusedError for entries that are not allowed, twice there, encrypted or too large when they are expanded.

    A size that is too small for the content ends in an error of its checksum, when it is read.

    Args:
        entries: all of the archive's.
        is_allowed: whether there may be an entry of this name.
        allowed: which may be there, in words.
    """
    names = [entry.filename for entry in entries]
    if unknown := [name for name in names if not is_allowed(name)]:
        raise RefusedError(f"its archive holds {unknown[0]!r:.80}; allowed: {allowed}")
    if len(names) != len(set(names)):
        raise RefusedError("its archive holds an entry twice")
    if any(entry.flag_bits & 1 for entry in entries):
        raise RefusedError("its archive is encrypted")
    if (expanded := sum(entry.file_size for entry in entries)) > MOST_EXPANDED_BYTES:
        raise RefusedError(f"it is {expanded:,} bytes when it is expanded; allowed: {MOST_EXPANDED_BYTES:,}")
