"""What may stand in an entry of a search's log or a trial's report, which a user can write to: each of these raises
ValueError of what may not. Imports the standard library only."""

import math
from collections.abc import Sequence
from typing import Any

MOST_NUMBER = 10**6
"""The largest number of a trial."""


def whole(number: Any) -> int:
    """A whole number from 0."""
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ValueError(f"{number!r:.100} should be a whole number from 0")
    return number


def number_of_trial(number: Any) -> int:
    """The number of a trial. Raises ValueError of a very large one, too: lists are made of all numbers before it."""
    if whole(number) > MOST_NUMBER:
        raise ValueError(f"{number} is no trial's number; allowed: 0 to {MOST_NUMBER}")
    return int(number)


def number_or_none(value: Any) -> float | None:
    """A float, infinite ones among them; None for null."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r:.100} should be a number or null")
    return float(value)


def finite(value: Any) -> int | float:
    """A number that is none of infinity and NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r:.100} should be a number")
    return value


def seconds(value: Any) -> float:
    """A time."""
    if finite(value) < 0:
        raise ValueError(f"{value!r} should be a number of seconds")
    return float(value)


def text(value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.100} should be a text")
    return value


def runs_of(numbers: Sequence[int]) -> list[int]:
    """Different numbers as first, length, first, length ..., ascending."""
    runs: list[int] = []
    for number in sorted(numbers):
        if runs and runs[-2] + runs[-1] == number:
            runs[-1] += 1
        else:
            runs += [number, 1]
    return runs


def numbers_of(runs: Sequence[Any]) -> tuple[int, ...]:
    """What `runs_of` was given, ascending."""
    numbers: list[int] = []
    for first, count in zip(map(whole, runs[::2]), map(whole, runs[1::2]), strict=True):
        if count < 1 or (numbers and first <= numbers[-1]):
            raise ValueError(f"{first}, {count} is no run of trials after those before it")
        numbers += range(first, number_of_trial(first + count - 1) + 1)
    return tuple(numbers)
