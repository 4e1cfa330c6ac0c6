"""Files that are complete or absent. Standard library only."""

import os
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Writes a text file so that a reader, or a crash, sees the old one or the new one. Raises OSError."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
