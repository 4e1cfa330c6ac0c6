"""How good the algorithms are that learn from answers: on functions whose best value is known, against Random."""

import functools
import math
import statistics
from collections.abc import Callable, Sequence

import pytest
from sampler_support import cube, play, spec_of
from seeds import seeds

from steelyard.search.best import front_of
from steelyard.search.log import Entry, Values

SEEDS = seeds(20, few=5)


def branin(x: Sequence[float]) -> float:
    """Three valleys; the least value is 0.397887."""
    one, other = 15 * x[0] - 5, 15 * x[1]
    valley = other - 5.1 / (4 * math.pi**2) * one**2 + 5 / math.pi * one - 6
    return valley**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(one) + 10


_HEIGHTS = (1.0, 1.2, 3.0, 3.2)
_SLOPES = (
    (10, 3, 17, 3.5, 1.7, 8),
    (0.05, 10, 17, 0.1, 8, 14),
    (3, 3.5, 1.7, 10, 17, 8),
    (17, 8, 0.05, 10, 0.1, 14),
)
_PLACES = (
    (0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886),
    (0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991),
    (0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650),
    (0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381),
)


def hartmann_6(x: Sequence[float]) -> float:
    """Four hills in six dimensions, upside down; the least value is -3.32237."""
    return -sum(
        height
        * math.exp(-sum(slope * (here - place) ** 2 for slope, here, place in zip(slopes, x, places, strict=True)))
        for height, slopes, places in zip(_HEIGHTS, _SLOPES, _PLACES, strict=True)
    )


def zdt1(x: Sequence[float]) -> tuple[float, float]:
    """Two objectives; the front is 1 - sqrt(first)."""
    rest = 1 + 9 * sum(x[1:]) / (len(x) - 1)
    return x[0], rest * (1 - math.sqrt(x[0] / rest))


FUNCTIONS: dict[str, tuple[Callable[[Sequence[float]], float], int, float]] = {
    "Branin": (branin, 2, 0.397887),
    "Hartmann 6": (hartmann_6, 6, -3.32237),
}
"""The function, its dimensions, its least value."""


def test_the_functions_are_what_they_are_called() -> None:
    assert branin((0.5427729, 0.1516667)) == pytest.approx(0.397887, abs=1e-5)
    assert hartmann_6((0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573)) == pytest.approx(-3.32237, abs=1e-5)
    assert zdt1((0.25, 0, 0, 0, 0, 0)) == (0.25, 0.5)
    assert volume([(0.5, 5.5)]) == pytest.approx((1.1 - 0.5) * (11 - 5.5))


@functools.cache
def regret(algorithm: str, function: str, trials: int) -> float:
    """How much worse the best trial is than the best there is: the median over the seeds."""
    compute, dimensions, least = FUNCTIONS[function]

    def answer(number: int, values: Values) -> Entry:
        return Entry(number, values, "Complete", compute(list(values.values())))

    def best(seed: int) -> float:
        entries = play(spec_of(cube(dimensions), algorithm, seed=seed, objective={"metric": "rmse"}), trials, answer)
        return min(entry.value for entry in entries if entry.value is not None)

    return statistics.median(best(seed) for seed in SEEDS) - least


# Measured: Branin 0.18 by Random and 0.020, 0.008, 0.0001; Hartmann 6 1.45 and 0.12, 0.30, 0.002. (GP: 0.80 and 1.80.)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("algorithm, trials", (("TPE", 100), ("CMA-ES", 100), ("GP", 50)))
def test_it_finds_a_better_value_than_random(algorithm: str, trials: int, function: str) -> None:
    assert 0 <= regret(algorithm, function, trials) < 0.4 * regret("Random", function, trials)


def volume(points: Sequence[tuple[float, float]]) -> float:
    """The area that a front rules up to (1.1, 11). Of ZDT1's own front it is 11.77."""
    area, ceiling = 0.0, 11.0
    for first, second in sorted(points):
        if first < 1.1 and second < ceiling:
            area += (1.1 - first) * (ceiling - second)
            ceiling = second
    return area


def ruled_by(algorithm: str) -> float:
    """The area of the front after 200 trials: the median over the seeds."""
    settings = {"populationSize": 20} if algorithm == "NSGA-II" else None

    def answer(number: int, values: Values) -> Entry:
        first, second = zdt1(list(values.values()))
        return Entry(number, values, "Complete", first, secondary=second)

    def of_one(seed: int) -> float:
        objective = {"metric": "rmse", "secondary": "Size"}
        spec = spec_of(cube(6), algorithm, seed=seed, settings=settings, objective=objective)
        return volume(
            [(entry.value or 0.0, entry.secondary or 0.0) for entry in front_of(play(spec, 200, answer), "Minimize")]
        )

    return statistics.median(of_one(seed) for seed in SEEDS)


def test_nsga_ii_finds_a_better_front_than_random() -> None:
    assert ruled_by("NSGA-II") > ruled_by("Random") + 0.7, "measured: 11.0 and 9.9"
