"""How a cell's text is understood: as a number, as a missing number, as a name near another. Imports steelyard only."""

import difflib
import math
from collections.abc import Collection, Iterable

from steelyard.serving.preprocessing import MISSING_NUMBER_WORDS

MOSTLY_NUMBERS = 0.9
"""A column of which at least this share of the cells that are not missing are numbers is meant to be one of numbers: a
word in it is a mistake of the data. Below it the column is text."""

# Some programs put a blank after every comma.
MISSING_NUMBER_CELLS = frozenset(blank + word for word in MISSING_NUMBER_WORDS for blank in ("", " "))


def is_number(text: str) -> bool:
    """Whether the CSV reader takes the text as a number; "inf" counts as one. Python's float takes 1_000 as well."""
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and "_" not in text


def finite_number(text: str) -> float | None:
    """The text as a finite number, else None."""
    return number if is_number(text) and math.isfinite(number := float(text)) else None


def nearest(name: str, names: Iterable[str]) -> str:
    """ "; did you mean 'NAME'?" for the most similar of the names, or nothing."""
    by_folded = {candidate.strip().casefold(): candidate for candidate in names}
    near = difflib.get_close_matches(name.strip().casefold(), by_folded, n=1, cutoff=0.6)
    return f"; did you mean {by_folded[near[0]]!r}?" if near else ""


def listed(names: Collection[str], limit: int = 40) -> str:
    """Names with commas between; of many the first ones and how many more there are."""
    shown = ", ".join(repr(name) for name in list(names)[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit:,} more"


def shortened(text: str, limit: int = 60) -> str:
    """The text in quotes, cut where it is long."""
    return repr(text if len(text) <= limit else text[:limit] + "...")
