"""From values to places on an axis, and the axis's ticks. Pure; imports steelyard.api only."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from steelyard.api.tuning import Parameter, same_value

_FEW_TICKS = 3
"""Of an axis of ratios that has fewer the range is so small that it has those of any other axis."""
MOST_LABELS = 12
"""Categories of one axis that are labeled; of more, every second or third ..."""


@dataclass(frozen=True)
class Tick:
    """A mark of an axis."""

    place: float
    """From 0 to 1."""
    label: str


@dataclass(frozen=True)
class NumberScale:
    """An axis of numbers."""

    low: float
    high: float
    is_log: bool = False

    @classmethod
    def of(cls, values: Sequence[float]) -> "NumberScale":
        """An axis that holds all values, with a margin. `values` is not empty."""
        low, high = min(values), max(values)
        margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
        return cls(low - margin, high + margin)

    def place(self, value: float) -> float:
        """Where a value lies, from 0 to 1."""
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, count: int = 5) -> list[Tick]:
        """Round numbers, about as many as asked for."""
        numbers = _round_ratios(self.low, self.high, count) if self.is_log else []
        if len(numbers) < _FEW_TICKS:
            step = _round_step((self.high - self.low) / (count + 2 if self.is_log else count))
            first = math.ceil(self.low / step - 1e-9)
            numbers = [step * index for index in range(first, math.floor(self.high / step + 1e-9) + 1)]
        return [Tick(self.place(number), figure(number)) for number in numbers]


@dataclass(frozen=True)
class CategoryScale:
    """An axis of values in their order."""

    values: tuple[Any, ...]

    def place(self, value: Any) -> float:
        """Where a value lies, from 0 to 1."""
        index = next(index for index, other in enumerate(self.values) if same_value(value, other))
        return 0.5 if len(self.values) == 1 else index / (len(self.values) - 1)

    def ticks(self) -> list[Tick]:
        """Each value, or every second, third ... of many."""
        every = math.ceil(len(self.values) / MOST_LABELS)
        return [Tick(self.place(value), value_text(value)) for value in self.values[::every]]


Scale = NumberScale | CategoryScale


def scale_of(parameter: Parameter) -> Scale:
    """The axis of a parameter."""
    if parameter.type == "Categorical":
        return CategoryScale(tuple(parameter.values or ()))
    assert parameter.min is not None and parameter.max is not None
    return NumberScale(parameter.min, parameter.max, parameter.log)


def figure(value: float) -> str:
    """A number in few digits: 0.981, 59,112, 1e-05; what is none as Python writes it: inf, nan."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e7:
        return f"{int(value):,}"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e7 else f"{value:.4g}"


def value_text(value: Any) -> str:
    """A parameter's value as a manifest has it, shortened."""
    if isinstance(value, float):
        return figure(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 24 else text[:23] + "…"


def _round_ratios(low: float, high: float, count: int) -> list[float]:
    """Powers of ten, with what lies between them where they are few."""
    first, last = math.floor(math.log10(low)), math.floor(math.log10(high) + 1e-9)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [factor * 10.0**exponent for exponent in range(first, last + 1) for factor in factors]
        found = [each for each in found if low * (1 - 1e-9) <= each <= high * (1 + 1e-9)]
        if len(found) <= count + 1:
            break
    return found[:: max(1, math.ceil(len(found) / (2 * count)))]


def _round_step(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))
