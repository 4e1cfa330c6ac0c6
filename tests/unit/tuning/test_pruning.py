"""The rules of pruning: what limits they set, and what they save."""

import math
import random
import statistics
from typing import Any

import pytest
from search_simulation import search

from steelyard.api.training_job import TrainingJobSpec
from steelyard.api.trial import PairedLimit, Trial
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.contract.trial_report import State, TrialReport
from steelyard.search.best import leaves_model
from steelyard.search.budget import bracket_of, budget_of, looks_of, most_looks, report_steps
from steelyard.search.log import Entry
from steelyard.tuning.pruning import stops_for
from steelyard.tuning.stops import Stops
from steelyard_trainer.evaluation.pruning import should_stop, stopping_step


def folds_search(pruning: dict[str, Any], *, metric: str = "accuracy", folds: int = 5) -> TuningJobSpec:
    return search(
        pruning,
        metric=metric,
        parameters=[{"path": "model.randomForest.nEstimators", "type": "Int", "min": 1, "max": 100}],
        template={
            "dataset": {"uri": "sklearn:digits", "target": "target"},
            "model": {"randomForest": {}},
            "evaluation": {"crossValidation": {"folds": folds}},
        },
    )


def known(number: int, *values: float, state: State = "Complete") -> Entry:
    steps = tuple(enumerate(values, start=1))
    return Entry(number, {}, state, statistics.fmean(values) if values else None, steps)


# --- who leaves a model -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("metric", "best", "worse"), [("accuracy", 0.9, 0.8), ("logLoss", 0.2, 0.3)])
def test_a_trial_that_will_not_be_the_best_leaves_no_model(metric: str, best: float, worse: float) -> None:
    spec = search(None, metric=metric)
    to_beat = stops_for(spec, 5, [known(0, worse), known(1, best), known(2, best - 9, state="Pruned")]).to_beat
    assert to_beat == best
    better = best + (best - worse)
    values = {better: True, best: False, worse: False}
    assert {value: leaves_model(*trained(spec, "Complete", value, toBeat=to_beat)) for value in values} == values
    assert not leaves_model(*trained(spec, "Pruned", better, toBeat=to_beat))
    assert leaves_model(*trained(spec, "Complete", worse))


def trained(spec: TuningJobSpec, state: State, value: float, **trial: Any) -> tuple[TrainingJobSpec, dict[str, Any]]:
    """The spec of a trial, and what its training has to say."""
    job = spec.template.model_dump(mode="json", by_alias=True, exclude_unset=True)
    metric, goal = spec.objective.metric, spec.objective.direction
    own = {"tuningJob": "search", "number": 5, "metric": metric, "goal": goal, **trial}
    return (
        TrainingJobSpec.model_validate({**job, "publish": [], "trial": own}),
        {"trial": TrialReport(5, state, value).to_json()},
    )


def test_trials_on_folds_leave_none_anyway() -> None:
    spec = folds_search({"name": "PairedFolds"})
    assert stops_for(spec, 1, [known(0, 0.5)]).to_beat is None
    assert not leaves_model(*trained(spec, "Complete", 0.9))


def test_a_training_that_is_no_trial_leaves_its_model() -> None:
    spec, summary = trained(search(None), "Pruned", 0.1)
    assert leaves_model(spec.model_copy(update={"trial": None}), summary)


# --- where it is looked -----------------------------------------------------------------------------------------------


def test_without_pruning_nothing_is_reported() -> None:
    assert stops_for(search(None), 3, []) == Stops()
    assert stops_for(search(None), 3, [known(0, 0.5)]) == Stops(to_beat=0.5)
    assert report_steps(search(None), 0) == ()


