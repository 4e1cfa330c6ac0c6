"""The best trial, and the front where there are two objectives."""

import math
import random
from typing import Any

import pytest
from searches import answer

from steelyard.search.best import best_of, front_of


@pytest.mark.parametrize(("goal", "best"), [("Maximize", 1), ("Minimize", 3)])
def test_of_equal_ones_the_first_is_best(goal: Any, best: int) -> None:
    log = [answer(4, 0.9), answer(3, 0.1), answer(2, 0.9), answer(1, 0.9), answer(0, 0.5), answer(5, 0.1)]
    found = best_of(log, goal)
    assert found is not None
    assert found.number == best


def test_only_trials_that_ran_to_their_end_are_best() -> None:
    assert best_of([], "Maximize") is None
    assert best_of([answer(0, 0.9, "Pruned"), answer(1, None, "Failed"), answer(2, math.nan)], "Maximize") is None
    found = best_of([answer(0, math.nan), answer(1, 0.1), answer(2, 0.9, "Pruned")], "Maximize")
    assert found is not None
    assert found.number == 1


def test_the_front_holds_no_dominated_point() -> None:
    generator = random.Random(5)
    log = [answer(n, generator.randrange(20) / 20, secondary=float(generator.randrange(20))) for n in range(200)]
    log.append(answer(200, 1.0, "Pruned", secondary=0.0))
    log.append(answer(201, 1.0))
    for goal in ("Maximize", "Minimize"):
        sign = 1 if goal == "Maximize" else -1
        front = front_of(log, goal)
        points = [(sign * (entry.value or 0), -(entry.secondary or 0)) for entry in log[:200]]
        own = [(sign * (entry.value or 0), -(entry.secondary or 0)) for entry in front]
        assert own == sorted(own, reverse=True)
        beaten = [a for a in own if any(b != a and b[0] >= a[0] and b[1] >= a[1] for b in points)]
        assert not beaten
        free = {a for a in points if not any(b != a and b[0] >= a[0] and b[1] >= a[1] for b in points)}
        assert free == set(own)
        assert len(own) == len(set(own))
        # Of equal ones the first.
        assert [entry.number for entry in front] == [points.index(point) for point in own]


@pytest.mark.parametrize("second", [math.nan, math.inf])
def test_an_answer_whose_cost_is_no_number_is_not_on_the_front(second: float) -> None:
    log = [answer(0, 0.9, secondary=second), answer(1, 0.5, secondary=3.0), answer(2, 0.4, secondary=2.0)]
    assert [entry.number for entry in front_of(log, "Maximize")] == [1, 2]
