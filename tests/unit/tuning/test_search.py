"""A search's state machine, its log and its trials' manifests."""

import json
import math
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.api.trial import Trial
from steelyard.api.tuning_job import TuningJob, TuningJobSpec
from steelyard.contract.stages import Reason
from steelyard.contract.step_values import pack, single, unpack
from steelyard.contract.trial_report import State, TrialReport
from steelyard.search.best import best_of, front_of
from steelyard.search.log import MOST_REASON_BYTES, Entry, SearchDocument
from steelyard.search.log_sizes import LOG_LIMIT_BYTES, entry_bytes_at_most, log_bytes_at_most
from steelyard.search.values import count_of, value_at
from steelyard.tuning.search import NextStep, is_askable, is_independent, known_to, next_step, pending_to
from steelyard.tuning.stops import Stops
from steelyard.tuning.trials import best_job, data_job, trial_job

RATE = "training.optimizer.learningRate"
UNITS = "model.mlp.hiddenUnits"
NAME = "training.optimizer.name"
MOMENTUM = "training.optimizer.momentum"
BATCH = "training.batchSize"
DROPOUT = "model.mlp.dropout"
PATIENCE = "training.earlyStopping.patience"

PARAMETERS: list[dict[str, Any]] = [
    {"path": RATE, "type": "Double", "min": 1e-5, "max": 0.1, "log": True},
    {"path": UNITS, "type": "Categorical", "values": [[32], [64], [128, 64]]},
    {"path": NAME, "type": "Categorical", "values": ["Adam", "SGD"]},
    {
        "path": MOMENTUM,
        "type": "Double",
        "min": 0.0,
        "max": 0.9,
        "step": 0.1,
        "when": {"path": NAME, "values": ["SGD"]},
    },
    {"path": BATCH, "type": "Int", "min": 1, "max": 4096, "log": True},
    {"path": PATIENCE, "type": "Categorical", "values": [None, 3, 10]},
]


def search(**fields: Any) -> TuningJobSpec:
    return TuningJobSpec.model_validate(
        {
            "objective": {"metric": "accuracy"},
            "parameters": [{"path": DROPOUT, "type": "Double", "min": 0.0, "max": 0.9}],
            "algorithm": {"name": "TPE"},
            "maxTrials": 10,
            # Of a forest: as whoever gives the template wants it.
            **({} if "template" in fields else {"placement": "Pods"}),
            "template": {
                "dataset": {"uri": "sklearn:digits", "target": "target"},
                "model": {"mlp": {"hiddenUnits": [32]}},
                "training": {"earlyStopping": {}, "epochs": 20},
                "compression": {"candidates": ["Int8"]},
                "evaluation": {"require": [{"metric": "accuracy", "minimum": 0.9}], "maxGeneralizationGap": 0.1},
                "publish": [{"uri": "pvc://models/digits"}],
                "runPolicy": {"backoffLimit": 1},
            },
            **fields,
        }
    )


def answer(number: int, value: float | None = 0.5, state: State = "Complete", **fields: Any) -> Entry:
    return Entry(number, {DROPOUT: number / 100}, state, value, **fields)


def log_of(*values: float | None) -> dict[int, Entry]:
    """Complete trials of these values; None is one that failed."""
    return {
        number: answer(number, value) if value is not None else answer(number, None, "Failed", reason="OutOfMemory")
        for number, value in enumerate(values)
    }


# --- what is asked next -----------------------------------------------------------------------------------------------


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


# --- the log ----------------------------------------------------------------------------------------------------------

doubles = st.floats(allow_nan=False, allow_infinity=False)
steps = st.lists(st.tuples(st.integers(1, 400), doubles), max_size=8).map(
    lambda pairs: tuple((sum(step for step, _ in pairs[: index + 1]), pairs[index][1]) for index in range(len(pairs)))
)


