"""What a format is. Imports the standard library only."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FormatName = Literal["CSV", "Parquet"]
"""As `dataset.format` has them."""


@dataclass(frozen=True)
class Format:
    """A kind of files that hold a table."""

    name: FormatName
    noun: str
    """With its article, for people."""
    endings: tuple[str, ...]
    """What the names of such files end in, in lower case."""
    sniff: Callable[[bytes], bool] | None = None
    """Whether a file that begins with these bytes (decompressed; 64 KiB where there are so many) is of this format.
    None: its files have no mark, it is what is left."""
    may_be_gzipped: bool = False
    """Whether such a file may be compressed by gzip, with .gz behind the ending."""
    fault: Callable[[Path], str] | None = None
    """What a file's begin and end tell that is wrong with it, as the rest of a sentence that begins with its name;
    empty where nothing is. Raises OSError. None: they tell nothing."""

    @property
    def has_mark(self) -> bool:
        """Whether its files begin with what no other's do."""
        return self.sniff is not None

    @property
    def all_endings(self) -> tuple[str, ...]:
        """The endings, those of compressed files among them."""
        return tuple(ending + gz for ending in self.endings for gz in ("", ".gz")[: 1 + self.may_be_gzipped])
