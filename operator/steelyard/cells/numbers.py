"""Cells that are numbers: how a text is read as one, and which way of writing fits a column.

Imports the standard library and the api.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from steelyard.cells.missing import MISSING_NUMBERS, is_missing

LARGEST_WHOLE = 2**53
"""Above it a float64 does not hold every whole number."""
MOSTLY_NUMBERS = 0.9
"""A column of which at least this share of the cells that are not missing are numbers is meant to be one of numbers: a
word in it is a mistake of the data."""
MAYBE_NUMBERS = 0.5
"""A column of text of which at least this share of the different values read as numbers in some way is neither taken
for text nor for numbers without being asked."""

PER_CENT = "%"
_CURRENCIES = ("USD", "EUR", "GBP", "CHF", "JPY", "CNY", "INR", "CAD", "AUD", "SEK", "NOK", "DKK", "PLN", "R$", "Rs")
_BLANKS = ("\u00a0", "\u202f", "\u2009")
MINUS = "\u2212"
"""The minus sign of typesetting; it counts as "-"."""
_UNIT = re.compile(r"[0-9.,]\s*(°?[^\W\d_]{1,8}|°)$")
"""What is measured with a unit behind it: 100kg, 5 years, 20 °C."""
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)


@dataclass(frozen=True)
class NumberStyle:
    """How a column's numbers are written; the default is that of programming languages."""

    decimal: str = "."
    """What stands before the fraction."""
    thousands: str | None = None
    """What stands between groups of three digits."""
    prefix: str | None = None
    """What may stand before a number, such as "$"."""
    suffix: str | None = None
    """What may stand behind a number, such as "EUR". "%" must stand there, and divides by 100."""

    @property
    def is_plain(self) -> bool:
        """Whether it is the default."""
        return self == NumberStyle()

    @cached_property
    def _grouped(self) -> re.Pattern[str]:
        point = re.escape(self.decimal)
        whole = r"\d+"
        if self.thousands is not None:
            # A blank of one kind is a blank of any kind: which one it is can't be seen.
            mark = f"[ {''.join(_BLANKS)}]" if self.thousands.isspace() else re.escape(self.thousands)
            whole = rf"(?:\d{{1,3}}(?:{mark}\d{{3}})+|\d+)"
        return re.compile(rf"([+-]?)({whole})?(?:{point}(\d*))?([eE][+-]?\d+)?", re.ASCII)

    def parse(self, text: str) -> float | None:
        """The text as a number (inf and what overflows included), or None where it is none in this style."""
        text = text.strip().replace(MINUS, "-", 1)
        if text[:1] == "(" and text[-1:] == ")" and not self.is_plain:
            # As accountants write what is below zero.
            number = self.parse(text[1:-1])
            return None if number is None else -number
        if self.prefix or self.suffix:
            return self._parse_affixed(text)
        return self._parse_bare(text)

    def _parse_affixed(self, text: str) -> float | None:
        sign = ""
        if text[:1] in ("-", "+") and self.prefix and text[1:].lstrip().startswith(self.prefix):
            sign, text = text[0], text[1:].lstrip()
        if self.prefix and text.startswith(self.prefix):
            text = text[len(self.prefix) :].lstrip()
        has_suffix = bool(self.suffix) and text.endswith(self.suffix or "")
        if has_suffix:
            text = text[: -len(self.suffix or "")].rstrip()
        elif self.suffix == PER_CENT:
            return None
        if sign and text[:1] in ("-", "+"):
            return None
        number = self._parse_bare(sign + text)
        return number / 100 if number is not None and self.suffix == PER_CENT else number

    def _parse_bare(self, text: str) -> float | None:
        if self.decimal == "." and self.thousands is None:
            return _parse_plain(text)
        found = self._grouped.fullmatch(text)
        if found is None or not (found[2] or found[3]):
            return None
        whole = "".join(character for character in found[2] or "" if character.isdigit())
        return float(f"{found[1]}{whole or '0'}.{found[3] or '0'}{found[4] or ''}")

    def to_json(self) -> dict[str, str]:
        """What differs from the default, as `dataset.numbers` spells it."""
        default = NumberStyle()
        names = ("decimal", "thousands", "prefix", "suffix")
        return {name: getattr(self, name) for name in names if getattr(self, name) != getattr(default, name)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "NumberStyle":
        """Of `to_json`, or of a field of the manifest as JSON."""
        return cls(**document)


PLAIN = NumberStyle()


def _parse_plain(text: str) -> float | None:
    # Python takes 1_000, and digits of other scripts; no reader of tables does.
    if not text.isascii() or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def parse_number(text: str, style: NumberStyle = PLAIN) -> float | None:
    """The text as a number (inf included), or None where it is none in this style. Blanks around it don't count."""
    return style.parse(text)


def is_number(text: str) -> bool:
    """Whether the text is a number as programs write it; "inf" counts as one."""
    return _parse_plain(text) is not None


def finite_number(text: str) -> float | None:
    """The text as a finite number as programs write it, else None."""
    number = _parse_plain(text)
    return number if number is not None and math.isfinite(number) else None


def has_leading_zero(text: str) -> bool:
    """Whether a text without blanks around is digits with a needless zero in front, as codes have it."""
    digits = text.lstrip("+-")
    return len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()


def are_codes(values: Collection[str]) -> bool:
    """Whether texts are digits of one width, some with zeros in front: codes, such as postal ones, and no numbers."""
    first = next(iter(values), "")
    width = len(first)
    return (
        width > 1
        and any(value[:1] == "0" for value in values)
        and all(len(value) == width and value.isascii() and value.isdigit() for value in values)
    )


@dataclass(frozen=True)
class Guess:
    """How a column of text may be meant as one of numbers."""

    style: NumberStyle
    share: float
    """Of the different values: how many read as numbers in this style."""
    examples: tuple[str, ...]
    """Up to three of those, what is not plain first."""
    others: tuple[str, ...]
    """Up to ten of the values that are none, sorted."""
    others_count: int


def guess_number_style(values: Iterable[str], missing: Container[str] = MISSING_NUMBERS) -> Guess | None:
    """The style in which the most of a column's different values read as finite numbers; of equals the simplest.

    Args:
        values: cells; blanks around them and repetitions don't count.
        missing: what stands for an empty cell.

    Returns:
        None where no value reads as a number, or all are missing.
    """
    texts = sorted({text for value in values if (text := value.strip()) and not is_missing(text, missing)})
    if not texts:
        return None
    best: tuple[int, NumberStyle] = (0, PLAIN)
    for style in _candidates(texts):
        count = sum(_is_finite(style.parse(text)) for text in texts)
        if count > best[0]:
            best = (count, style)
    count, style = best
    if not count:
        return None
    read = [text for text in texts if _is_finite(style.parse(text))]
    others = [text for text in texts if not _is_finite(style.parse(text))]
    read.sort(key=lambda text: finite_number(text) is not None)
    return Guess(style, count / len(texts), tuple(read[:3]), tuple(others[:10]), len(others))


def _is_finite(number: float | None) -> bool:
    return number is not None and math.isfinite(number)


def _candidates(texts: Collection[str]) -> Iterable[NumberStyle]:
    """The styles that could fit, the simplest first."""
    affixes = _affixes(texts)
    for prefix, suffix in affixes:
        bare = [stripped for text in texts if (stripped := _bare(text, prefix, suffix)) is not None]
        for decimal, thousands in _marks(bare):
            yield NumberStyle(decimal, thousands, prefix, suffix)


def _affixes(texts: Collection[str]) -> list[tuple[str | None, str | None]]:
    """(prefix, suffix) that occur, none first: currencies, the per cent sign, and a unit that most have."""
    prefixes, suffixes, units = Counter[str](), Counter[str](), Counter[str]()
    for text in texts:
        unsigned = text.lstrip("+-").lstrip()
        if (mark := _mark_at_start(unsigned)) is not None:
            prefixes[mark] += 1
        if (mark := _mark_at_end(text)) is not None:
            suffixes[mark] += 1
        elif (unit := _UNIT.search(text)) is not None:
            units[unit[1]] += 1
    chosen_prefixes = [None, *(mark for mark, _ in prefixes.most_common(2))]
    # A letter behind a few is no unit: 12A among 12 and 13.
    common_units = (unit for unit, count in units.most_common(2) if count >= MAYBE_NUMBERS * len(texts))
    chosen_suffixes = [None, *(mark for mark, _ in suffixes.most_common(2)), *common_units]
    return [(prefix, suffix) for prefix in chosen_prefixes for suffix in chosen_suffixes]


def _mark_at_start(text: str) -> str | None:
    for word in _CURRENCIES:
        if text.startswith(word):
            return word
    return text[0] if text and unicodedata.category(text[0]) == "Sc" else None


def _mark_at_end(text: str) -> str | None:
    for word in _CURRENCIES:
        if text.endswith(word):
            return word
    return text[-1] if text and (text[-1] == PER_CENT or unicodedata.category(text[-1]) == "Sc") else None


def _bare(text: str, prefix: str | None, suffix: str | None) -> str | None:
    """The digits' part of a text."""
    text = text.lstrip("+-").strip()
    if prefix is not None:
        text = text.removeprefix(prefix).strip()
    if suffix is not None:
        text = text.removesuffix(suffix).strip()
    return text if text[:1].isdigit() or text[:1] in (".", ",") else None


def _marks(texts: Collection[str]) -> list[tuple[str, str | None]]:
    """(decimal, thousands) that the texts may be written with: plain first, then what their marks speak for."""
    marks: list[tuple[str, str | None]] = [(".", None)]
    if any("," in text for text in texts):
        # A comma before any other number of digits than three, or behind a single zero, can only be a decimal one.
        is_decimal = any(
            text.count(",") == 1 and (len(_digits_behind(text, ",")) != 3 or text.startswith(("0,", ",")))
            for text in texts
        )
        as_decimal: list[tuple[str, str | None]] = [(",", None), (",", ".")]
        as_thousands: list[tuple[str, str | None]] = [(".", ",")]
        marks += as_decimal + as_thousands if is_decimal else as_thousands + as_decimal
    for mark in ("'", "\u2019", " ", *_BLANKS):
        if any(mark in text for text in texts):
            thousands = " " if mark.isspace() else mark
            marks += [(".", thousands), (",", thousands)]
    if any(text.count(".") > 1 for text in texts):
        marks.append((",", "."))
    return list(dict.fromkeys(marks))


def _digits_behind(text: str, mark: str) -> str:
    behind = text.rsplit(mark, 1)[1]
    return re.split(r"[^0-9]", behind, maxsplit=1)[0]


def whole_text(text: str) -> str | None:
    """The one spelling of a whole number: "1" of "1", "1.0", "+1" and "1."; None where the text is none, or has zeros
    in front, or an exponent."""
    whole, _, fraction = text.partition(".")
    if fraction.strip("0") or not _WHOLE.fullmatch(whole) or has_leading_zero(whole):
        return None
    sign = "-" if whole[0] == "-" else ""
    digits = whole.lstrip("+-")
    return digits if digits == "0" else sign + digits
