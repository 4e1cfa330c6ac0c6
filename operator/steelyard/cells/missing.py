"""Which cells are missing. Imports the standard library only."""

import math
from collections.abc import Container

MISSING_NUMBER_WORDS = (
    *("", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "<NA>", "NaN", "nan", "NAN", "-NaN", "-nan"),
    *("null", "NULL", "Null", "None", "none", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)
"""What an empty cell of a column of numbers or dates may be written as. In a text column only the cell of blanks is
missing, so that a label "NA" or "None" stays what it is."""

MISSING_NUMBERS = frozenset(MISSING_NUMBER_WORDS) | {"NaT"}
MISSING_LABELS = frozenset({"", "NaN", "nan", "NAN", "-NaN", "-nan"})
"""Missing even among labels that are words, where "NA" and "None" are labels."""
MISSING_WORDS = frozenset({""})

USUAL_MARKERS = ("?", "-", "--", "unknown", "Unknown", "UNKNOWN", "n.a.", "N.A.", "missing", "*", ".", "na", "Na")
"""What people write where a number is not known, and what only `dataset.missingMarkers` makes missing."""


def is_missing(cell: object, words: Container[str] = MISSING_WORDS) -> bool:
    """Whether a cell is empty: None, NaN, NaT, blanks alone or one of the words.

    Args:
        cell: as it was read, or a value of Python, NumPy or pandas.
        words: what stands for an empty cell, without blanks around: one of the sets above, with
            `dataset.missingMarkers`.
    """
    if isinstance(cell, str):
        return cell.strip() in words
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return True
    # NaN of any library, NaT and pandas' NA: not equal to itself, or neither true nor false.
    try:
        return bool(cell != cell)
    except TypeError:
        return True
