"""What of the candidates' answers decides beside the bounds."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from steelyard.api.compression import BASELINE
from steelyard.api.metrics import Measure
from steelyard_trainer.compression.answers import Answers, SearchRows
from steelyard_trainer.compression.candidates import Candidates, Measuring
from steelyard_trainer.compression.recipe import Recipe
from steelyard_trainer.compression.weighing import lost_on_search_rows

LABELS = np.arange(100) % 2


def right_in(count: int) -> np.ndarray:
    """Outputs that are right in so many of the rows."""
    said = np.where(np.arange(100) < count, LABELS, 1 - LABELS)
    return np.eye(2)[said]


@dataclass(frozen=True)
class Answered(Candidates):
    """Candidates that have answered the search rows."""

    right: dict[str, int] = field(default_factory=dict)

    def answers(self, name: str) -> Answers | None:
        if name not in self.right:
            return None
        outputs = right_in(self.right[name])
        return Answers(outputs if self.right[name] else outputs * np.nan, outputs)


def answered(**right: int) -> Answered:
    learned = Recipe.of("Distill", "Int8")
    recipes = {BASELINE: Recipe.of("LiteRT"), "Int8": Recipe.of("Int8"), "half": learned, "quarter": learned}
    rows = SearchRows(np.zeros((100, 1)), LABELS)
    unused: Any = None
    measuring = Measuring("Classification", ("a", "b"), None, (), lambda: rows, lambda: rows)
    return Answered(unused, unused, recipes, measuring, right=right)


@pytest.mark.parametrize(
    ("right", "lost"),
    [
        ({"Baseline": 90, "Int8": 50, "half": 89, "quarter": 87}, {"quarter": 0.03}),
        ({"Baseline": 90, "half": 89}, {}),
        ({"Baseline": 90, "half": 0}, {"half": np.inf}),
        ({"Int8": 50}, {}),
    ],
    ids=["a format is in no need of it", "not made", "not finite", "nothing was asked for"],
)
def test_what_was_trained_has_to_pass_on_the_search_rows_too(right: dict[str, int], lost: dict[str, float]) -> None:
    assert lost_on_search_rows(answered(**right), Measure("accuracy"), 0.01) == pytest.approx(lost)
