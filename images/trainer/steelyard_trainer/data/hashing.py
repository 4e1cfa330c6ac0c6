"""A 64-bit hash per row, to count rows that repeat an earlier one in 8 bytes a row. Imports cells, numpy,
pyarrow."""

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from steelyard.cells.numbers import finite_number, has_leading_zero
from steelyard.cells.words import spelled

Hashes = npt.NDArray[np.uint64]

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MISSING = np.uint64(0x7FF8000000000001)


def mix_in(hashes: Hashes, bits: Hashes) -> None:
    """Takes one column more into the rows' hashes, in place. For equal hashes before, other bits make other hashes."""
    hashes ^= bits
    hashes *= _MULTIPLIER
    hashes ^= hashes >> np.uint64(32)


def number_bits(numbers: npt.NDArray[np.float64]) -> Hashes:
    """64 bits that stand for a number; NaN is missing, and 0.0 equals -0.0."""
    bits: Hashes = (numbers + 0.0).view(np.uint64)
    return np.where(np.isnan(numbers), _MISSING, bits)


def word_bits(word: str | None) -> int:
    """64 bits that stand for a word."""
    if word is None:
        return int(_MISSING)
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")


def value_bits(word: str | None) -> int:
    """64 bits that stand for a word, a label or None, alike for all spellings of one value."""
    if word is None:
        return int(_MISSING)
    if not has_leading_zero(word) and (number := finite_number(word)) is not None:
        return int(number_bits(np.array([number]))[0])
    return word_bits(spelled(word, "Values"))


def count_repeats(hashes: Hashes) -> int:
    """How many rows repeat an earlier one; sorts the hashes in place. Two different rows of 10 million are taken for
    equal with a probability of 3 in a million."""
    hashes.sort()
    return int(np.count_nonzero(hashes[1:] == hashes[:-1]))


def as_numbers(cells: pa.Array) -> npt.NDArray[np.float64]:
    """float64 with NaN for missing cells."""
    if cells.null_count:
        cells = pc.fill_null(cells, float("nan"))
    numbers: npt.NDArray[np.float64] = cells.to_numpy()
    return numbers
