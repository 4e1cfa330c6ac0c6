"""The values of a trial's steps in few characters, every bit of them. Imports the standard library only.

A log of 1,000 trials has 262 bytes for each, and a float takes 20 as decimal digits: so they are bytes in base 64. What
a network tells is single precision, and takes 4.
"""

import base64
import math
import struct
from typing import Any, TypeAlias

Steps: TypeAlias = tuple[tuple[int, float], ...]
"""(step, value), the steps ascending."""

_FORMATS = {"f": struct.Struct("<f"), "d": struct.Struct("<d")}


def pack(steps: Steps) -> str:
    """The values as a text; "" where there are none.

    The first letter is f (single precision) or d; then, in URL-safe base 64 without padding, for each step: how far it
    is from the one before, in 7 bits a byte, the lowest first, bit 8 set where more follow; and the value.
    """
    if not steps:
        return ""
    letter = "f" if all(single(value) == value for _, value in steps) else "d"
    raw, before = bytearray(), 0
    for step, value in steps:
        raw += _varint(step - before) + _FORMATS[letter].pack(value)
        before = step
    return letter + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def unpack(given: Any) -> Steps:
    """The values of a text of `pack`'s, or of a list of step, value, step, value ... Raises ValueError, TypeError or
    KeyError where it is neither."""
    if isinstance(given, list):
        return tuple((int(step), float(value)) for step, value in zip(given[::2], given[1::2], strict=True))
    if not given:
        return ()
    form = _FORMATS[given[0]]
    digits = given[1:]
    raw = base64.b64decode(digits + "=" * (-len(digits) % 4), altchars=b"-_", validate=True)
    steps: list[tuple[int, float]] = []
    step = shift = index = 0
    while index < len(raw):
        byte = raw[index]
        index += 1
        step += (byte & 127) << shift
        shift += 7
        if byte < 128:
            if index + form.size > len(raw):
                raise ValueError("the values are cut short")
            steps.append((step, form.unpack_from(raw, index)[0]))
            index += form.size
            shift = 0
    if shift:
        raise ValueError("the values are cut short")
    return tuple(steps)


def most_characters(count: int, largest: int, *, single: bool) -> int:
    """How long the text of so many values may be.

    Args:
        count: of the values.
        largest: the last step.
        single: whether they are single precision.
    """
    if count == 0:
        return 0
    # As if every step were as far from the one before as the last one is from 0.
    bytes_each = len(_varint(largest)) + (4 if single else 8)
    return 1 + -(-count * bytes_each * 4 // 3)


def single(value: float) -> float:
    """The nearest number of single precision; infinite where it is larger than all of them."""
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
    return rounded


def _varint(number: int) -> bytes:
    if number < 0:
        raise ValueError("the steps must ascend")
    raw = bytearray()
    while number > 127:
        raw.append(number & 127 | 128)
        number >>= 7
    raw.append(number)
    return bytes(raw)
