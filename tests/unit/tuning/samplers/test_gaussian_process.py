"""What a Gaussian process makes of answers: how they compare, and what is to be gained."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from sampler_support import cube, spec_of

from steelyard.contract.trial_report import State
from steelyard.search.log import Entry
from steelyard.tuning.asking import Asker
from steelyard.tuning.samplers import gaussian_process
from steelyard.tuning.samplers.base import SuggestRequest


def log_gains(*z: float) -> list[float]:
    """By a process that expects -z everywhere, give or take 1, where 0 is the best so far."""

    class Process:
        def predict(self, points: Any, return_std: bool = False) -> tuple[Any, Any]:
            assert return_std
            return -np.array(z), np.ones(len(points))

    surrogate = object.__new__(gaussian_process._Surrogate)
    fields = {"_space": Asker(spec_of(cube(1))).space, "_scales": np.ones(1), "_best": 0.0, "_process": Process()}
    vars(surrogate).update(fields)
    return [float(gain) for gain in surrogate.improvement(np.zeros((len(z), 1)))]


def exact(z: float) -> float:
    """The same, in fractions: of (z Phi(z) + phi(z)) / phi(0) by its series."""
    argument, term = Fraction(z) ** 2 / 2, Fraction(1)
    # phi(z) / phi(0) + z^2 (1/2 + z^2/2 ...): sum of (-1)^(n+1) x^n / (n! (2n - 1)), and z sqrt(pi / 2).
    total = Fraction(1)
    for n in range(1, 60 + 6 * math.ceil(argument)):
        term *= -argument / n
        total -= term / (2 * n - 1)
    return math.log(total + Fraction(z) * Fraction(math.sqrt(math.pi / 2)))


@pytest.mark.parametrize("z", (-3.0, -1.0, 0.0, 0.5, 2.0, 6.0, 12.0))
def test_the_expected_improvement_is_what_its_series_says(z: float) -> None:
    assert log_gains(z)[0] == pytest.approx(exact(z), abs=1e-9)


@pytest.mark.parametrize("z", (29.0, 30.0, 31.0, 36.0, 38.0, 100.0, 1e6, 1e200))
def test_a_sure_improvement_is_the_difference_itself(z: float) -> None:
    assert log_gains(z)[0] == pytest.approx(math.log(z) + 0.5 * math.log(2 * math.pi), abs=1e-9)


def test_more_to_gain_ranks_first_without_a_jump() -> None:
    z = [-1e3, -40.0, -30.001, -29.999, -5.0, 0.0, 5.0, 29.9, 30.0, math.nextafter(30.0, 31.0), 30.1, 37.0, 40.0, 1e3]
    gains = log_gains(*z)

    assert gains == sorted(gains)
    assert gains[9] - gains[8] < 1e-9


def losses(values: list[float], states: dict[int, State] | None = None) -> list[float]:
    spec = spec_of(cube(1), "GP", objective={"metric": "rmse"})
    entries = [Entry(place, {}, (states or {}).get(place, "Complete"), value) for place, value in enumerate(values)]
    request = SuggestRequest(spec, Asker(spec).space, len(values), tuple(entries), (), (), initial=0)
    return [float(loss) for loss in gaussian_process._losses(request, entries)]


def test_worse_trials_stay_apart_where_most_are_equally_good() -> None:
    found = losses([0.25] * 7 + [0.26, 0.3, 0.35])

    assert found[:7] == [found[0]] * 7
    assert np.diff(found[6:]).min() > 0.1
    assert (found[8] - found[7]) / (found[7] - found[6]) == pytest.approx(4.0)


@pytest.mark.parametrize("good", (0.0, 0.25, -1e6))
def test_what_is_very_bad_is_cut_off_where_most_are_equally_good_too(good: float) -> None:
    found = losses([good] * 7 + [good + 1, good + 2, good + 1e9])

    assert found[8] - found[7] == pytest.approx(found[7] - found[6])
    assert found[9] - found[6] == pytest.approx(6 * (found[7] - found[6]))


def test_one_trial_out_of_all_bounds_hides_no_other() -> None:
    found = losses([0.1, 0.2, 0.3, 0.4, 1.7e308, -0.1])

    assert found[1] - found[0] == pytest.approx(found[2] - found[1])
    assert found[1] - found[0] > 0.1


def test_pruned_trials_are_no_better_than_the_median() -> None:
    found = losses([0.1, 0.2, 0.3, 0.0, 0.25], {3: "Pruned", 4: "Pruned"})

    assert found[3] == found[1]
    assert found[1] < found[4] < found[2]


def test_equal_answers_say_nothing() -> None:
    assert losses([0.3] * 5) == [0.0] * 5
