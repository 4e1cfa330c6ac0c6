"""What was found in cells that a model could not take as they were, in words for people. Imports the standard library
and this package.
"""

from typing import TYPE_CHECKING

from steelyard.serving.tally import Found, Tally

if TYPE_CHECKING:
    from steelyard.serving.preprocessing import Preprocessing


def findings(tally: Tally, preprocessing: "Preprocessing", rows: int) -> list[str]:
    """A line for each column whose cells could not be taken as they were, of so many rows."""
    lines = [_filled(name, found, preprocessing, rows) for name, found in tally.filled.items()]
    return lines + [_unknown(name, found, preprocessing, rows) for name, found in tally.unknown.items()]


def without_other(tally: Tally, preprocessing: "Preprocessing") -> Tally:
    """What is refused where it is asked for. Rare words were learned as `other`, so the model knows what they mean."""
    others = _with_other(preprocessing)
    return Tally(tally.filled, {name: found for name, found in tally.unknown.items() if name not in others})


def _with_other(preprocessing: "Preprocessing") -> set[str]:
    """The columns in which words that are none of theirs count as `other`."""
    return {column.name for column in preprocessing.columns if getattr(column, "has_other", False)}


def _filled(name: str, found: Found, preprocessing: "Preprocessing", rows: int) -> str:
    cells = f"{found.count:,} of {rows:,} cells {'is' if found.count == 1 else 'are'} empty"
    keeps_gaps = any(column.name == name and getattr(column, "keeps_gaps", False) for column in preprocessing.columns)
    meaning = ", which the model takes as a gap" if keeps_gaps else " and filled as training learned to"
    return f"column {name!r}: {cells}{meaning}, first in row {found.first_row:,}"


def _unknown(name: str, found: Found, preprocessing: "Preprocessing", rows: int) -> str:
    what = "label" if name == preprocessing.target else "word"
    hold = f"holds a {what}" if found.count == 1 else f"hold {what}s"
    counts = "counts" if found.count == 1 else "count"
    meaning = f" and that {counts} as 'other'" if name in _with_other(preprocessing) else ""
    examples = ", ".join(map(_shortened, found.examples)) + (" ..." if found.has_more else "")
    return (
        f"column {name!r}: {found.count:,} of {rows:,} cells {hold} that training has not seen{meaning}, first in row "
        f"{found.first_row:,}: {examples}"
    )


def _shortened(word: str, limit: int = 60) -> str:
    return repr(word if len(word) <= limit else word[:limit] + "...")
