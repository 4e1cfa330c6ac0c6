"""The answers of folds, and what is said of a proof by them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steelyard.api.loading import parse_training_job
from steelyard.api.metrics import Measure
from steelyard.contract.workspace import Workspace
from steelyard_trainer.compression.answers import Answers, SearchRows
from steelyard_trainer.compression.candidates import Candidates, Measuring
from steelyard_trainer.compression.choice import Measured, choose
from steelyard_trainer.compression.cross_fitting import FOLDS, OnFolds, contexts_of_folds
from steelyard_trainer.compression.paired import Bound
from steelyard_trainer.compression.proving import Bounds, Proof
from steelyard_trainer.compression.recipe import Recipe
from steelyard_trainer.contract import StageContext
from steelyard_trainer.evaluation.metrics import Figure

RECIPES = {"Baseline": Recipe.of("LiteRT"), "Int8": Recipe.of("Int8")}


@dataclass(frozen=True)
class Answered(Candidates):
    """Candidates that are made, and what they answer."""

    says: dict[str, float] = field(default_factory=dict)
    asked: list[bool] = field(default_factory=list)

    def measure(self, *_: Any, with_answers: bool = False, **__: Any) -> list[Measured]:
        self.asked.append(with_answers and not self.measuring.costs and self.recipes == RECIPES)
        return []

    def answers(self, name: str) -> Answers | None:
        rows = len(self.measuring.read_validation().targets)
        return Answers(np.zeros((2, 1)), np.full((rows, 1), self.says[name])) if name in self.says else None


def candidates(rows: int, asked: list[bool], recipes: dict[str, Recipe] | None = None, **says: float) -> Answered:
    unused: Any = None
    held = SearchRows(np.zeros((rows, 1)), np.arange(rows))
    measuring = Measuring("Regression", None, None, (), lambda: held, lambda: held)
    return Answered(unused, unused, recipes or RECIPES, measuring, says=says, asked=asked)


def test_the_answers_of_all_folds_are_put_together_and_the_search_rows_are_the_file_s() -> None:
    asked: list[bool] = []
    others = {"Baseline": Recipe.of("LiteRT")}
    parts = [candidates(rows, asked, others, Baseline=rows, **({"Int8": 9.0} if rows < 4 else {})) for rows in (3, 4)]
    found = OnFolds.of(candidates(5, asked, Baseline=1.0, Int8=2.0), parts)
    assert asked == [True, True], "made by the recipes of the model itself, with answers, untimed"
    assert found.measuring.read_validation().targets.tolist() == [0, 1, 2, 0, 1, 2, 3]
    baseline = found.answers("Baseline")
    assert baseline is not None and baseline.validation.ravel().tolist() == [3.0] * 3 + [4.0] * 4
    assert baseline.search.shape == (2, 1)
    assert found.answers("Int8") is None, "it could not be made on every fold"


@pytest.mark.parametrize("most", [0.005, 0.02])
def test_every_word_of_the_proof_is_of_the_recipe(most: float) -> None:
    measured = [
        Measured(name, size, 1.0, {"accuracy": Figure(0.9, 0.01)}) for name, size in (("Baseline", 9), ("Int8", 5))
    ]
    bound, alike = Bound(0.001, 0.004, 1000, 1.0), Bound(0.0, most, 1000, 1.0)
    made = {"Int8": Bounds(bound, bound)} if most < 0.01 else {"Int8": Bounds(bound, alike)}
    choice = choose(measured, Measure("accuracy"), 0.01, "Size", "float32", Proof(0.95, alike, made, folds=5))
    what = "proved of the recipe, made again on 5 folds, not of this file: accuracy "
    assert choice.proof.startswith(what if most < 0.01 else f"not {what}")
    unmade = choose(measured, Measure("accuracy"), 0.01, "Size", "float32", Proof(0.95, alike, {}, folds=5))
    assert unmade.weighed[1].verdict == "rejected: it could not be made on every fold"


def test_what_folds_of_another_model_left_is_removed(tmp_path: Path) -> None:
    spec = {"dataset": {"uri": "sklearn:wine", "target": "target"}, "model": {"ridge": {}}}
    manifest = {"apiVersion": "steelyard.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "a"}, "spec": spec}
    context = StageContext("finish", parse_training_job(manifest), Workspace(tmp_path), None, "key", 0)
    before = [own.workspace.root for own in contexts_of_folds(context, "1" * 64)]
    (before[0] / "left").write_text("")
    assert [own.workspace.root for own in contexts_of_folds(context, "1" * 64)] == before and len(before) == FOLDS
    assert (before[0] / "left").exists()
    contexts = list(contexts_of_folds(context, "2" * 64))
    assert not before[0].exists() and len({own.key for own in contexts}) == FOLDS