@st.composite
def suggestions(draw: st.DrawFn) -> dict[str, Any]:
    values: dict[str, Any] = {
        RATE: draw(st.floats(1e-5, 0.1)),
        UNITS: draw(st.sampled_from([[32], [64], [128, 64]])),
        NAME: draw(st.sampled_from(["Adam", "SGD"])),
        BATCH: draw(st.integers(1, 4096)),
        PATIENCE: draw(st.sampled_from([None, 3, 10])),
    }
    if values[NAME] == "SGD":
        values[MOMENTUM] = 0.0 + draw(st.integers(0, 9)) * 0.1
    return values


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    return Entry(
        number=draw(st.integers(0, 9999)),
        values=draw(suggestions()),
        state=draw(st.sampled_from(["Complete", "Pruned", "Failed", "Repeated"])),
        value=draw(st.none() | doubles),
        steps=draw(steps),
        secondary=draw(st.none() | doubles),
        epoch=draw(st.none() | st.integers(0, 100)),
        seconds=round(draw(st.floats(0, 1e6)), 2),
        reason=draw(st.text(st.characters(codec="utf-8"), max_size=20)),
        seen=draw(st.none() | st.sets(st.integers(0, 300)).map(lambda numbers: tuple(sorted(numbers)))),
    )


SEARCHED = search(parameters=PARAMETERS).parameters


@given(entries())
def test_an_entry_is_read_back_bit_for_bit(entry: Entry) -> None:
    parameters = SEARCHED
    text = entry.encode(parameters)
    back = Entry.decode(text, parameters)
    assert back == entry
    assert {path: type(value) for path, value in back.values.items()} == {
        path: type(value) for path, value in entry.values.items()
    }
    assert back.encode(parameters) == text


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-320, 0.1 + 0.2, 1e300])
def test_zero_is_not_nothing(value: float) -> None:
    parameters = search().parameters
    entry = answer(0, value, secondary=0.0, epoch=0)
    assert Entry.decode(entry.encode(parameters), parameters) == entry
    bare = answer(0, value)
    assert Entry.decode(bare.encode(parameters), parameters) == bare
    assert TrialReport.from_json(TrialReport(0, "Complete", value).to_json()) == TrialReport(0, "Complete", value)
    empty = answer(0, value, seen=())
    assert Entry.decode(empty.encode(parameters), parameters).seen == ()


def test_values_are_short_where_they_are_finitely_many() -> None:
    parameters = search(parameters=PARAMETERS).parameters
    values = {RATE: 0.001, UNITS: [128, 64], NAME: "SGD", MOMENTUM: 0.0 + 3 * 0.1, BATCH: 64, PATIENCE: None}
    text = Entry(7, values, "Complete", 0.5).encode(parameters)
    assert json.loads(text) == [7, "C", [0.001, 2, 1, 3, 64, 0], 0.5]
    del values[MOMENTUM]
    assert json.loads(Entry(7, values, "Complete", 0.5).encode(parameters))[2] == [0.001, 2, 1, None, 64, 0]


def test_a_value_that_a_user_wrote_need_not_be_the_step_to_the_last_bit() -> None:
    parameters = search(parameters=PARAMETERS).parameters
    values = {RATE: 0.001, UNITS: [32], NAME: "SGD", MOMENTUM: 0.3, BATCH: 64, PATIENCE: 3}
    assert Entry.decode(Entry(0, values, "Complete").encode(parameters), parameters).values == values


def test_a_value_that_is_none_of_the_parameter_s_is_told() -> None:
    parameters = search(parameters=PARAMETERS).parameters
    with pytest.raises(ValueError, match=r"'RMSprop' is none of the values of training\.optimizer\.name"):
        Entry(0, {NAME: "RMSprop"}, "Complete").encode(parameters)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "[0]",
        '[0,"C"]',
        '[0,"X",[0.1]]',
        '["0","C",[0.1]]',
        '[0,"C",[0.1,0.2]]',
        '[0,"C",[0.1],0.5,"f###"]',
        '[0,"C",[0.1],0.5,"fAQ"]',
        '[0,"C",[0.1],0.5,"",0.0,null,null,"",[1]]',
        '[0,"C",[0.1],"high"]',
        '[0,"C",[0.1],true]',
        '[0,"C",[0.1],1' + "0" * 400 + "]",
        '[0,"C",["0.1"]]',
        '[0,"C",[[0.1]]]',
        '[0,"C",[NaN]]',
        '[0,"C",[0.1],0.5,"","x"]',
        '[0,"C",[0.1],0.5,"",-1]',
        '[0,"C",[0.1],0.5,"",NaN]',
        '[0,"C",[0.1],0.5,"",null]',
        '[0,"C",[0.1],0.5,"",0.0,"small"]',
        '[0,"C",[0.1],0.5,"",0.0,null,"last"]',
        '[0,"C",[0.1],0.5,"",0.0,null,null,7]',
        '[0,"C",[0.1],0.5,"",0.0,null,null,"",[0,1000000000000]]',
        '[0,"C",[0.1],0.5,"",0.0,null,null,"",[0,3,2,1]]',
        '[1000001,"C",[0.1]]',
        '[1000000000,"C",[0.1]]',
        "[" * 100_000,
        '[0,"C",[0.1],0.5,"",0.0,null,null,"",[1,2],9]',
    ],
)
def test_what_is_no_entry_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is no entry of this search's log"):
        Entry.decode(text, search().parameters)


