"""How figures are written for people."""

import pytest

from steelyard.texts.figures import counted, duration, number, times, with_error


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1355.3, 130.2, "1,355 ± 130"),
        (1355.3, 137.0, "1,355 ± 140"),
        (0.97412, 0.01234, "0.9741 ± 0.012"),
        (1.0, 0.0, "1 ± 0"),
        (1_700_000_123.4, 25_300.0, "1,700,000,123 ± 25,000"),
        (-12.345, None, "-12.35"),
        (999.96, None, "1,000"),
        (-0.0, None, "0"),
        (1.5e-7, 2e-9, "1.5e-07 ± 2e-09"),
        (float("nan"), None, "nan"),
    ],
)
def test_a_figure_and_its_error(value: float, error: float | None, text: str) -> None:
    assert with_error(value, error) == text


def test_more_digits_where_they_are_asked_for() -> None:
    assert number(12345.678, 6) == "12,345.7" and number(0.9722223, 6) == "0.972222"


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (8.0, "8 us"),
        (8.34, "8.3 us"),
        (123.4, "120 us"),
        (994.0, "990 us"),
        (999.0, "1 ms"),
        (6121.8, "6.1 ms"),
        (2.5e6, "2.5 s"),
    ],
)
def test_a_short_time(microseconds: float, text: str) -> None:
    assert duration(microseconds) == text


def test_one_thing_is_told_in_the_singular() -> None:
    assert [counted(count, "row") for count in (0, 1, 2, 1234)] == ["0 rows", "1 row", "2 rows", "1,234 rows"]
    assert [times(count) for count in (1, 2, 1234)] == ["once", "2 times", "1,234 times"]
