"""What a notebook shows of an error that is the user's to mend. Imports the standard library only."""

import os
import sys
import sysconfig
import traceback
from pathlib import Path

_PACKAGE = f"{Path(__file__).parents[1]}{os.sep}"
_STANDARD_LIBRARY = f"{sysconfig.get_path('stdlib')}{os.sep}"
_INSTALLED = frozenset({"site-packages", "dist-packages"})
"""The folders of other libraries, such as IPython itself, wherever they lie."""


def own_lines(error: BaseException) -> list[str]:
    """The lines of the user's own code that led to the error, and its message: nothing of this library's source.

    Args:
        error: one that was raised.

    Returns:
        Texts to be shown one under the other, as IPython takes them of `_render_traceback_`.
    """
    shown = []
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith(_PACKAGE):
            break
        if not _is_library(frame.filename):
            shown.append(f"{_name_of(frame.filename)}, line {frame.lineno}\n    {frame.line}\n")
    return [*shown, f"{type(error).__name__}: {error}"]


def _is_library(filename: str) -> bool:
    return filename.startswith(_STANDARD_LIBRARY) or not _INSTALLED.isdisjoint(Path(filename).parts)


def _name_of(filename: str) -> str:
    """A file's name; of a notebook's cell, which is a file with a name that nobody knows, `Cell In[3]`."""
    interactive = sys.modules.get("IPython")
    shell = None if interactive is None else interactive.get_ipython()
    name = getattr(getattr(shell, "compile", None), "format_code_name", lambda _filename: None)(filename)
    return filename if name is None else " ".join(name)
