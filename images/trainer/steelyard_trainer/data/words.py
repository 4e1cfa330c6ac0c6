"""Words in messages: names near another, lists, shortened cells; and errors that several readers have.

Imports steelyard and yaml.
"""

import difflib
from collections.abc import Collection, Iterable

import yaml

from steelyard.api.errors import DataError
from steelyard.cells.numbers import LARGEST_WHOLE


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


def refuse_large(name: str, text: str) -> None:
    """Raises DataError for a whole number that a float64 does not hold."""
    digits = text.lstrip("+-")
    if digits.isascii() and digits.isdigit() and int(digits) > LARGEST_WHOLE:
        raise DataError(
            f"column {name!r} holds whole numbers above 2^53, such as {text}, which a model's numbers can't tell from "
            "their neighbors; if they only name something, list the column under dataset.exclude, or under "
            "dataset.categorical if few of them repeat"
        )


def stray_word(where: str, word: str, what: str, others: str) -> DataError:
    """The error for a word in a column of numbers or dates."""
    return DataError(
        f"{where}: {shortened(word)} is not {what}{others}; mend the cell (leave it empty if it is not known), say "
        f"missingMarkers: {flow([word])} if that is what it means, or list the column under dataset.categorical if it "
        "holds names"
    )


def flow(value: object) -> str:
    """The value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**9)
    return str(text).strip().removesuffix("...").strip()
