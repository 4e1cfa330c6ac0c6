"""What a column is, by its cells. Imports this package only."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from steelyard.cells.dates import parse_date
from steelyard.cells.missing import MISSING_NUMBERS
from steelyard.cells.numbers import (
    MAYBE_NUMBERS,
    MOSTLY_NUMBERS,
    PLAIN,
    Guess,
    NumberStyle,
    are_codes,
    guess_number_style,
)

Kind = Literal["Number", "Category", "Date", "Empty"]

_GUESSED_VALUES = 2000


@dataclass(frozen=True)
class Meaning:
    """What a column of which the manifest says nothing is read as."""

    kind: Kind
    """Number, Date (ISO 8601), Category (words) or Empty."""
    has_one_width: bool = False
    """Whether all cells are digits of one width, at least 2; a Category of these has leading zeros: codes."""


def meaning_of(
    counts: Mapping[str, int], style: NumberStyle = PLAIN, missing: Container[str] = MISSING_NUMBERS
) -> Meaning:
    """What a column is, by its cells.

    Args:
        counts: how often each text occurs.
        style: how numbers are written.
        missing: what stands for an empty cell in a column of numbers.
    """
    given: dict[str, int] = {}
    for cell, count in counts.items():
        if (text := cell.strip()) and text not in missing:
            given[text] = given.get(text, 0) + count
    if not given:
        return Meaning("Empty")
    if are_codes(given):
        return Meaning("Category", has_one_width=True)
    cells = sum(given.values())
    if sum(count for text, count in given.items() if style.parse(text) is not None) >= MOSTLY_NUMBERS * cells:
        return Meaning("Number", has_one_width=have_one_width(given))
    if sum(count for text, count in given.items() if parse_date(text) is not None) >= MOSTLY_NUMBERS * cells:
        return Meaning("Date")
    return Meaning("Category")


def have_one_width(values: Iterable[str]) -> bool:
    """Whether texts are digits of one width, at least 2."""
    widths = {len(text) if text.isascii() and text.isdigit() else 0 for text in values}
    return len(widths) == 1 and widths.pop() > 1


def doubtful_numbers(values: Iterable[str], missing: Container[str] = MISSING_NUMBERS) -> Guess | None:
    """How a column of words may be meant as one of numbers: at least half of its different values read as numbers in
    some way, and they are no codes.

    Args:
        values: its different texts, of which the first 2,000 are looked at.
        missing: what stands for an empty cell in a column of numbers.
    """
    given = set[str]()
    for value in values:
        if (text := value.strip()) and text not in missing:
            given.add(text)
        if len(given) == _GUESSED_VALUES:
            break
    with_digits = sum(any(character.isdigit() for character in text) for text in given)
    if not given or with_digits < MAYBE_NUMBERS * len(given) or are_codes(given):
        return None
    guess = guess_number_style(given, missing)
    return guess if guess is not None and guess.share >= MAYBE_NUMBERS else None