@pytest.mark.parametrize(
    ("settings", "epochs", "steps"),
    [
        ({"graceEpochs": 1}, 81, tuple(range(1, 81, 8))),
        ({"graceEpochs": 1}, 11, tuple(range(1, 11))),
        ({}, 81, tuple(range(9, 81, 8))),
        ({}, 10, tuple(range(2, 10))),
        ({}, 2, (1,)),
        ({"graceEpochs": 5}, 100, tuple(range(5, 100, 10))),
        ({"graceEpochs": 4, "everyEpochs": 3}, 12, (4, 7, 10)),
    ],
)
def test_median_looks_ten_times_or_as_often_as_it_is_told(
    settings: dict[str, Any], epochs: int, steps: tuple[int, ...]
) -> None:
    assert report_steps(search({"name": "Median", **settings}, epochs=epochs), 5) == steps
    assert len(steps) <= 10


@pytest.mark.parametrize(
    ("settings", "epochs", "steps"),
    [
        ({"graceEpochs": 1}, 81, (1, 3, 9, 27)),
        ({"graceEpochs": 1}, 82, (1, 3, 9, 27, 81)),
        ({}, 81, (9, 27)),
        ({}, 30, (4, 12)),
        ({"graceEpochs": 2, "reductionFactor": 4}, 100, (2, 8, 32)),
        ({"reductionFactor": 2}, 8, (1, 2, 4)),
        ({"reductionFactor": 2}, 100, (12, 24, 48, 96)),
    ],
)
def test_rungs_are_so_many_times_as_far_apart(settings: dict[str, Any], epochs: int, steps: tuple[int, ...]) -> None:
    assert report_steps(search({"name": "SuccessiveHalving", **settings}, epochs=epochs), 5) == steps


def test_hyperband_deals_the_trials_out_to_ladders_in_its_shares() -> None:
    spec = search({"name": "Hyperband", "graceEpochs": 1})
    # 81 epochs and factor 3: ladders that begin at 1, 3, 9 and 27, and one without a rung.
    dealt = [bracket_of(spec, number) for number in range(143 * 2)]
    assert [dealt[:143].count(ladder) for ladder in range(5)] == [81, 34, 15, 8, 5]
    assert dealt[:143] == dealt[143:]
    # They are mixed: each has its share of any stretch, to one trial.
    for ladder, share in enumerate([81, 34, 15, 8, 5]):
        for end in range(143):
            assert abs(dealt[:end].count(ladder) - end * share / 143) < 2
    for number, ladder in enumerate(dealt[:60]):
        assert looks_of(spec, number) == (1, 3, 9, 27)[ladder:]
        assert stops_for(spec, number, []).report_steps == (1, 3, 9, 27)[ladder:]
    assert most_looks(spec) == 4


def test_many_ladders_take_no_time() -> None:
    spec = search({"name": "Hyperband", "reductionFactor": 2}, epochs=100_000)
    assert bracket_of(spec, 9_999) in range(18)
    assert bracket_of(spec, 0) == 0


def test_the_budget_is_that_of_folds_or_of_epochs() -> None:
    assert budget_of(search(None, epochs=7)) == 7
    assert budget_of(folds_search({"name": "PairedFolds"}, folds=4)) == 4
    searched = search(None, parameters=[{"path": "training.epochs", "type": "Int", "min": 5, "max": 50}])
    assert budget_of(searched) == 50
    chosen = search(None, parameters=[{"path": "training.epochs", "type": "Categorical", "values": [5, 60, 50]}])
    assert budget_of(chosen) == 60


# --- Median -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["accuracy", "logLoss"])
def test_median_judges_a_step_by_values_of_that_step_only(metric: str) -> None:
    spec = search({"name": "Median", "startupTrials": 3}, metric=metric, epochs=4)
    answers = [
        known(0, 0.1, 0.2, 0.9),
        known(1, 0.3, state="Pruned"),
        known(2, 0.5, 0.4, 0.7),
        known(3, 0.4, 0.6, state="Pruned"),
        known(4, state="Failed"),
    ]
    assert stops_for(spec, 5, answers).limits == ((1, 0.35), (2, 0.4))
    assert stops_for(spec, 5, answers[:2]).limits == ()
    # What was asked again counts once.
    again = [*answers, known(5, 0.9, 0.9, 0.9, state="Repeated")]
    assert stops_for(spec, 6, again).limits == ((1, 0.35), (2, 0.4))
    assert stops_for(spec, 6, [*answers, known(5, math.nan, 0.5)]).limits == ((1, 0.35), (2, 0.45))


