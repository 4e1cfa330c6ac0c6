"""How figures are written for people: with the digits that tell and without exponents. Imports the standard library."""

import math
import signal


def number(value: float, digits: int = 4) -> str:
    """A figure with so many significant digits, such as 0.9741, 1,355 or 130,000; what lies before the point is whole.

    Args:
        value: any number; very small and very large ones have an exponent.
        digits: significant ones, at least.
    """
    value = value + 0.0  # Without the sign of a zero.
    if not math.isfinite(value) or (value and not 1e-4 <= abs(value) < 1e15):
        return f"{value:.{digits}g}"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:,.{digits}g}"


def counted(count: int, noun: str) -> str:
    """A whole number of things, such as 1 row or 1,234 rows.

    Args:
        count: how many.
        noun: of one of them, whose plural ends in -s.
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def ended_early(count: int) -> str:
    """How often a stage ended before it was done, where that is too often."""
    return f"it ended early {times(count)}, more often than spec.runPolicy.backoffLimit allows"


def signal_name(number: int) -> str:
    """A signal's name, such as SIGTERM; its number for those that have none, as the real-time ones."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def times(count: int) -> str:
    """How often: once, 2 times."""
    return "once" if count == 1 else f"{count:,} times"


def with_error(value: float, error: float | None, digits: int = 4) -> str:
    """A figure and, if it is known, its standard error with two significant digits: 0.9741 ± 0.012, 1,355 ± 130."""
    return number(value, digits) if error is None else f"{number(value, digits)} ± {_rounded(error)}"


def duration(microseconds: float) -> str:
    """A short time, such as 8.3 us, 120 us or 6.1 ms."""
    for factor, unit in ((1.0, "us"), (1e3, "ms")):
        if microseconds < 995 * factor:
            return f"{_rounded(microseconds / factor)} {unit}"
    return f"{_rounded(microseconds / 1e6)} s"


def _rounded(value: float) -> str:
    """With two significant digits."""
    return number(float(f"{value:.2g}"), 2)
