"""What a search asks next, and when it ends: the results of its trials decide, not the order in which they come."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from searches import DROPOUT, FOREST, answer, log_of, search

from steelyard.api.tuning_job import TuningJobSpec
from steelyard.contract.stages import Reason
from steelyard.tuning.search import NextStep, is_askable, is_independent, known_to, next_step, pending_to


def test_so_many_are_asked_as_may_run() -> None:
    spec = search(parallelTrials=3)
    assert next_step(spec, {}, []) == NextStep((0, 1, 2))
    assert next_step(spec, {}, [0, 1, 2]) == NextStep()
    # 1 and 2 are there, 0 is not: trial 3 must know it, and waits.
    assert next_step(spec, {1: answer(1), 2: answer(2)}, [0]) == NextStep()
    assert next_step(spec, {0: answer(0)}, [1, 2]) == NextStep((3,))
    assert next_step(spec, log_of(0.1, 0.2, 0.3), []) == NextStep((3, 4, 5))
    assert next_step(spec, log_of(0.1, 0.2, 0.3), [3]) == NextStep((4, 5))


def test_a_trial_knows_the_results_by_number() -> None:
    spec = search(parallelTrials=3)
    log = log_of(*[0.5] * 6)
    assert [entry.number for entry in known_to(spec, log, 5)] == [0, 1, 2]
    assert [entry.number for entry in known_to(spec, dict(reversed(log.items())), 6)] == [0, 1, 2, 3]
    assert known_to(spec, log, 2) == []
    free = search(parallelTrials=3, asynchronous=True)
    assert [entry.number for entry in known_to(free, log, 5)] == [0, 1, 2, 3, 4]


def test_who_learns_nothing_does_not_wait() -> None:
    grid = search(algorithm={"name": "Random"}, parallelTrials=2)
    assert is_independent(grid)
    four = search(algorithm={"name": "Random"}, parallelTrials=4)
    assert next_step(four, {3: answer(3)}, [0, 1, 2]) == NextStep((4,))
    trees = {"path": "model.randomForest.nEstimators", "type": "Int", "min": 10, "max": 1000}
    packed = search(algorithm={"name": "Random"}, template=FOREST, parameters=[trees], placement="Packed")
    assert next_step(packed, {}, []) == NextStep(tuple(range(10)))
    for fields in (
        {"objective": {"metric": "accuracy", "target": 0.9}},
        {"maxTrialsWithoutImprovement": 3},
        {"pruning": {"name": "Median"}},
        {"algorithm": {"name": "TPE"}},
    ):
        waits = search(**{"algorithm": {"name": "Random"}, "parallelTrials": 4, **fields})
        assert not is_independent(waits)
        assert next_step(waits, {3: answer(3)}, [0, 1, 2]) == NextStep()


def test_asynchronous_does_not_wait() -> None:
    spec = search(asynchronous=True, parallelTrials=2)
    assert next_step(spec, {1: answer(1)}, [0]) == NextStep((2,))


def test_a_trial_is_none_of_those_whose_results_it_must_not_know() -> None:
    spec = search(parallelTrials=2)
    log = {number: answer(number) for number in (0, 1, 3)}
    suggestions = {number: {DROPOUT: number / 10} for number in range(5)}
    known = known_to(spec, log, 2)
    assert [entry.number for entry in known] == [0]
    assert pending_to(spec, suggestions, known, 2) == [suggestions[1]]
    # Trial 2 was lost, and is created again when 3 is finished and 4 created.
    free = search(parallelTrials=2, asynchronous=True)
    known = known_to(free, log, 2)
    assert pending_to(free, suggestions, known, 2) == [suggestions[3], suggestions[4]]


def test_trials_that_were_lost_are_created_first() -> None:
    grid = search(algorithm={"name": "Random"}, parallelTrials=2)
    log = {1: answer(1), 4: answer(4)}
    assert next_step(grid, log, []) == NextStep((0, 2))
    assert next_step(grid, log, [3]) == NextStep((0,))
    assert next_step(search(algorithm={"name": "Random"}, parallelTrials=5), log, [3]) == NextStep((0, 2, 5, 6))
    # Nothing ends while one of them is open.
    log = {number: answer(number) for number in range(10) if number != 7}
    assert next_step(grid, log, []) == NextStep((7,))
    del log[5], log[6]
    assert next_step(grid, log, [5, 6]) == NextStep()
    log |= {5: answer(5), 6: answer(6)}
    assert next_step(grid, log | {7: answer(7)}, []).end is not None


def test_a_lost_trial_waits_for_the_results_it_was_created_with() -> None:
    learning = search(algorithm={"name": "TPE"}, parallelTrials=2)
    assert next_step(learning, {0: answer(0), 4: answer(4)}, []) == NextStep((1, 2))
    # There is room for one, but trial 3 must know the result of 1.
    assert next_step(learning, {0: answer(0), 2: answer(2), 4: answer(4)}, [1]) == NextStep()


def test_a_lost_trial_for_which_no_combination_is_left_is_not_created_for_ever() -> None:
    grid = search(algorithm={"name": "Random"}, parallelTrials=2)
    step = next_step(grid, {0: answer(0), 2: answer(2)}, [], exhausted_at=1)
    assert step.end is not None and step.end.reason == Reason.SPACE_EXHAUSTED


def test_all_trials_are_finished() -> None:
    spec = search(maxTrials=3, parallelTrials=2)
    assert next_step(spec, log_of(0.1, 0.2), []).ask == (2,)
    assert next_step(spec, log_of(0.1, 0.2), []).end is None
    assert next_step(spec, log_of(0.1), [1, 2]) == NextStep()
    end = next_step(spec, log_of(0.1, 0.2, 0.3), []).end
    assert end is not None
    assert (end.reason, end.has_failed) == (Reason.SUCCEEDED, False)
    assert "3 trials" in end.message
    # Raised, it goes on from there.
    assert next_step(search(maxTrials=5, parallelTrials=2), log_of(0.1, 0.2, 0.3), []) == NextStep((3, 4))


def test_of_one_trial_not_all_are_finished() -> None:
    end = next_step(search(maxTrials=1), log_of(0.5), []).end
    assert end is not None
    assert end.message == "the 1 trial (spec.maxTrials) is finished"


def test_the_end_is_told_while_the_last_ones_run() -> None:
    spec = search(maxTrials=3, parallelTrials=2, algorithm={"name": "Random"})
    end = next_step(spec, log_of(0.1), [1, 2]).end
    assert end is not None
    assert end.reason == Reason.SUCCEEDED


@pytest.mark.parametrize(("metric", "worse", "good"), [("accuracy", 0.89, 0.9), ("logLoss", 0.91, 0.9)])
def test_the_target_is_reached_by_being_equal(metric: str, worse: float, good: float) -> None:
    spec = search(objective={"metric": metric, "target": 0.9})
    assert next_step(spec, log_of(worse), []) == NextStep((1,))
    end = next_step(spec, log_of(worse, good), []).end
    assert end is not None
    assert end.reason == Reason.TARGET_REACHED
    assert "trial 1" in end.message
    # A pruned trial has reached nothing, and a failed one neither.
    assert next_step(spec, {0: answer(0, good, "Pruned"), 1: answer(1, None, "Failed")}, []) == NextStep((2,))


def test_the_target_ends_the_search_at_the_trial_that_knows_it() -> None:
    spec = search(objective={"metric": "accuracy", "target": 0.9}, parallelTrials=2)
    # Trial 2 knows the result of 0 only, whatever else is there.
    assert next_step(spec, log_of(0.1, 0.95), []) == NextStep((2,))
    assert next_step(spec, log_of(0.1, 0.95), [2]).end is not None


def test_no_improvement_counts_trials_in_a_row_but_for_failed_ones() -> None:
    spec = search(maxTrialsWithoutImprovement=3)
    assert next_step(spec, log_of(0.5, 0.4, 0.5), []) == NextStep((3,))
    end = next_step(spec, log_of(0.5, 0.4, 0.5, 0.3), []).end  # Equal is not better.
    assert end is not None
    assert (end.reason, end.has_failed) == (Reason.NO_IMPROVEMENT, False)
    assert next_step(spec, log_of(0.5, 0.4, 0.6, 0.3), []) == NextStep((4,))
    assert next_step(spec, log_of(0.5, None, None, 0.3), []) == NextStep((4,))
    pruned = log_of(0.5, 0.3) | {2: answer(2, 0.9, "Pruned"), 3: answer(3, 0.5, "Repeated")}
    assert next_step(spec, pruned, []).end is not None


def test_an_answer_that_is_missing_may_be_the_improvement() -> None:
    spec = search(maxTrialsWithoutImprovement=3, parallelTrials=2)
    log = log_of(0.5, 0.4, 0.3, 0.2)
    # Trial 6 is to know 0 to 4; 4 runs.
    assert next_step(spec, log | {5: answer(5, 0.1)}, [4]) == NextStep()
    assert next_step(spec, log | {4: answer(4, 0.6), 5: answer(5, 0.1)}, []) == NextStep((6, 7))
    assert next_step(spec, log | {4: answer(4, 0.4), 5: answer(5, 0.1)}, []).end is not None


def test_time_is_up() -> None:
    spec = search(maxMinutes=5)
    assert next_step(spec, log_of(0.1), [], minutes=4.9) == NextStep((1,))
    end = next_step(spec, log_of(0.1), [], minutes=5.0).end
    assert end is not None
    assert (end.reason, end.has_failed) == (Reason.TIME_IS_UP, False)


def test_too_many_failed_end_it_at_once() -> None:
    spec = search(maxFailedTrials=1, parallelTrials=4)
    assert next_step(spec, log_of(None, 0.5), []).ask == (2, 3, 4, 5)
    end = next_step(spec, log_of(None, 0.5, None), [3]).end
    assert end is not None
    assert (end.reason, end.has_failed) == (Reason.TOO_MANY_FAILED_TRIALS, True)
    assert "trial 2: OutOfMemory" in end.message
    none_may = search(maxFailedTrials=0)
    end = next_step(none_may, log_of(None), []).end
    assert end is not None
    assert end.has_failed


def test_the_space_is_exhausted_from_the_trial_that_found_nothing_left() -> None:
    spec = search(parallelTrials=3)
    assert next_step(spec, log_of(0.1), [1], exhausted_at=3) == NextStep((2,))
    assert next_step(spec, log_of(0.1, 0.2), [2], exhausted_at=3).ask == ()
    end = next_step(spec, log_of(0.1, 0.2, 0.3), [], exhausted_at=3).end
    assert end is not None
    assert (end.reason, end.has_failed) == (Reason.SPACE_EXHAUSTED, False)
    assert "3 trials" in end.message


def _values_of(seed: int) -> list[float]:
    return [random.Random(f"{seed} {number}").choice([0.1, 0.2, 0.3, 0.4]) for number in range(30)]


def _numbers_asked(spec: TuningJobSpec, seed: int, order: random.Random) -> tuple[int, dict[int, list[int]]]:
    """Runs a search whose trials end in any order; how many were created, and what each knew."""
    values, log, running, knew = _values_of(seed), {}, [], {}
    while True:
        step = next_step(spec, log, running)
        for number in step.ask:
            knew[number] = [entry.number for entry in known_to(spec, log, number)]
            running.append(number)
        assert len(running) <= spec.parallel_trials
        if not running:
            assert step.end is not None, "nothing runs and nothing is asked"
            return len(log), knew
        done = running.pop(order.randrange(len(running)))
        log[done] = answer(done, values[done])


@given(st.integers(0, 50), st.integers(1, 6), st.sampled_from([None, 2, 4]), st.sampled_from([None, 0.4]))
def test_a_search_is_the_same_in_whatever_order_its_trials_end(
    seed: int, parallel: int, patience: int | None, target: float | None
) -> None:
    spec = search(
        maxTrials=20,
        parallelTrials=parallel,
        maxTrialsWithoutImprovement=patience,
        objective={"metric": "accuracy", "target": target},
    )
    runs = [_numbers_asked(spec, seed, random.Random(order)) for order in range(4)]
    assert all(run == runs[0] for run in runs)
    asked, knew = runs[0]
    assert all(numbers == list(range(max(0, number - parallel + 1))) for number, numbers in knew.items())
    assert asked == 20 if patience is None and target is None else asked <= 20


def test_is_askable_needs_every_number() -> None:
    spec = search(parallelTrials=2)
    log = log_of(0.1, 0.2, 0.3)
    assert is_askable(spec, log, 4)
    assert not is_askable(spec, log, 5)
    del log[1]
    assert not is_askable(spec, log, 3)
    assert is_askable(spec, log, 2)
