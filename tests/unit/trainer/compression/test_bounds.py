"""The most that a model loses: Tango's bound by his own formula, by what others compute, and by exact enumeration."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammaln, ndtri, xlogy

from steelyard.api.compression.proof import rows_to_prove
from steelyard_trainer.compression.bounds import score_bound, tango_bound

MOST_ROWS = 30
CLAIMED = {3: 0.125, 15: 0.09, 20: 0.08}
"""From so many rows on a true loss of the budget is accepted at most this often, whatever share of the rows differs."""


def by_formula(lost: int, gained: int, rows: int, confidence: float) -> float:
    """The root of Tango's statistic (1998, formulas 4 and 5), by halving."""

    def statistic(difference: float) -> float:
        linear = -lost - gained + (2 * rows - lost + gained) * difference
        constant = -gained * difference * (1 - difference)
        share = (math.sqrt(max(0.0, linear**2 - 8 * rows * constant)) - linear) / (4 * rows)
        variance = rows * (2 * share + difference * (1 - difference))
        return (lost - gained - rows * difference) / math.sqrt(variance) if variance > 0 else -math.inf

    low, high = (lost - gained) / rows, 1.0
    for _ in range(60):
        half = (low + high) / 2
        low, high = (half, high) if statistic(half) >= -ndtri(confidence) else (low, half)
    return low


def pairs(rows: int) -> list[tuple[int, int]]:
    return [(lost, gained) for lost in range(rows + 1) for gained in range(rows + 1 - lost)]


@pytest.mark.parametrize("rows", [1, 2, 7, 16, MOST_ROWS])
def test_the_bound_is_tangos_for_all_pairs(rows: int) -> None:
    for lost, gained in pairs(rows):
        expected = by_formula(lost, gained, rows, 0.95)
        assert tango_bound(lost, gained, rows, 0.95) == pytest.approx(expected, abs=1e-8), (lost, gained)


@pytest.mark.parametrize(
    ("lost", "gained", "rows", "low", "high"),
    # Fagerland, Lydersen and Laake, Statistical Analysis of Contingency Tables (2017), tables 8.4 and 8.5.
    [(6, 16, 161, -0.1240, -0.0054), (1, 7, 21, -0.5172, -0.0260)],
)
def test_the_bound_is_what_others_compute(lost: int, gained: int, rows: int, low: float, high: float) -> None:
    assert tango_bound(lost, gained, rows, 0.975) == pytest.approx(high, abs=5e-5)
    assert -tango_bound(gained, lost, rows, 0.975) == pytest.approx(low, abs=5e-5)


def test_a_loss_of_the_budget_is_accepted_no_more_often_than_claimed() -> None:
    """All pairs of all numbers of rows up to 30, by the probability of each."""
    for rows in range(3, MOST_ROWS + 1):
        lost, gained = np.array(pairs(rows)).T
        bounds = np.array([tango_bound(*pair, rows, 0.95) for pair in pairs(rows)])
        ways = gammaln(rows + 1) - gammaln(lost + 1) - gammaln(gained + 1) - gammaln(rows - lost - gained + 1)
        claimed = next(share for least, share in reversed(CLAIMED.items()) if rows >= least)
        for budget in (0.01, 0.05, 0.1, 0.2):
            for gains in np.linspace(0, (1 - budget) / 2, 12):
                loses, stay = gains + budget, max(0.0, 1 - 2 * gains - budget)
                logs = ways + xlogy(lost, loses) + xlogy(gained, gains) + xlogy(rows - lost - gained, stay)
                accepted = float(np.exp(logs[bounds <= budget]).sum())
                assert accepted <= claimed, (rows, budget, gains)


def test_268_equal_answers_prove_a_point_and_267_do_not() -> None:
    assert tango_bound(0, 0, 268, 0.95) <= 0.01 < tango_bound(0, 0, 267, 0.95)
    assert rows_to_prove(0.01, 1.0, 0.95) == 268
    assert rows_to_prove(0.0, 1.0, 0.95) is None
    assert rows_to_prove(1.0, 1.0, 0.95) == 30
    assert rows_to_prove(0.01, math.inf, 0.95) is None


def test_many_rows_have_the_bound_of_the_normal_distribution() -> None:
    losses = np.random.default_rng(0).normal(size=20_000)
    expected = losses.mean() + 1.645 * losses.std() / math.sqrt(len(losses))
    assert score_bound(losses, float(losses.max()), 0.95) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("losses", [[1.0, 0.99999], [0.9999999999999999, 0.87], [17.0] * 5 + [16.9999]])
def test_losses_that_are_all_near_the_worst_have_a_bound(losses: list[float]) -> None:
    worst = max(losses)
    assert np.mean(losses) <= score_bound(losses, worst, 0.95) <= worst


losses = st.lists(st.floats(-3, 1), min_size=1, max_size=20)


@given(losses, st.floats(1, 5), st.sampled_from([0.6, 0.95, 0.999]))
def test_the_bound_lies_between_the_mean_and_the_worst(each: list[float], worst: float, confidence: float) -> None:
    mean, bound = float(np.mean(each)), score_bound(each, worst, confidence)
    assert mean - 1e-9 <= bound <= worst + 1e-9
    assert bound <= score_bound(each, worst + 1, confidence) + 1e-7, "what may be worse proves less"
    assert bound >= score_bound(each * 2, worst, confidence) - 1e-7, "more rows prove more"
    by_counts = score_bound([0.0, *each], worst, confidence, [0, *[1] * len(each)])
    assert by_counts == pytest.approx(bound, abs=1e-9)
