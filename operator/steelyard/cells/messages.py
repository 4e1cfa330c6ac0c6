"""What is said of cells that can't be read as their column is, and of columns that are not there, alike by `validate`
and by the stage prepare.

Imports yaml, the api and this package.
"""

import difflib
from collections.abc import Iterable

import yaml

from steelyard.api.errors import DataError
from steelyard.cells.numbers import LARGEST_WHOLE, Guess


def shortened(text: str, limit: int = 60) -> str:
    """The text in quotes, cut where it is long."""
    return repr(text if len(text) <= limit else text[:limit] + "...")


def nearest(name: str, names: Iterable[str]) -> str:
    """ "; did you mean 'NAME'?" for the most similar of the names, or nothing."""
    by_folded = {candidate.strip().casefold(): candidate for candidate in names}
    near = difflib.get_close_matches(name.strip().casefold(), by_folded, n=1, cutoff=0.6)
    return f"; did you mean {by_folded[near[0]]!r}?" if near else ""


def unnamed(source: str, places: Iterable[int], columns: int) -> str:
    """What is said of columns without a name, by their places from 1; empty where there are none."""
    if not (told := ", ".join(map(str, list(places)[:10]))):
        return ""
    return (
        f"{source} has no name for column {told} of {columns}: name it; if it only numbers the rows, write the table "
        "without it (pandas: index=False)"
    )


def flow(value: object) -> str:
    """The value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**9)
    return str(text).strip().removesuffix("...").strip()


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


def doubt(name: str, guess: Guess, field: str = "categorical") -> str:
    """What is said of a text column that may be one of numbers: the share, examples, and the lines to write.

    Args:
        name: the column.
        guess: how it may be meant.
        field: what to write if its words are names.
    """
    lines = []
    style = guess.style.to_json()
    if style or guess.others_count:
        lines.append(f"numbers: {flow({name: style})}")
    if guess.others_count:
        lines.append(f"missingMarkers: {flow(list(guess.others))}")
    others = f"; others are {', '.join(map(shortened, guess.others[:3]))}" if guess.others else ""
    categorical = f"dataset.categorical: {flow([name])}" if field == "categorical" else field
    return (
        f"column {name!r} holds text, but {guess.share:.0%} of its different values read as numbers, such as "
        f"{', '.join(map(shortened, guess.examples))}{others}; if they are numbers, write under dataset: "
        f"{' and '.join(lines) or f'numbers: {flow({name: {}})}'}; if they are names: {categorical}"
    )
