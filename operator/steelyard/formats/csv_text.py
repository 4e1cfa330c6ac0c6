"""CSV: text, plain or compressed by gzip. How its cells are written says `steelyard.cells.csv_text`. Imports formats
only."""

from steelyard.formats.base import Format

CSV = Format(name="CSV", noun="a CSV file", endings=(".csv", ".tsv"), may_be_gzipped=True)
