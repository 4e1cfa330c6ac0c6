"""Words in messages: names near another, lists, shortened cells. Imports steelyard only."""

import difflib
from collections.abc import Collection, Iterable

from steelyard.cells.missing import MISSING_NUMBER_WORDS

# Some programs put a blank after every comma.
MISSING_NUMBER_CELLS = frozenset(blank + word for word in MISSING_NUMBER_WORDS for blank in ("", " "))


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
