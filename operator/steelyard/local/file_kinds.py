"""What a file is that is no table, by its first bytes, and what to do about it. Imports the api only."""

import gzip
import re
import zlib
from pathlib import Path

from steelyard.api.errors import DataError
from steelyard.contract.stages import Reason

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive", "unpack it, and name the table in it"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save its sheet as CSV, and name that file"),
    (b"%PDF", "a PDF document", "write its table as CSV"),
    (b"\x89PNG", "an image (PNG)", "steelyard learns from tables: one row an example"),
    (b"\xff\xd8\xff", "an image (JPEG)", "steelyard learns from tables: one row an example"),
    (b"GIF8", "an image (GIF)", "steelyard learns from tables: one row an example"),
    (b"\x89HDF", "an HDF5 file", "write it as CSV or Parquet (pandas: read_hdf, then to_parquet)"),
    (b"SQLite format 3", "an SQLite database", "write the table as CSV (sqlite3 -csv -header FILE 'SELECT ...')"),
    (b"\x93NUMPY", "a NumPy array", "write it as CSV or Parquet, with names for the columns"),
    (b"ARROW1", "an Arrow (Feather) file", "write it as Parquet (pandas: read_feather, then to_parquet)"),
    (b"Obj\x01", "an Avro file", "write it as Parquet"),
    (b"BZh", "compressed with bzip2", "unpack it (bunzip2), or compress it with gzip"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it (unxz), or compress it with gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it (unzstd), or compress it with gzip"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it, and name the table in it"),
    (b"\x80\x04\x95", "a pickle", "write it as Parquet or CSV (pandas: to_parquet)"),
    (b"\x80\x05\x95", "a pickle", "write it as Parquet or CSV (pandas: to_parquet)"),
)
_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")
_EXCEL = "save its sheet as CSV (in Excel: Save As, CSV UTF-8; pandas: read_excel, then to_csv), and name that file"
_JSON = "write it as CSV or Parquet (pandas: read_json, then to_csv)"
_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\v\f\r\x1a\x1b")


def refuse_other_files(path: Path, given: str) -> None:
    """Raises DataError for what is there but is no table that is read here, or is not there; says what to do.

    A file that may be CSV or Parquet passes.

    Args:
        path: the file.
        given: what the user wrote.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", given) and not given.startswith("file:") and not path.exists():
        raise DataError(
            f"{given} lies elsewhere: steelyard reads files of this machine; download it, and name the file",
            reason=Reason.SOURCE_NOT_FOUND,
        )
    if not path.exists():
        raise DataError(f"there is no file {given}", reason=Reason.SOURCE_NOT_FOUND)
    if path.is_dir():
        raise DataError(f"{given} is a folder{_content_of(path)}", reason=Reason.SOURCE_NOT_FOUND)
    if (known := kind_of(path)) is not None:
        what, remedy = known
        raise DataError(f"{given} is {what}, no CSV or Parquet file: {remedy}")


def kind_of(path: Path) -> tuple[str, str] | None:
    """(what a file is, what to do about it); None where it may be a CSV or Parquet file."""
    head = _head(path)
    if not head:
        return "empty", "a table begins with a line that names the columns"
    if head[:4] == b"PK\x03\x04" and (path.name.lower().endswith((".xlsx", ".xlsm")) or b"xl/" in head):
        return "an Excel workbook", _EXCEL
    if head[:4] == b"PK\x03\x04" and path.name.lower().endswith(".ods"):
        return "an OpenDocument table", "save its sheet as CSV, and name that file"
    for magic, what, remedy in _MAGIC:
        if head.startswith(magic):
            return what, remedy
    return _kind_of_text(head)


def _kind_of_text(head: bytes) -> tuple[str, str] | None:
    if head[:4] == b"PAR1" or head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return None
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    start = text[:200].lower()
    if not text:
        return "blank", "a table begins with a line that names the columns"
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start:
        return "a web page (HTML)", "download the table itself; a browser shows its address, the file lies behind it"
    if start.startswith(b"<?xml"):
        return "an XML document", "write it as CSV or Parquet (pandas: read_xml, then to_csv)"
    if text[:1] in (b"{", b"[") and text[1:].lstrip()[:1] in (b'"', b"{", b"[", b"}", b"]"):
        return "JSON", _JSON
    if text[:1] == b"[" and not text.startswith(b"[]") and b'"' not in text.split(b"\n", 1)[0] and b"]" in text:
        return "JSON", _JSON
    if start.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS", "fetch the file itself: git lfs pull"
    if start.startswith(b"@relation"):
        return "an ARFF file", "write it as CSV"
    if any(byte in _CONTROLS for byte in head[:4096]) and head[:4096].count(0) < len(head[:4096]) // 4:
        return "binary, no text", "name a CSV or Parquet file"
    return None


def _head(path: Path, size: int = 1 << 16) -> bytes:
    """The first bytes; of a file compressed with gzip those within."""
    with path.open("rb") as file:
        head = file.read(size)
    if head[:2] != b"\x1f\x8b":
        return head
    try:
        with gzip.open(path) as file:
            return file.read(size)
    except (OSError, EOFError, zlib.error):
        # Whoever reads it says what is wrong.
        return b"\x1f\x8b"


def _content_of(folder: Path) -> str:
    """What lies in a folder, and what to do."""
    names = sorted(entry.name for entry in folder.iterdir())
    deeper = [name for name in names if name.lower().endswith(_IMAGES)]
    if not deeper:
        deeper = [path.name for path in folder.glob("*/*") if path.name.lower().endswith(_IMAGES)][:1]
    if deeper:
        return f" of images, such as {deeper[0]}; steelyard learns from tables: one row an example"
    tables = [
        name for name in names if name.lower().endswith((".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".pq"))
    ]
    if len(tables) > 1:
        return f" of {len(tables)} tables, such as {tables[0]}; name one file, or put them together into one"
    return f"; name the file in it: {folder / tables[0]}" if tables else "; name a CSV or Parquet file"