def test_median_waits_for_five_trials() -> None:
    spec = search({"name": "Median"}, epochs=3)
    answers = [known(number, 0.1 * number) for number in range(5)]
    assert stops_for(spec, 4, answers[:4]).limits == ()
    assert stops_for(spec, 5, answers).limits == ((1, 0.2),)


# --- SuccessiveHalving and Hyperband ----------------------------------------------------------------------------------


def _goes_on_in_optuna(value: float, others: list[float], factor: int, *, maximize: bool) -> bool:
    """Optuna's _is_trial_promotable_to_next_rung, of its SuccessiveHalvingPruner."""
    competing = sorted([*others, value])
    place = max(len(competing) // factor - 1, 0)
    return value >= competing[-(place + 1)] if maximize else value <= competing[place]


@pytest.mark.parametrize(("metric", "maximize"), [("accuracy", True), ("logLoss", False)])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_rung_lets_through_whom_optuna_does(metric: str, maximize: bool, factor: int) -> None:
    spec = search({"name": "SuccessiveHalving", "reductionFactor": factor, "graceEpochs": 1}, metric=metric)
    generator = random.Random(factor)
    for _ in range(300):
        others = [generator.randrange(8) / 8 for _ in range(generator.randrange(12))]
        own = generator.randrange(8) / 8
        stops = stops_for(spec, len(others), [known(number, value) for number, value in enumerate(others)])
        trial = Trial.model_validate(
            {
                "tuningJob": "search",
                "number": 0,
                "metric": metric,
                "goal": "Maximize" if maximize else "Minimize",
                "limits": [{"step": step, "value": value} for step, value in stops.limits],
            }
        )
        assert should_stop(trial, [(1, own)]) != _goes_on_in_optuna(own, others, factor, maximize=maximize)


def test_hyperband_compares_a_trial_with_those_of_its_ladder_only() -> None:
    spec = search({"name": "Hyperband", "graceEpochs": 1})
    numbers = [number for number in range(40) if bracket_of(spec, number) == 1]
    others = [known(number, 0.9, 0.9, 0.9, 0.9) for number in range(40) if bracket_of(spec, number) != 1]
    own = [
        Entry(numbers[0], {}, "Complete", 0.4, ((3, 0.2), (9, 0.3), (27, 0.4))),
        Entry(numbers[1], {}, "Pruned", 0.1, ((3, 0.3), (9, 0.1))),
    ]
    assert stops_for(spec, numbers[2], [*others, *own]).limits == ((3, 0.3), (9, 0.3), (27, 0.4))


# --- PairedFolds ------------------------------------------------------------------------------------------------------


def test_the_best_trial_s_folds_are_what_is_compared_with() -> None:
    spec = folds_search({"name": "PairedFolds"}, folds=3)
    assert stops_for(spec, 0, []).paired is None
    assert stops_for(spec, 1, [known(0, 0.1, 0.2, state="Pruned")]).paired is None
    answers = [known(0, 0.6, 0.5, 0.7), known(1, 0.8, 0.6, 0.9), known(2, 0.9, 0.99, state="Pruned")]
    paired = stops_for(spec, 3, answers).paired
    assert paired is not None
    assert (paired.best, paired.grace_folds, paired.margin) == ([0.8, 0.6, 0.9], 2, 2.0)
    assert stops_for(spec, 3, answers) == Stops(paired=paired)
    own = folds_search({"name": "PairedFolds", "graceFolds": 1, "margin": 0}, folds=3)
    paired = stops_for(own, 3, answers).paired
    assert paired is not None
    assert (paired.grace_folds, paired.margin) == (1, 0.0)
    losses = folds_search({"name": "PairedFolds"}, metric="logLoss", folds=3)
    paired = stops_for(losses, 3, answers).paired
    assert paired is not None
    assert paired.best == [0.6, 0.5, 0.7]


def test_the_usual_deviation_is_that_of_differences_to_the_best() -> None:
    spec = folds_search({"name": "PairedFolds"}, folds=3)
    best = known(0, 0.8, 0.6, 0.9)
    others = [known(1, 0.7, 0.5, 0.8), known(2, 0.7, 0.4, state="Pruned"), known(3, 0.6, 0.5, 0.8)]
    found = stops_for(spec, 4, [best, *others[:2]]).paired
    assert found is not None
    assert found.floor == pytest.approx(statistics.stdev([0.8, 0.6, 0.9]))
    found = stops_for(spec, 4, [best, *others]).paired
    assert found is not None
    # Deviations 0, 0.0707 and 0.0577.
    assert found.floor == pytest.approx(statistics.stdev([0.2, 0.1, 0.1]))


@pytest.mark.parametrize("size", [1e13, 1e150, 1e200])
def test_large_scores_are_compared_and_larger_ones_than_can_be_are_not(size: float) -> None:
    spec = folds_search({"name": "PairedFolds"}, metric="rmse", folds=3)
    answers = [known(number, *((number + 1) * size * share for share in (1.0, 2.0, 4.0))) for number in range(4)]
    paired = stops_for(spec, 4, answers).paired
    if size == 1e200:  # A variance is no float any more.
        assert paired is None
    else:
        assert paired is not None
        assert paired.best == [size, 2 * size, 4 * size]
        assert paired.floor == pytest.approx(2 * size * statistics.stdev([1, 2, 4]))
        assert _judge(paired, 9 * size, 9 * size, goal="Minimize") == 2
        assert _judge(paired, size, 2 * size, goal="Minimize") is None


def _judge(limit: PairedLimit, *values: float, goal: str = "Maximize") -> int | None:
    fields = {
        "tuningJob": "search",
        "number": 1,
        "metric": "accuracy" if goal == "Maximize" else "logLoss",
        "goal": goal,
    }
    trial = Trial.model_validate({**fields, "pairedLimit": limit.model_dump(by_alias=True)})
    return stopping_step(trial, list(enumerate(values, start=1)))


def test_a_trial_ends_where_the_bound_says_that_it_will_not_catch_up() -> None:
    limit = PairedLimit(best=[0.9] * 5, floor=0.05)
    # After two of five folds the mean may still move by 2 * 0.05 * sqrt(1/2 - 1/5) = 0.0548.
    assert _judge(limit, 0.84, 0.84) == 2
    assert _judge(limit, 0.85, 0.85) is None
    # After three by 0.0365, after four by 0.0224; after the last one by nothing, but then it is at its end.
    assert _judge(limit, 0.85, 0.85, 0.85) == 3
    assert _judge(limit, 0.87, 0.87, 0.87, 0.87) == 4
    assert _judge(limit, 0.88, 0.88, 0.88, 0.88, 0.88) is None
    assert _judge(limit, 0.1) is None
    assert _judge(PairedLimit(best=[0.9] * 5, graceFolds=1, floor=0.05), 0.1) == 1
    assert _judge(limit, 0.96, 0.96, goal="Minimize") == 2
    assert _judge(limit, 0.95, 0.95, goal="Minimize") is None
    # Its own deviation counts where it is more.
    assert _judge(limit, 0.99, 0.69) is None


def test_hardly_any_trial_is_given_up_that_would_have_been_better() -> None:
    """Four thousand pairs of five folds whose means are truly equal: half end better, and few of those are lost."""
    generator = random.Random(1)
    lost = better = 0
    for _ in range(4_000):
        best = [generator.gauss(0.9, 0.05) for _ in range(5)]
        gains = [generator.gauss(0, 0.02) for _ in range(5)]
        if sum(gains) > 0:
            better += 1
            values = [score + gain for score, gain in zip(best, gains, strict=True)]
            lost += _judge(PairedLimit(best=best, floor=0.02), *values) is not None
    assert better > 1_800
    assert lost / better < 0.03
