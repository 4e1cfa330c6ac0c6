"""The short texts of `kubectl get`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.controller.training.printer_columns import figure_text, metric_text, progress_text, size_text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (9, "9 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1499, "1.5 kB"),
        (9940, "9.9 kB"),
        (9960, "10 kB"),
        (94208, "94 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (344_064_000, "344 MB"),
        (2_500_000_000, "2.5 GB"),
        (3 * 10**15, "3000 TB"),
    ],
)
def test_sizes_have_two_or_three_digits(count: int, text: str) -> None:
    assert size_text(count) == text


@given(st.integers(0, 10**15))
def test_every_size_is_short_and_about_right(count: int) -> None:
    number, unit = size_text(count).split()
    factor = 1000 ** ("B", "kB", "MB", "GB", "TB").index(unit)
    assert len(number) <= 4
    assert abs(float(number) * factor - count) <= max(0.051 * count, 0.5)


def test_figures_have_three_digits() -> None:
    assert metric_text("accuracy", 0.97222) == "accuracy 0.972"
    assert metric_text("rmse", 12345.6) == "rmse 1.23e+04"
    assert progress_text("train", 7, 10) == "train 7/10"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, None),
        ({"learning_rate": 0.1}, None),
        ({"loss": 0.5}, "loss 0.5"),
        ({"loss": 0.5, "accuracy": 0.9, "val_loss": 0.6, "val_accuracy": 0.8}, "val_accuracy 0.8"),
        ({"loss": 0.5, "mae": 0.9, "val_loss": 0.6, "val_mae": 0.8}, "val_mae 0.8"),
        ({"val_accuracy": None, "loss": 1}, "loss 1"),
    ],
)
def test_the_most_telling_figure_is_shown(values: dict[str, float], text: str | None) -> None:
    assert figure_text(values) == text
