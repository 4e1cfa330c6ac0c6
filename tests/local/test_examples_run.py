"""The smaller examples, run as their users run them: what they promise is what comes out.

`make run` runs digits, and tests/statistics does so with other seeds.
"""

from pathlib import Path

import pytest
from examples_support import run_example


@pytest.mark.parametrize(("name", "metric", "least"), [("diabetes", "r2", 0.35), ("wine", "accuracy", 0.9)])
def test_the_smaller_examples_do_their_job(tmp_path: Path, name: str, metric: str, least: float) -> None:
    report = run_example(name, tmp_path)
    assert report["metrics"]["test"][metric]["value"] >= least
