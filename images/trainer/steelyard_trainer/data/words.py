"""Words in messages: names near another, and lists. Imports the standard library."""

import difflib
from collections.abc import Collection, Iterable


def nearest(name: str, names: Iterable[str]) -> str:
    """ "; did you mean 'NAME'?" for the most similar of the names, or nothing."""
    by_folded = {candidate.strip().casefold(): candidate for candidate in names}
    near = difflib.get_close_matches(name.strip().casefold(), by_folded, n=1, cutoff=0.6)
    return f"; did you mean {by_folded[near[0]]!r}?" if near else ""


def listed(names: Collection[str], limit: int = 40) -> str:
    """Names with commas between; of many the first ones and how many more there are."""
    shown = ", ".join(repr(name) for name in list(names)[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit:,} more"