def test_the_largest_number_of_a_trial_is_one_of_an_entry() -> None:
    parameters = search().parameters
    assert Entry.decode('[1000000,"C",[0.1],0.5,"",0.0,null,null,"",[0,2,7,1]]', parameters).seen == (0, 1, 7)
    with pytest.raises(ValueError, match="1000001 is no trial's number; allowed: 0 to 1000000"):
        TrialReport.from_json([1000001, "C", 0.5])
    assert Trial.model_fields["number"].metadata[-1].le == 1000000


def test_a_part_of_an_int_is_no_entry() -> None:
    parameters = search(parameters=PARAMETERS).parameters
    with pytest.raises(ValueError, match=r"64\.5 should be a whole number, as training\.batchSize is"):
        Entry.decode(json.dumps([0, "C", [0.001, 0, 0, None, 64.5, 0]]), parameters)


def test_a_trial_is_in_a_log_once() -> None:
    whole = SearchDocument("digits", search(), (answer(0), answer(1))).to_json()
    assert len(SearchDocument.from_json(whole).entries) == 2
    whole["log"].append(answer(1, 0.9).encode(search().parameters))
    with pytest.raises(ValueError, match="is no entry of this search's log: trial 1 is given twice"):
        SearchDocument.from_json(whole)


@pytest.mark.parametrize("index", [-1, 3, 1.0, True])
def test_an_index_out_of_range_is_no_entry(index: Any) -> None:
    parameters = search(parameters=PARAMETERS).parameters
    with pytest.raises(ValueError, match="no entry"):
        Entry.decode(json.dumps([0, "C", [0.001, index, 0, None, 64, 0]]), parameters)


@pytest.mark.parametrize(
    "document",
    [
        *(None, 5, [], [0], [0, "X"], ["0", "C"], [0, "C", "much"], [-1, "C"]),
        *([0, "C", 1, [1]], [0, "C", 1, [], 1, 2, "a"], [0, "C", 1, [], 3.0, 1, 2, "", "more"]),
    ],
)
def test_what_is_no_report_is_told(document: Any) -> None:
    with pytest.raises(ValueError, match="is no report of a trial"):
        TrialReport.from_json(document)


def test_a_report_s_steps_may_be_a_plain_list() -> None:
    report = TrialReport(3, "Pruned", 0.25, ((1, 0.5), (4, 0.25)), seconds=1.5)
    assert TrialReport.from_json([3, "P", 0.25, [1, 0.5, 4, 0.25], 1.5]) == report
    assert TrialReport.from_json(json.loads(json.dumps(report.to_json()))) == report


@given(steps)
def test_the_values_of_steps_are_packed_without_loss(values: tuple[tuple[int, float], ...]) -> None:
    assert unpack(pack(values)) == values
    halved = tuple((step, single(value)) for step, value in values)
    assert unpack(pack(halved)) == halved
    assert len(pack(halved)) <= len(pack(values))


def test_a_failure_s_reason_is_bounded() -> None:
    entry = Entry.of(TrialReport(0, "Failed", reason="ä" * 200 + "\ud800"), {DROPOUT: 0.1})
    assert len(entry.reason.encode()) <= MOST_REASON_BYTES
    assert entry.reason.endswith("ä…")
    assert Entry.of(TrialReport(0, "Failed", reason="\ud800"), {DROPOUT: 0.1}).reason == "?"
    assert Entry.of(TrialReport(0, "Failed", reason="short"), {DROPOUT: 0.1}).reason == "short"


def test_an_entry_is_made_as_it_will_be_read() -> None:
    entry = Entry.of(TrialReport(0, "Complete", 0.5, seconds=1.23456), {DROPOUT: 0.1}, (0, 1, 2, 5))
    assert Entry.decode(entry.encode(search().parameters), search().parameters) == entry


# --- its size ---------------------------------------------------------------------------------------------------------

TEN_LOOKS = {"name": "Median", "graceEpochs": 1}
FOREST = {
    "dataset": {"uri": "sklearn:digits", "target": "target"},
    "model": {"randomForest": {}},
    "evaluation": {"crossValidation": {"folds": 5}},
}


