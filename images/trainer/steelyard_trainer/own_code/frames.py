"""Where in a user's code something went wrong: a traceback without frames of libraries. Standard library only."""

import sysconfig
import traceback
from pathlib import Path

MOST_FRAMES = 6
_OURS = Path(__file__).resolve().parents[1]
_LIBRARIES = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def own_frames(error: BaseException, code: Path | None) -> str:
    """The frames of an error that are the user's, the innermost last, as `file.py:3 in f: the line`, with arrows.

    Args:
        error: as it was caught.
        code: the folder of the user's code; None: where it is in the image, what is no library's is the user's.

    Returns:
        At most MOST_FRAMES of them; empty where none is.
    """
    places = []
    for frame in traceback.extract_tb(error.__traceback__):
        if (name := _shown(frame.filename, code)) is not None:
            line = f": {frame.line.strip()}" if frame.line else ""
            where = "" if frame.name == "<module>" else f" in {frame.name}"
            places.append(f"{name}:{frame.lineno}{where}{line}")
    if isinstance(error, SyntaxError) and error.filename and (name := _shown(error.filename, code)) is not None:
        places.append(f"{name}:{error.lineno}: {(error.text or '').strip()}")
    return " -> ".join(places[-MOST_FRAMES:])


def _shown(filename: str, code: Path | None) -> str | None:
    """What to call the user's file; None where it is none of the user's."""
    path = Path(filename)
    if not path.is_absolute():
        return None
    path = path.resolve()
    if code is not None:
        root = code.resolve()
        return str(path.relative_to(root)) if path.is_relative_to(root) else None
    if path.is_relative_to(_OURS) or any(path.is_relative_to(library) for library in _LIBRARIES):
        return None
    return path.name
