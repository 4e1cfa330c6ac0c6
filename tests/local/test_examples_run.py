"""The smaller examples, run as their users run them: what they promise is what comes out.

`make run` runs digits, and tests/statistics does so with other seeds.
"""

from pathlib import Path

import pytest
from examples_support import run_example


@pytest.mark.parametrize(
    ("name", "metric", "least"),
    [
        ("diabetes", "r2", 0.35),
        ("wine", "accuracy", 0.9),
        ("digits-cnn", "accuracy", 0.96),
        ("own-container", "accuracy", 0.93),
        ("own-keras", "accuracy", 0.96),
        ("own-sklearn", "accuracy", 0.9),
    ],
)
def test_the_smaller_examples_do_their_job(tmp_path: Path, name: str, metric: str, least: float) -> None:
    report = run_example(name, tmp_path)
    assert report["metrics"]["test"][metric]["value"] >= least


def test_the_small_digits_are_a_tenth_as_large(tmp_path: Path) -> None:
    report = run_example("digits-small", tmp_path)
    assert report["choice"]["chosen"] in ("quarter", "eighth", "eighth-int4")
    sizes = {each["name"]: each["bytes"] for each in report["choice"]["candidates"]}
    assert sizes[report["choice"]["chosen"]] < sizes["Baseline"] / 10
    assert report["metrics"]["test"]["accuracy"]["value"] > 0.93


def test_the_forest_of_digits_is_a_quarter_as_large(tmp_path: Path) -> None:
    report = run_example("digits-forest", tmp_path)
    sizes = {each["name"]: each["bytes"] for each in report["choice"]["candidates"]}
    assert sizes[report["choice"]["chosen"]] < sizes["Baseline"] / 4
    assert report["metrics"]["test"]["accuracy"]["value"] > 0.93