def _worst_entry(spec: TuningJobSpec, number: int, *, folds: int = 0, looks: int = 0) -> Entry:
    generator = random.Random(number)
    values: dict[str, Any] = {}
    for parameter in spec.parameters:
        if parameter.type == "Double":
            values[parameter.path] = 1.2345678901234567e-05
        else:
            values[parameter.path] = value_at(parameter, (count_of(parameter) or 0) - 1)
    steps = [(1 + 9 * look, single(generator.random())) for look in range(looks)]
    steps += [(fold, generator.random()) for fold in range(1, folds + 1)]
    epoch = 100 if looks else None
    value, error = -1.2345678901234567e-05, None if folds else 1.2e-05
    return Entry(number, values, "Complete", value, tuple(steps), None, epoch, 99999.25, standard_error=error)


def _size_in_status(spec: TuningJobSpec, log: list[Entry]) -> int:
    lines = [entry.encode(spec.parameters) for entry in log]
    return len(json.dumps(lines, separators=(",", ":"), ensure_ascii=False).encode())


def test_a_thousand_trials_of_a_network_with_six_parameters_and_ten_looks_fit() -> None:
    template = search().template.model_dump(mode="json", by_alias=True, exclude_unset=True)
    template["training"] = {"earlyStopping": {}, "epochs": 100}
    parameters = [*PARAMETERS[:3], *PARAMETERS[4:], {"path": DROPOUT, "type": "Double", "min": 0.0, "max": 0.9}]
    spec = search(parameters=parameters, maxTrials=1000, pruning=TEN_LOOKS, template=template)
    log = [_worst_entry(spec, number, looks=10) for number in range(1000)]
    assert _size_in_status(spec, log) <= log_bytes_at_most(spec) <= LOG_LIMIT_BYTES
    # The estimate is no wild guess.
    assert log_bytes_at_most(spec) < 1.2 * _size_in_status(spec, log)


def test_a_thousand_trials_of_a_forest_with_five_parameters_and_five_folds_fit() -> None:
    parameters = [
        {"path": "model.randomForest.nEstimators", "type": "Int", "min": 10, "max": 1000},
        {"path": "model.randomForest.maxDepth", "type": "Categorical", "values": [None, 3, 5]},
        {"path": "model.randomForest.minSamplesSplit", "type": "Int", "min": 2, "max": 20},
        {"path": "model.randomForest.minSamplesLeaf", "type": "Int", "min": 1, "max": 20},
        {"path": "model.randomForest.maxFeatures", "type": "Double", "min": 0.1, "max": 1.0},
    ]
    spec = search(parameters=parameters, maxTrials=1000, template=FOREST)
    log = [_worst_entry(spec, number, folds=5) for number in range(1000)]
    assert _size_in_status(spec, log) <= log_bytes_at_most(spec) <= LOG_LIMIT_BYTES


def test_what_the_answers_seen_take_is_reckoned_with() -> None:
    spec = search(maxTrials=1000, parallelTrials=8, asynchronous=True)
    seen = tuple(number for number in range(999) if number not in range(100, 999, 120))
    entry = Entry(999, {DROPOUT: 0.12345678901234567}, "Complete", 0.12345678901234567, seen=seen)
    assert _size_in_status(spec, [entry]) - 2 <= entry_bytes_at_most(spec)
    assert entry_bytes_at_most(spec) > entry_bytes_at_most(search(maxTrials=1000, parallelTrials=8))


@pytest.mark.parametrize("letter", ['"', "\\", '\\"', "\n", "\x01", "ä", "😀", "x"])
def test_the_reasons_of_failures_are_reckoned_with_whatever_is_in_them(letter: str) -> None:
    spec = search(maxTrials=20, maxFailedTrials=20)
    values = {DROPOUT: 0.12345678901234567}
    report = TrialReport(19, "Failed", reason=letter * 300, seconds=99999.25)
    log = [Entry.of(report, values)] * 20
    assert _size_in_status(spec, log) <= log_bytes_at_most(spec)
    # As much is kept as there is room for.
    without = Entry.of(TrialReport(19, "Failed", reason="x", seconds=99999.25), values)
    room = _size_in_status(spec, log[:1]) - _size_in_status(spec, [without]) + 1
    assert MOST_REASON_BYTES - 8 <= room <= MOST_REASON_BYTES
    assert log[0].reason == letter * 300 or log[0].reason.endswith("…")


