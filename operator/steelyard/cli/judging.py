"""What the columns of a sample are and what a manifest must say of them, by evidence. Imports cells and cli.sample."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

from steelyard.cells.column import Kind, doubtful_numbers, meaning_of
from steelyard.cells.dates import guess_date_form, parse_date
from steelyard.cells.missing import MISSING_LABELS, MISSING_NUMBERS, MISSING_WORDS, USUAL_MARKERS
from steelyard.cells.numbers import LARGEST_WHOLE, MOSTLY_NUMBERS, PLAIN, NumberStyle
from steelyard.cli.sample import Column, Sample

MOST_CLASSES_OF_NUMBERS = 20
_NEARLY_ALL = 0.95
"""Text that is different in at least this share of its rows is no category."""
_FEW_ROWS = 20
"""In a table of fewer rows nothing is near-unique."""
_LEAST_GIVEN = 5
_MOST_STRAYS = 5
_LARGEST_NUMBER = 1e100

# An id, a key, a number of the row; never "paid" or "grid".
_IDENTIFIER = re.compile(
    r"(.*[ _.-])?(id|ids|uid|pid|pk|uuid|guid|key|index|idx|rownames?|row|rownum|nr|no|serial)"
    r"|(.*[ _.-])?(ssn|isbn|ean|e-?mail|url|phone)"
    r"|.*[a-z](Id|ID|Key|Index|UUID|Url|URL|Email|Nr|No)|unnamed: ?\d+|__index_level_\d+__|column1|x1"
    r"|(row|record|serial|account|order|customer|passenger|patient|user|sample)[ _.-]?(number|num|nr|no)"
)
_PERIOD = re.compile(
    r"year|month|week|day|hour|minute|date|time|age|quarter|period|season|jahr|monat|tag", re.IGNORECASE
)


@dataclass(frozen=True)
class Judged:
    """A column, and what is to be said of it."""

    name: str
    kind: Kind
    counts: dict[str, int]
    """Rows of each value without blanks around; missing ones left out."""
    missing: int
    is_whole: bool = False
    """Whether it is a column of numbers, all of them whole."""
    style: NumberStyle | None = None
    """How its numbers are written, where that must be said."""
    form: str | None = None
    """The form of its dates, where that must be said."""
    markers: tuple[str, ...] = ()
    """Words in it that stand for a number that is not known."""
    is_categorical: bool = False
    """Whether it must be said that these are names."""
    why_excluded: str | None = None

    @property
    def given(self) -> int:
        """Rows that have a value."""
        return sum(self.counts.values())


def judge(sample: Sample) -> list[Judged]:
    """All columns. What stands for an empty cell in one does so in all, as `dataset.missingMarkers` has it."""
    first = [_judge(column, sample, frozenset()) for column in sample.columns]
    markers = frozenset(marker for column in first for marker in column.markers)
    if not markers:
        return first
    again = [_judge(column, sample, markers) for column in sample.columns]
    return [replace(column, markers=before.markers) for column, before in zip(again, first, strict=True)]


def _judge(column: Column, sample: Sample, markers: frozenset[str]) -> Judged:
    if column.arrow == "Other":
        what = f"holds {column.arrow_type}, neither numbers nor text nor dates"
        return Judged(column.name, "Empty", {}, 0, why_excluded=what)
    judged = _with_kind(column, sample, markers)
    return judged if judged.why_excluded else replace(judged, why_excluded=_why_excluded(judged, sample))


def _with_kind(column: Column, sample: Sample, markers: frozenset[str]) -> Judged:
    texts = _stripped(column.counts)
    numbers_missing = MISSING_NUMBERS | markers
    given = {text: count for text, count in texts.items() if text not in numbers_missing}
    if column.arrow in ("Number", "Date"):
        return _of_numbers(column.name, column.arrow, given, sample.rows, PLAIN)
    kind = meaning_of(texts, missing=numbers_missing).kind
    if kind in ("Number", "Date"):
        strays = [text for text in given if not _is(text, kind)]
        judged = _of_numbers(column.name, kind, given, sample.rows, PLAIN)
        return _with_strays(judged, texts, strays, sample.rows) if strays else judged
    if kind == "Category":
        if (form := guess_date_form(given, numbers_missing)) is not None:
            return replace(_of_numbers(column.name, "Date", given, sample.rows, PLAIN), form=form)
        doubtful = _of_doubtful_numbers(column.name, texts, given, numbers_missing, sample.rows)
        if doubtful is not None:
            return doubtful
    return _of_words(column.name, texts, sample.rows, markers)


def _of_doubtful_numbers(
    name: str, texts: dict[str, int], given: dict[str, int], missing: frozenset[str], rows: int
) -> Judged | None:
    """Texts that prepare would neither take for words nor for numbers."""
    if (guess := doubtful_numbers(given, missing)) is None:
        return None
    others = [text for text in given if not _is_finite(guess.style.parse(text))]
    known = all(text in USUAL_MARKERS for text in others)
    if not known and guess.share < MOSTLY_NUMBERS:
        return replace(_of_words(name, texts, rows, frozenset()), is_categorical=True)
    judged = _of_numbers(name, "Number", given, rows, guess.style)
    if not guess.style.is_plain:
        judged = replace(judged, style=guess.style)
    return _with_strays(judged, texts, others, rows) if others else judged


def _with_strays(judged: Judged, texts: dict[str, int], strays: list[str], rows: int) -> Judged:
    """A column of numbers with words in it: few mean that the number is not known, with many it is one of words."""
    known = all(text in USUAL_MARKERS for text in strays)
    style = judged.style or PLAIN
    numbers = [text for text in judged.counts if text not in strays]
    are_classes = len(numbers) <= MOST_CLASSES_OF_NUMBERS and _are_whole(numbers, style)
    if known or (len(strays) <= _MOST_STRAYS and not are_classes):
        counts = {text: count for text, count in judged.counts.items() if text not in strays}
        missing = judged.missing + sum(texts[text] for text in strays)
        is_whole = judged.kind == "Number" and _are_whole(counts, style)
        return replace(judged, counts=counts, missing=missing, markers=tuple(strays), is_whole=is_whole)
    return replace(_of_words(judged.name, texts, rows, frozenset()), is_categorical=True)


def _of_numbers(name: str, kind: Kind, given: dict[str, int], rows: int, style: NumberStyle) -> Judged:
    if not given:
        return Judged(name, "Empty", {}, rows)
    missing = rows - sum(given.values())
    return Judged(name, kind, given, missing, is_whole=kind == "Number" and _are_whole(given, style))


def _of_words(name: str, texts: dict[str, int], rows: int, markers: frozenset[str]) -> Judged:
    empty = MISSING_WORDS | markers
    given = {text: count for text, count in texts.items() if text not in empty}
    return Judged(name, "Category" if given else "Empty", given, rows - sum(given.values()))


def _are_whole(counts: Iterable[str], style: NumberStyle) -> bool:
    return all(number is None or number.is_integer() for number in map(style.parse, counts))


def _is(text: str, kind: Kind) -> bool:
    return _is_finite(PLAIN.parse(text)) if kind == "Number" else parse_date(text) is not None


def _is_finite(number: float | None) -> bool:
    return number is not None and math.isfinite(number) and abs(number) <= _LARGEST_NUMBER


def _stripped(counts: dict[str, int]) -> dict[str, int]:
    texts: dict[str, int] = {}
    for cell, count in counts.items():
        text = cell.strip()
        texts[text] = texts.get(text, 0) + count
    return texts


# --- what is no feature -----------------------------------------------------------------------------------------------


def _why_excluded(column: Judged, sample: Sample) -> str | None:
    """The evidence that nothing can be learned from a column, or None."""
    given, different = column.given, len(column.counts)
    if column.kind == "Empty":
        return "empty in all rows"
    if sample.rows >= _FEW_ROWS and given < _LEAST_GIVEN:
        return f"empty in all but {given} of {sample.rows:,} rows"
    if given < _FEW_ROWS:
        return None
    share = different / given
    if column.kind == "Category" and share >= _NEARLY_ALL:
        return f"text that is different in {_per_cent(share)} of the rows"
    if column.kind == "Category" and share >= 0.5 and _IDENTIFIER.fullmatch(column.name.strip().lower()):
        return f"named as an identifier is, and different in {_per_cent(share)} of the rows"
    if column.kind == "Number" and column.is_whole:
        return _why_identifier(column, share)
    return None


def _why_identifier(column: Judged, share: float) -> str | None:
    style = column.style or PLAIN
    numbers = [int(number) for text in column.counts if (number := style.parse(text)) is not None]
    if any(abs(number) > LARGEST_WHOLE for number in numbers):
        return "whole numbers above 2^53, of which a model could not tell neighbors apart"
    name = column.name.strip()
    if share >= 0.5 and (_IDENTIFIER.fullmatch(name) or _IDENTIFIER.fullmatch(name.lower())):
        return f"named as an identifier is, and different in {_per_cent(share)} of the rows"
    if share < 1 or _PERIOD.search(name):
        return None
    steps = sum(after - before == 1 for before, after in pairwise(numbers))
    is_range = max(numbers) - min(numbers) + 1 == len(numbers)
    if is_range or steps >= _NEARLY_ALL * (len(numbers) - 1):
        return "consecutive whole numbers"
    return None


def _per_cent(share: float) -> str:
    return f"{math.floor(share * 100)}%"


# --- the target -------------------------------------------------------------------------------------------------------


def missing_targets(column: Judged, source: Column, markers: Iterable[str]) -> int:
    """How many rows have no target: among labels "NA" and "None" are words."""
    if column.kind == "Number":
        return column.missing
    empty = MISSING_LABELS.union(markers)
    return sum(count for text, count in _stripped(source.counts).items() if text in empty)


def is_regression(column: Judged) -> bool:
    """Whether the target is a number to predict: one that is not whole, or takes more than 20 values."""
    return column.kind == "Number" and (not column.is_whole or len(column.counts) > MOST_CLASSES_OF_NUMBERS)


def can_be_target(column: Judged) -> bool:
    """Whether there is something in the column that could be predicted."""
    return column.why_excluded is None and column.kind != "Date" and len(column.counts) > 1


@dataclass(frozen=True)
class Findings:
    """What `dataset` must say of the columns that are used."""

    exclude: dict[str, str] = field(default_factory=dict)
    """Why, by column."""
    categorical: list[str] = field(default_factory=list)
    markers: list[str] = field(default_factory=list)
    numbers: dict[str, NumberStyle] = field(default_factory=dict)
    dates: dict[str, str] = field(default_factory=dict)
    decimal: str | None = None
    """The decimal mark of all columns of numbers, where it is not the point."""


def findings_of(columns: list[Judged], target: Judged) -> Findings:
    """Gathers what is to be said; where nothing would be left to learn from, identifiers stay."""
    features = [column for column in columns if column is not target]
    exclude = {column.name: column.why_excluded for column in features if column.why_excluded is not None}
    if len(exclude) == len(features):
        exclude = {column.name: why for column in features if column.kind == "Empty" and (why := column.why_excluded)}
    used = [column for column in columns if column.name not in exclude]
    styles = {column.name: column.style for column in used if column.style is not None}
    decimal = _common_decimal(used, styles)
    if decimal is not None:
        plain = NumberStyle(decimal=decimal)
        styles = {name: style for name, style in styles.items() if style != plain}
    markers = dict.fromkeys(marker for column in used for marker in column.markers)
    return Findings(
        exclude=exclude,
        categorical=[column.name for column in used if column.is_categorical and column is not target],
        markers=list(markers),
        numbers=styles,
        dates={column.name: column.form for column in used if column.form is not None and column is not target},
        decimal=decimal,
    )


def _common_decimal(columns: list[Judged], styles: dict[str, NumberStyle]) -> str | None:
    """The comma, where all fractions of the table are written with it."""
    has_points = any(
        column.kind == "Number" and column.style is None and any("." in text for text in column.counts)
        for column in columns
    )
    has_commas = any(style.decimal == "," for style in styles.values())
    return "," if has_commas and not has_points and all(s.decimal == "," for s in styles.values()) else None
