"""A search on stored fold scores (benchmarks/fold_table.py makes them): what it finds for how many fits.

The regret is the best mean of the table less that of the best trial that ran to its end. A fit is one fold of a trial.
"""

import itertools
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from search_simulation import Curve, Simulation
from seeds import seeds

from steelyard.api.tuning_job import TuningJobSpec
from steelyard.search.log import Values

DATA = Path(__file__).parents[1] / "data"
FOLDS = 5
PAIRED = {"name": "PairedFolds"}
SEEDS = seeds(20, few=5)


@dataclass(frozen=True)
class Table:
    """Fold scores of all combinations."""

    metric: str
    space: dict[str, list[Any]]
    scores: dict[tuple[str, ...], list[float]]

    @classmethod
    def load(cls, file: str) -> "Table":
        document = json.loads((DATA / file).read_text(encoding="utf-8"))
        space = document["parameters"]
        combinations = itertools.product(*([json.dumps(value) for value in values] for values in space.values()))
        return cls(document["metric"], space, dict(zip(combinations, document["scores"], strict=True)))

    @property
    def best(self) -> float:
        return max(sum(folds) / FOLDS for folds in self.scores.values())

    def curve_of(self, values: Values) -> Curve:
        folds = self.scores[tuple(json.dumps(values[path]) for path in self.space)]
        return lambda fold: folds[fold - 1]

    def search(self, algorithm: str, seed: int, pruning: dict[str, Any] | None) -> Simulation:
        spec = TuningJobSpec.model_validate(
            {
                "objective": {"metric": self.metric},
                "parameters": [
                    {"path": path, "type": "Categorical", "values": values} for path, values in self.space.items()
                ],
                "algorithm": {"name": algorithm, "seed": seed},
                "maxTrials": len(self.scores),
                "pruning": pruning,
                "template": {
                    "dataset": {"uri": "sklearn:digits", "target": "target"},
                    "model": {"randomForest": {}},
                    "evaluation": {"crossValidation": {"folds": FOLDS}},
                },
            }
        )
        return Simulation(spec, self.curve_of, FOLDS, of_folds=True)

    def regrets(self, algorithm: str, seed: int, pruning: dict[str, Any] | None, fits: tuple[int, ...]) -> list[float]:
        """The regret after so many fits, ascending."""
        simulation, best, found = self.search(algorithm, seed, pruning), -1.0, list[float]()
        for entry in simulation.trials():
            while len(found) < len(fits) and simulation.cost > fits[len(found)]:
                found.append(self.best - best)
            if entry.is_answer and entry.value is not None:
                best = max(best, entry.value)
            if len(found) == len(fits) or best == self.best:  # It stays so.
                break
        return found + [self.best - best] * (len(fits) - len(found))


@pytest.fixture(scope="module")
def forest() -> Table:
    """Five parameters of a forest on the diabetes set."""
    return Table.load("diabetes_forest.json")


@pytest.fixture(scope="module")
def digits() -> Table:
    """The grid search that everybody knows."""
    return Table.load("digits_forest.json")


def test_the_table_is_no_easy_one(forest: Table) -> None:
    means = [sum(folds) / FOLDS for folds in forest.scores.values()]
    assert len(means) >= 200
    assert len(forest.space) == 5
    assert sum(mean >= forest.best - 0.002 for mean in means) < 0.02 * len(means)


def test_tpe_with_pruned_folds_has_at_most_half_of_random_s_regret_for_as_many_fits(forest: Table) -> None:
    third = len(forest.scores) * FOLDS // 3
    # At half of that, too, where there is more left to find.
    fits = (third // 2, third)
    ours = [forest.regrets("TPE", seed, PAIRED, fits) for seed in SEEDS]
    random = [forest.regrets("Random", seed, None, fits) for seed in SEEDS]
    for index, count in enumerate(fits):
        regret = statistics.fmean(found[index] for found in ours)
        other = statistics.fmean(found[index] for found in random)
        assert regret <= other / 2, f"{count} fits: {regret}, Random {other}"


def test_pruned_folds_lose_nothing_and_save_a_seventh(forest: Table) -> None:
    everything = len(forest.scores) * FOLDS
    for seed in seeds(5, few=1):
        simulation = forest.search("Random", seed, PAIRED)
        assert sum(1 for _ in simulation.trials()) == len(forest.scores)
        best = simulation.best()
        assert best is not None
        assert best.value == forest.best
        assert simulation.cost < everything * 6 / 7


@pytest.mark.parametrize("seed", seeds(10, few=3))
def test_the_seed_s_grid_is_as_good_as_searched_after_a_third_of_its_fits(digits: Table, seed: int) -> None:
    simulation, asked = digits.search("TPE", seed, PAIRED), list[str]()
    for entry in simulation.trials():
        if simulation.cost > 60:
            break
        asked.append(json.dumps(entry.values))
        best = simulation.best()
    assert len(asked) >= 60 / FOLDS
    assert len(set(asked)) == len(asked)
    assert best is not None
    assert best.value is not None
    assert digits.best - best.value <= 0.002
