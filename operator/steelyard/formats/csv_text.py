"""CSV: text, plain or compressed by gzip. How its cells are written says `steelyard.cells.csv_text`. Imports formats
only."""

from steelyard.formats.base import Format
from steelyard.formats.others import binary_kind, kind_of


def _sniff(header: bytes) -> bool:
    return kind_of(header, "") is None and binary_kind(header) is None


CSV = Format(name="CSV", noun="a CSV file", endings=(".csv", ".tsv"), sniff=_sniff, has_mark=False, is_packable=True)
