"""The bounds of compression.confidence: a loss of exactly the budget is accepted as seldom as is said."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from seeds import TAKES_ALL

BENCHMARK = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "bounds.py"))
DRAWS = 2000 if TAKES_ALL else 60
# Three standard errors of so many draws above what the benchmark holds every cell to with 5,000.
MOST = BENCHMARK["MOST_WRONG"] + 3 * (0.05 * 0.95 / DRAWS) ** 0.5
SHARE, ROWS = 0.02, (360, 1000)


def table(index: int) -> Any:
    random = np.random.default_rng(index)
    kind, differ = [("four", "loses"), ("rare", "other"), ("normal", "noise"), ("tails", "other")][index]
    make = BENCHMARK["classification" if index < 2 else "regression"]
    return make(kind, SHARE, differ, random)


@pytest.mark.parametrize("index", range(4))
def test_a_loss_of_the_budget_is_accepted_as_seldom_as_is_said(index: int) -> None:
    made, random = table(index), np.random.default_rng(1)
    for measure in made.measures:
        for rows in ROWS if TAKES_ALL else ROWS[:1]:
            _, by_bound, by_point = BENCHMARK["accepted"](made, measure, rows, DRAWS, random)
            assert by_bound <= MOST, (made.name, measure.name, rows)
            assert by_point > 0.2, "two numbers say little"
