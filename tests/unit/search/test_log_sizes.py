"""How large a search's log may become: never larger than what was reckoned before it began."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from searches import DROPOUT, FOREST, PARAMETERS, search

from steelyard.api.tuning_job import TuningJobSpec
from steelyard.contract.step_values import single
from steelyard.contract.trial_report import TrialReport
from steelyard.search.log import MOST_REASON_BYTES, Entry
from steelyard.search.log_sizes import LOG_LIMIT_BYTES, entry_bytes_at_most, log_bytes_at_most
from steelyard.search.values import count_of, value_at

TEN_LOOKS = {"name": "Median", "graceEpochs": 1}


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
