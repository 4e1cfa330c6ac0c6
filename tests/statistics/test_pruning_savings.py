"""What pruning saves: epochs until a search is as good as Random, on learning curves that cross."""

import math
import random
import statistics
from typing import Any

import pytest
from search_simulation import DROPOUT, L2, RATE, Curve, Simulation, search
from seeds import seeds

from steelyard.contract.step_values import single
from steelyard.search.log import Values

EPOCHS = 81
TRIALS = 64
SEEDS = seeds(20, few=5)


def learning_curve(values: Values, seed: int) -> Curve:
    """An exponential that saturates: final - (final - 0.1) * exp(-epoch / time), plus noise.

    final is 0.97 at the best point and falls with the square of the distance to it, in decades of the learning rate and
    of the penalty, and in dropout. time is 3 epochs there, shorter for larger learning rates and longer for more
    dropout: so who learns fast is ahead early, and ends low. The noise has a deviation of 0.003, and is the same
    whenever the trial is asked.
    """
    rate, dropout, penalty = math.log10(values[RATE]), values[DROPOUT], math.log10(values[L2])
    final = 0.97 - 0.1 * (rate + 3) ** 2 - 0.3 * (dropout - 0.3) ** 2 - 0.01 * (penalty + 4) ** 2
    time = 3 * 10 ** (-0.2 * (rate + 3)) * (1 + dropout)
    noise = f"{seed} {sorted(values.items())}"

    def value(epoch: int) -> float:
        chance = random.Random(f"{noise} {epoch}").gauss(0, 0.003)
        return single(final - (final - 0.1) * math.exp(-epoch / time) + chance)

    return value


def run(pruning: dict[str, Any] | None, seed: int, trials: int) -> Simulation:
    spec = search(pruning, maxTrials=trials, algorithm={"name": "Random", "seed": seed}, parallelTrials=2)
    return Simulation(spec, lambda values: learning_curve(values, seed), EPOCHS)


def epochs_to(target: float, pruning: dict[str, Any] | None, seed: int) -> float:
    """How many epochs it takes until a trial has ended so well."""
    simulation = run(pruning, seed, 400)
    for entry in simulation.trials():
        if entry.is_answer and entry.value is not None and entry.value >= target:
            return simulation.cost
    return math.inf


@pytest.fixture(scope="module")
def random_median() -> float:
    """The median of the best final values of Random without pruning."""
    found = []
    for seed in SEEDS:
        simulation = run(None, seed, TRIALS)
        assert len(list(simulation.trials())) == TRIALS
        assert simulation.cost == TRIALS * EPOCHS
        best = simulation.best()
        assert best is not None
        assert best.value is not None
        found.append(best.value)
    return statistics.median(found)


def test_the_curves_cross() -> None:
    """A quarter of the pairs are in another order at the end than after three epochs, a tenth than after nine, the
    default of graceEpochs."""
    drawn = [learning_curve(entry.values, 0) for entry in run(None, 0, 60).trials()]
    for epoch, share in ((3, 0.25), (9, 0.1)):
        pairs = [(one, other) for one in drawn for other in drawn if one(epoch) > other(epoch)]
        assert sum(one(EPOCHS) < other(EPOCHS) for one, other in pairs) > share * len(pairs)


@pytest.mark.parametrize("name", ["Median", "SuccessiveHalving", "Hyperband"])
def test_random_s_median_is_reached_for_half_of_the_epochs(name: str, random_median: float) -> None:
    needed = statistics.median(epochs_to(random_median, {"name": name}, seed) for seed in SEEDS)
    assert needed <= TRIALS * EPOCHS / 2, f"{needed} epochs, Random {TRIALS * EPOCHS}"
