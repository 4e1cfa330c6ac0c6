"""What a search learns from an earlier one, and when it may not; how many trials may be created at once."""

from dataclasses import replace
from typing import Any

import pytest

from steelyard.api.errors import ConfigurationError
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.contract.trial_report import State
from steelyard.search.log import Entry
from steelyard.tuning.search import room_for
from steelyard.tuning.warm_start import MOST_PRIOR, answered_before, prior_of

TREES = "model.randomForest.nEstimators"
SHARE = "model.randomForest.maxFeatures"
PARAMETERS = [
    {"path": TREES, "type": "Int", "min": 10, "max": 500},
    {"path": SHARE, "type": "Double", "min": 0.1, "max": 0.9, "step": 0.1},
]


def search(template: dict[str, Any] | None = None, **fields: Any) -> TuningJobSpec:
    whole = {
        "dataset": {"uri": "sklearn:digits", "target": "target"},
        "model": {"randomForest": {}},
        "evaluation": {"crossValidation": {"folds": 3}},
    } | (template or {})
    own = {"objective": {"metric": "accuracy"}, "parameters": PARAMETERS, "maxTrials": 30, "parallelTrials": 2}
    return TuningJobSpec.model_validate({**own, "template": whole, **fields})


def answer(number: int, value: float | None = 0.5, state: State = "Complete", share: float = 0.5) -> Entry:
    return Entry(number, {TREES: 10 + number, SHARE: share}, state, value, seconds=3.0)


# --- what is learned --------------------------------------------------------------------------------------------------


def test_the_best_answers_are_kept_by_number() -> None:
    many = [answer(number, number / 1000) for number in range(300)]
    kept = prior_of(search(), "earlier", search(), many)
    assert kept == many[-MOST_PRIOR:]
    least = prior_of(search(objective={"metric": "logLoss"}), "earlier", search(objective={"metric": "logLoss"}), many)
    assert least == many[:MOST_PRIOR]


def test_failures_teach_nothing_and_a_repeated_answer_is_one() -> None:
    log = [answer(0, None, "Failed"), answer(1, 0.9, "Pruned"), answer(2, 0.7, "Repeated"), answer(3, None)]
    assert prior_of(search(), "earlier", search(), log) == [log[1], replace(log[2], state="Complete")]


def test_what_is_outside_of_the_new_ranges_is_left_out_and_the_rest_has_the_new_ones_values() -> None:
    parameters = [{**PARAMETERS[0], "max": 12}, PARAMETERS[1]]
    log = [answer(0, share=0.3), answer(1, share=0.35), answer(2, share=0.1 + 2 * 0.1), answer(3)]
    kept = prior_of(search(parameters=parameters), "earlier", search(), log)
    assert [(entry.number, entry.values[SHARE]) for entry in kept] == [(0, 0.1 + 2 * 0.1), (2, 0.1 + 2 * 0.1)]


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (search(parameters=PARAMETERS[:1]), "'earlier' has searched over model.randomForest.nEstimators, and this"),
        (search(objective={"metric": "logLoss"}), "'earlier' is logLoss Minimize, and that of this search is accuracy"),
        (search({"dataset": {"uri": "sklearn:wine", "target": "target"}}), "differ in template.dataset.uri; a search"),
        (search({"evaluation": {"crossValidation": {"folds": 5}}}), "template.evaluation.crossValidation.folds"),
        (search({"training": {"seed": 1}}), "template.training.seed"),
        (search({"model": {"randomForest": {"maxDepth": 3}}}), "template.model.randomForest.maxDepth"),
    ],
)
def test_results_of_other_searches_are_refused(other: TuningJobSpec, says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        prior_of(search(), "earlier", other, [answer(0)])
    assert refused.value.message.startswith("spec.warmStart.tuningJob: ") and says in refused.value.message


def test_what_no_answer_depends_on_may_be_another() -> None:
    other = search(
        {
            "model": {"randomForest": {"nEstimators": 7}},
            "publish": [{"uri": "file:///tmp/model"}],
            "template": {"image": "other:1"},
        },
        algorithm={"name": "GP"},
        maxTrials=5,
        parallelTrials=1,
        pruning={"name": "PairedFolds"},
    )
    assert prior_of(search(), "earlier", other, [answer(0)]) == [answer(0)]


def test_known_values_have_the_result_that_they_had() -> None:
    prior = [answer(3, 0.7, "Pruned"), answer(4, 0.8)]
    assert answered_before(prior, 0, answer(3).values) is None
    assert answered_before(prior, 0, answer(5).values) is None
    found = answered_before(prior, 9, answer(4).values, (0, 1))
    assert found == replace(prior[1], number=9, state="Repeated", seen=(0, 1), seconds=0.0)


def test_the_answer_to_true_is_none_to_1() -> None:
    prior = [replace(answer(0), values={SHARE: value}) for value in (True, [True])]
    assert answered_before(prior, 0, {SHARE: 1}) is None
    assert answered_before(prior, 0, {SHARE: [1]}) is None
    assert answered_before(prior, 0, {SHARE: True}) is not None


# --- how many at once -------------------------------------------------------------------------------------------------


def test_a_pack_takes_all_that_depends_on_no_answer_and_else_as_many_as_run_at_once() -> None:
    grid = search(algorithm={"name": "Random"}, placement="Packed")
    assert room_for(grid, {}, []) == 40
    assert room_for(grid, {}, [3]) == 0
    for fields in ({"name": "TPE"}, {"name": "Random"}):
        learning = search(algorithm=fields, placement="Packed", asynchronous=True, pruning={"name": "PairedFolds"})
        assert room_for(learning, {}, []) == 2


def test_a_pack_is_no_larger_than_can_be_worked_off_before_the_time_is_up() -> None:
    hurried = search(algorithm={"name": "Random"}, placement="Packed", maxMinutes=1, maxTrials=100)
    assert room_for(hurried, {}, []) == 2
    log = {number: replace(answer(number), seconds=6.0) for number in range(2)}
    # Two at a time for 30 s, each 6 s long.
    assert room_for(hurried, log, [], minutes=0.5) == 10
    assert room_for(hurried, log, [], minutes=2) == 2
    assert room_for(hurried, {0: replace(log[0], seconds=0.01)}, []) == 40


def test_the_first_trials_run_apart_whichever_of_them_are_left() -> None:
    auto = search(algorithm={"name": "Random"})
    assert room_for(auto, {}, []) == 2
    assert room_for(auto, {}, [0]) == 1
    # A search that was begun in pods and goes on here: its first trial was lost.
    later = {number: answer(number) for number in (1, 2, 3)}
    assert room_for(auto, later, []) == 1
    assert room_for(auto, later, [0]) == 0
    assert room_for(auto, later | {0: answer(0)}, []) == 40
