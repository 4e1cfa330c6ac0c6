"""How many trials a pack may have, and what of them its result document tells."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.api.tuning_job import TuningJobSpec
from steelyard.contract.stages import RESULT_LIMIT_BYTES, Reason, Result
from steelyard.contract.step_values import single
from steelyard.contract.trial_report import TrialReport
from steelyard.search.budget import report_steps
from steelyard.search.log_sizes import REPORTS_LIMIT_BYTES, report_bytes_at_most, trials_of_a_pack
from steelyard_trainer.contract import Outcome, fit_result
from steelyard_trainer.pack import fitting

KEY = "f" * 64


def forests(folds: int | None = 5, **fields: Any) -> TuningJobSpec:
    evaluation = {} if folds is None else {"crossValidation": {"folds": folds}}
    return TuningJobSpec.model_validate(
        {
            "objective": {"metric": "accuracy"},
            "parameters": [{"path": "model.randomForest.minSamplesLeaf", "type": "Int", "min": 1, "max": 20}],
            "algorithm": {"name": "Random"},
            "maxTrials": 40,
            "parallelTrials": 2,
            "template": {
                "dataset": {"uri": "sklearn:digits", "target": "target"},
                "model": {"randomForest": {}},
                "evaluation": evaluation,
            },
            **fields,
        }
    )


def worst_report(number: int, folds: int) -> TrialReport:
    """The longest that a trial to its end can make."""
    scores = [0.1234567890123456 - index / 1e5 for index in range(folds)]
    total = 0.0
    for score in scores:
        total += score
    value = total / folds if folds in range(1, 8) else 1.2345678901234567e-05
    return TrialReport(
        number,
        "Complete",
        value,
        tuple(enumerate(scores, 1)),
        seconds=99999.25,
        standard_error=None if folds else 1.2e-05,
    )


def document_of(reports: list[TrialReport]) -> Any:
    message = f"{len(reports)} trials: 10 to their end, 0 pruned, 30 failed"
    outcome = Outcome(message, {"trials": fitting(reports)})
    text = fit_result(Result("pack", KEY, Reason.SUCCEEDED, outcome.message, outcome.summary))
    assert len(text) <= RESULT_LIMIT_BYTES
    return json.loads(text)["summary"]["trials"]


@pytest.mark.parametrize("folds", [None, 2, 5, 7, 8, 20])
def test_all_trials_of_a_full_pack_are_told_of_whole(folds: int | None) -> None:
    spec = forests(folds, maxTrials=800)
    reports = [worst_report(700 + index, folds or 0) for index in range(trials_of_a_pack(spec))]
    assert [TrialReport.from_json(each) for each in document_of(reports)] == reports
    sizes = [len(json.dumps(report.to_json(), separators=(",", ":"))) + 1 for report in reports]
    assert max(sizes) <= report_bytes_at_most(spec) < max(sizes) + 8


@pytest.mark.parametrize("pruning", [None, {"name": "Median"}, {"name": "Hyperband"}])
def test_all_trials_of_a_full_pack_of_networks_are_told_of_whole(pruning: dict[str, Any] | None) -> None:
    spec = TuningJobSpec.model_validate(
        {
            "objective": {"metric": "accuracy"},
            "parameters": [{"path": "model.mlp.dropout", "type": "Double", "min": 0, "max": 0.5}],
            "maxTrials": 800,
            "template": {
                "dataset": {"uri": "sklearn:digits", "target": "target"},
                "model": {"mlp": {}},
                "training": {"epochs": 100000},
            },
            **({"pruning": pruning} if pruning else {}),
        }
    )
    steps = tuple((step, single(0.123456789)) for step in report_steps(spec, 0))
    value = -1.2345678901234567e-05
    reports = [
        TrialReport(700 + index, "Complete", value, steps, epoch=100000, seconds=99999.25, standard_error=1.2e-05)
        for index in range(trials_of_a_pack(spec))
    ]
    assert [TrialReport.from_json(each) for each in document_of(reports)] == reports
    size = max(len(json.dumps(report.to_json(), separators=(",", ":"))) + 1 for report in reports)
    assert size <= report_bytes_at_most(spec) < size + 40


def test_thirty_six_forests_on_five_folds_are_one_pack_and_twenty_folds_are_fewer() -> None:
    assert trials_of_a_pack(forests(5)) >= 36
    assert 5 < trials_of_a_pack(forests(20)) < 20


@pytest.mark.parametrize("failed", [1, 10, 36, 40])
def test_reasons_of_failures_are_cut_before_a_score_of_another_trial_is_lost(failed: int) -> None:
    failures = [TrialReport(number, "Failed", reason="ValueError: " + "ß" * 400) for number in range(failed)]
    rest = [worst_report(number, 5) for number in range(failed, 40)]
    told = [TrialReport.from_json(each) for each in document_of([*failures, *rest])]
    assert told[failed:] == rest
    assert [report.state for report in told[:failed]] == ["Failed"] * failed
    assert all(report.value is None for report in told[:failed])


def test_a_document_of_too_many_trials_leaves_out_their_steps_not_trials() -> None:
    reports = [worst_report(number, 20) for number in range(40)]
    told = [TrialReport.from_json(each) for each in document_of(reports)]
    assert told == [replace(report, steps=()) for report in reports]
    assert len(json.dumps(fitting(reports), separators=(",", ":"))) <= REPORTS_LIMIT_BYTES


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1, max_size=20), st.floats())
def test_a_value_comes_back_whether_it_is_the_mean_or_not(scores: list[float], other: float) -> None:
    total = 0.0
    for score in scores:
        total += score
    for value in (total / len(scores), other):
        if math.isfinite(value):
            report = TrialReport(3, "Pruned", value, tuple(enumerate(scores, 1)), seconds=1.5)
            assert TrialReport.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_a_failure_has_no_value_whatever_it_has_scored() -> None:
    report = TrialReport(3, "Failed", None, ((1, 0.5), (2, 0.75)), reason="it failed")
    assert TrialReport.from_json(report.to_json()) == report
