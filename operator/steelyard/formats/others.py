"""What a file is that is no table, by its first bytes, and what to do about it. Imports the standard library only."""

import codecs

UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""What text in UTF-16 may begin with."""
_ZIP = b"PK\x03\x04"
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (_ZIP, "a zip archive", "unpack it, and name the table in it"),
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
_EXCEL = "save its sheet as CSV (in Excel: Save As, CSV UTF-8; pandas: read_excel, then to_csv), and name that file"
_JSON = "write it as CSV or Parquet (pandas: read_json, then to_csv)"
_NAMES_FIRST = "a table begins with a line that names the columns"
_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\v\f\r\x1a\x1b")


def kind_of(header: bytes, name: str) -> tuple[str, str] | None:
    """(what a file is, what to do about it); None where it may be text, which CSV is, or is marked as a table's.

    Args:
        header: the first bytes of the file, decompressed; of an empty file none.
        name: the file's.
    """
    if not header:
        return "empty", _NAMES_FIRST
    if header[:4] == _ZIP and (name.lower().endswith((".xlsx", ".xlsm")) or b"xl/" in header):
        return "an Excel workbook", _EXCEL
    if header[:4] == _ZIP and name.lower().endswith(".ods"):
        return "an OpenDocument table", "save its sheet as CSV, and name that file"
    for magic, what, remedy in _MAGIC:
        if header.startswith(magic):
            return what, remedy
    return _kind_of_text(header)


def binary_kind(header: bytes) -> tuple[str, str] | None:
    """The same of a file without a mark of its own that holds what no text does."""
    head = header[:4096]
    if head[:2] in UTF16_MARKS:
        return None
    if any(byte in _CONTROLS for byte in head) and head.count(0) < len(head) // 4:
        return "binary, no text", "name a CSV or Parquet file"
    return None


def _kind_of_text(head: bytes) -> tuple[str, str] | None:
    if head[:2] in UTF16_MARKS:
        return None
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    start = text[:200].lower()
    if not text:
        return "blank", _NAMES_FIRST
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start:
        return "a web page (HTML)", "download the table itself; a browser shows its address, the file lies behind it"
    if start.startswith(b"<?xml"):
        return "an XML document", "write it as CSV or Parquet (pandas: read_xml, then to_csv)"
    if text[:1] in (b"{", b"[") and text[1:].lstrip()[:1] in (b'"', b"{", b"[", b"}", b"]"):
        return "JSON", _JSON
    # Some databases write a column's name in brackets.
    if text[:1] == b"[" and text[1:].lstrip(b" \t\r\n-")[:1].isdigit() and b"]" in text:
        return "JSON", _JSON
    if start.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS", "fetch the file itself: git lfs pull"
    if start.startswith(b"@relation"):
        return "an ARFF file", "write it as CSV"
    return None
