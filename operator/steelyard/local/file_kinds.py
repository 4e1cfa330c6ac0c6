"""A table's file that is given by hand: whether it is there, and is a table. Imports formats and the api only."""

import re
from pathlib import Path

from steelyard.api.errors import DataError
from steelyard.api.places import FILE
from steelyard.contract.stages import Reason
from steelyard.formats.gzipped import header_of
from steelyard.formats.others import binary_kind, kind_of
from steelyard.formats.table import ENDINGS, format_by_mark

_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")


def refuse_other_files(path: Path, given: str) -> None:
    """Raises DataError for what is there but is no table that is read here, or is not there; says what to do.

    A file that may be CSV or Parquet passes.

    Args:
        path: the file.
        given: what the user wrote.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", given) and not given.startswith(FILE.prefix) and not path.exists():
        raise DataError(
            f"{given} lies elsewhere: steelyard reads files of this machine; download it, and name the file",
            reason=Reason.SOURCE_NOT_FOUND,
        )
    if not path.exists():
        raise DataError(f"there is no file {given}", reason=Reason.SOURCE_NOT_FOUND)
    if path.is_dir():
        raise DataError(f"{given} is a folder{_content_of(path)}", reason=Reason.SOURCE_NOT_FOUND)
    header = header_of(path)
    known = kind_of(header.content, path.name) or binary_kind(header.content)
    if known is not None and format_by_mark(header) is None:
        what, remedy = known
        raise DataError(f"{given} is {what}, no CSV or Parquet file: {remedy}")


def _content_of(folder: Path) -> str:
    """What lies in a folder, and what to do."""
    names = sorted(entry.name for entry in folder.iterdir())
    deeper = [name for name in names if name.lower().endswith(_IMAGES)]
    if not deeper:
        deeper = [path.name for path in folder.glob("*/*") if path.name.lower().endswith(_IMAGES)][:1]
    if deeper:
        return f" of images, such as {deeper[0]}; steelyard learns from tables: one row an example"
    tables = [name for name in names if name.lower().endswith(ENDINGS)]
    if len(tables) > 1:
        return f" of {len(tables)} tables, such as {tables[0]}; name one file, or put them together into one"
    return f"; name the file in it: {folder / tables[0]}" if tables else "; name a CSV or Parquet file"
