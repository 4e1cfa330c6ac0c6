"""How a TensorFlow SavedModel lies in its folder: which files are read of it, and that there are no others in their
place. What they hold is looked at by the trainer. Imports the standard library only.

The layout: https://www.tensorflow.org/guide/saved_model#the_savedmodel_format_on_disk
"""

import os
import re
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path

GRAPH_FILE, INDEX_FILE = "saved_model.pb", "variables/variables.index"
_VARIABLES = "variables"
_KEPT = re.compile(r"saved_model\.pb|variables/variables\.(index|data-\d{5}-of-\d{5})")
"""What is read; its own fingerprint, remarks of Keras' and requests for warming up are not."""
MOST_FILES = 1_000
"""Of a folder, with its folder `variables`: nothing else is looked at, however deep it is."""
ENDINGS: Mapping[str, str] = {
    "pbtxt": "a SavedModel in text; save it again, which writes saved_model.pb",
    "cpb": "a SavedModel in several pieces, which one over 2 GiB has",
}
"""Other forms of the graph's file, and what they are."""


class NoModelError(ValueError):
    """What a file is that is not taken; the message goes on where its name ends."""


def is_saved_model(folder: Path) -> bool:
    """Whether a folder says that it is one."""
    return (folder / GRAPH_FILE).is_file()


def kept_files(folder: Path) -> dict[str, Path]:
    """The files that are read of a SavedModel, by their path in its folder, in order.

    Raises:
        NoModelError: there are far too many files, links in place of files, or no weights where there is a folder for
            them.
        OSError: it can't be read.
    """
    found = list(islice(chain(_entries(folder), _entries(folder / _VARIABLES)), MOST_FILES + 1))
    if len(found) > MOST_FILES:
        raise NoModelError(f"is a SavedModel's folder of more than {MOST_FILES:,} files, which is what is allowed")
    kept = {
        name: path for path in sorted(found) if _KEPT.fullmatch(name := path.relative_to(folder).as_posix()) is not None
    }
    for name, path in kept.items():
        if path.is_symlink() or (path.parent != folder and path.parent.is_symlink()):
            raise NoModelError(f"is a SavedModel whose {name} is a link; allowed: files in the folder itself")
        if not path.is_file():
            raise NoModelError(f"is a SavedModel whose {name} is no file")
    if (INDEX_FILE in kept) != any("data-" in name for name in kept):
        raise NoModelError("is a SavedModel that is not whole: its folder variables lacks the index, or the data")
    return kept


def _entries(folder: Path) -> Iterator[Path]:
    """What lies in a folder; nothing where there is no such folder."""
    if folder.is_dir():
        with os.scandir(folder) as entries:
            yield from (folder / entry.name for entry in entries)
