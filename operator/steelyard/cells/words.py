"""Cells that are words, labels among them: their one spelling, and which of them look alike. Imports the standard
library and this package.
"""

import decimal
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from typing import Literal

from steelyard.cells.missing import MISSING_WORDS, is_missing
from steelyard.cells.numbers import LARGEST_WHOLE, has_leading_zero, whole_text

Spelling = Literal["AsWritten", "Words", "Values"]
"""How the words of a column are spelled. Values: whole numbers and truth values have one spelling each; Words: a cell
of the column has a leading zero, so digits are codes; in both, blanks around don't count. AsWritten: as models of older
versions have it, to the letter."""

_TRUTH = {"true", "false"}


def text_of(cell: object) -> str:
    """A cell as text, as a CSV file would have it: True is "true", 1.0 is "1"."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bytes):
        return cell.decode(errors="replace")
    if isinstance(cell, bool) or type(cell).__name__ in ("bool_", "bool"):
        return "true" if cell else "false"
    if isinstance(cell, int):
        return str(cell)
    if isinstance(cell, decimal.Decimal):
        return str(int(cell)) if cell == cell.to_integral_value() else str(cell.normalize())
    # NumPy's floats are Python's or know how to become one.
    try:
        number = float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(cell)
    if number.is_integer() and abs(number) <= LARGEST_WHOLE:
        return str(int(number))
    return str(cell)


def spelling_of(words: Iterable[str]) -> Spelling:
    """The spelling of a column with these words."""
    return "Words" if any(has_leading_zero(word.strip()) for word in words) else "Values"


def spelled(text: str, spelling: Spelling) -> str:
    """The one spelling of a word."""
    if spelling == "AsWritten":
        return text
    text = text.strip()
    if spelling == "Words" or not text:
        return text
    if text[-1].isdigit() or text[-1] == ".":
        return whole_text(text) or text
    if len(text) in (4, 5) and (lower := text.casefold()) in _TRUTH:
        return lower
    return text


def word_of(cell: object, spelling: Spelling, missing: Container[str] = MISSING_WORDS) -> str | None:
    """A cell's word in its one spelling, or None where it is missing.

    Args:
        cell: as it was read, or a value of Python, NumPy or pandas.
        spelling: the column's.
        missing: what stands for an empty cell.
    """
    if spelling == "AsWritten":
        return None if is_missing(cell, ()) or cell == "" else str(cell)
    return None if is_missing(cell, missing) else spelled(text_of(cell), spelling)


def look_alikes(counts: Mapping[str, int]) -> list[dict[str, int]]:
    """The words that differ in letter case, inner blanks or leading zeros only: groups of them, with their counts.

    Args:
        counts: how often each word occurs, in its one spelling.

    Returns:
        Each group sorted by its words, the groups by their first.
    """
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for word in counts:
        groups[_folded(word)].append(word)
    return sorted(
        ({word: counts[word] for word in sorted(group)} for group in groups.values() if len(group) > 1),
        key=lambda group: next(iter(group)),
    )


def _folded(word: str) -> str:
    """What words that look alike have in common."""
    folded = "".join(word.casefold().split())
    if has_leading_zero(folded):
        folded = folded.lstrip("0") or "0"
    return whole_text(folded) or folded