def test_a_whole_pack_may_fail_before_the_search_does() -> None:
    parameters = [{"path": "model.randomForest.nEstimators", "type": "Int", "min": 10, "max": 1000}]
    spec = search(parameters=parameters, maxTrials=100, maxFailedTrials=3, parallelTrials=2, template=FOREST)
    reason = Entry.of(TrialReport(0, "Failed", reason="x" * 300), {}).reason
    log = [_worst_entry(spec, number, folds=5) for number in range(100)]
    failed = [replace(entry, state="Failed", value=None, reason=reason) for entry in log[-43:]]
    assert _size_in_status(spec, [*log[:-43], *failed]) <= log_bytes_at_most(spec)
    for placement, failed_at_most in (("Pods", 5), ("Auto", 43)):
        network = search(maxTrials=100, parallelTrials=2, placement=placement)
        expected = 100 * entry_bytes_at_most(network) + failed_at_most * MOST_REASON_BYTES
        assert log_bytes_at_most(network) == expected


# --- the best ---------------------------------------------------------------------------------------------------------


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


def test_a_search_document_is_read_back() -> None:
    spec = search(parameters=PARAMETERS)
    values = {RATE: 0.001, UNITS: [64], NAME: "Adam", BATCH: 32, PATIENCE: None}
    log = (Entry(0, values, "Complete", 0.25), Entry(1, values, "Repeated", 0.25))
    document = SearchDocument("digits", spec, log, "done")
    assert SearchDocument.from_json(json.loads(json.dumps(document.to_json()))) == document


# --- the trials' manifests --------------------------------------------------------------------------------------------


def tuning(**fields: Any) -> TuningJob:
    spec = search(**fields).model_dump(mode="json", by_alias=True, exclude_unset=True)
    manifest = {"apiVersion": "steelyard.dev/v1alpha1", "kind": "TuningJob", "metadata": {"name": "digits"}}
    return TuningJob.model_validate({**manifest, "spec": spec})


def test_a_trial_judges_itself_and_publishes_nothing() -> None:
    stops = Stops((1, 3), ((3, 0.5),))
    job = trial_job(tuning(trialDeadlineSeconds=60), 7, {DROPOUT: 0.25}, stops, "prepared")
    assert job.metadata.name == "digits-7"
    assert job.spec.model.mlp is not None
    assert job.spec.model.mlp.dropout == 0.25
    assert job.spec.model.mlp.hidden_units == [32]
    assert (job.spec.dataset.uri, job.spec.dataset.format) == ("prepared", "Prepared")
    assert job.spec.publish == []
    assert job.spec.compression is None
    assert job.spec.evaluation.require == []
    assert job.spec.evaluation.max_generalization_gap is None
    assert (job.spec.run_policy.backoff_limit, job.spec.run_policy.active_deadline_seconds) == (1, 60)
    assert job.spec.trial is not None
    assert (job.spec.trial.number, job.spec.trial.goal, job.spec.trial.report_steps) == (7, "Maximize", [1, 3])
    assert [(limit.step, limit.value) for limit in job.spec.trial.limits] == [(3, 0.5)]


@pytest.mark.parametrize(("trial_seed", "seed"), [("Fixed", 0), ("PerTrial", 7)])
def test_the_seed_of_a_trial(trial_seed: str, seed: int) -> None:
    search_job = tuning(trialSeed=trial_seed)
    assert trial_job(search_job, 7, {DROPOUT: 0.25}, Stops(), "prepared").spec.training.seed == seed
    # The best model is that of the trial.
    assert best_job(search_job, answer(7), "prepared", "trained").spec.training.seed == seed


def test_the_data_is_prepared_by_a_job_of_its_own() -> None:
    job = data_job(tuning())
    assert job.metadata.name == "digits-data"
    assert job.spec.only_prepare
    assert job.spec.dataset.uri == "sklearn:digits"


def test_the_best_job_has_the_template_s_gates_and_targets() -> None:
    job = best_job(tuning(), answer(7), "prepared", "trained")
    assert job.metadata.name == "digits-best"
    assert job.spec.trial is None
    assert job.spec.trained is not None
    assert (job.spec.trained.uri, job.spec.trained.refit) == ("trained", False)
    assert [target.uri for target in job.spec.publish] == ["pvc://models/digits"]
    assert job.spec.compression is not None
    assert job.spec.evaluation.require[0].minimum == 0.9
    assert job.spec.model.mlp is not None
    assert job.spec.model.mlp.dropout == 0.07
