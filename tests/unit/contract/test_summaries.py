"""What the stages' results say: typed where it is written, and read as far as it can be."""

import json
from typing import Any

import pytest
from controller_support import SUMMARY_OF_FINISH
from hypothesis import given
from hypothesis import strategies as st

from steelyard.contract.report import CrossValidationReport
from steelyard.contract.summaries import (
    SUMMARY_VERSION,
    CandidateSummary,
    ModelSummary,
    NaiveSummary,
    PrepareSummary,
    TrainSummary,
)

MODEL = ModelSummary(
    chosen="Int8",
    bytes=9,
    baseline="float32",
    baseline_bytes=36,
    metric="accuracy",
    metrics={"accuracy": (0.9, 0.01), "logLoss": (0.1, None)},
    naive=NaiveSummary(label="no", value=0.6),
    metric_drop=0.0,
    digest="sha256:0",
    published=[],
    weighed=12,
    candidates=[CandidateSummary(name="Int8", bytes=9), CandidateSummary(name="Onnx", within_budget=False)],
)


def test_a_summary_is_written_as_results_have_it_with_its_version() -> None:
    nothing = {"bytes": None, "metric": None, "drop": None, "latencyMicroseconds": None, "withinBudget": None}
    assert MODEL.to_json() == {
        "version": SUMMARY_VERSION,
        "chosen": "Int8",
        "bytes": 9,
        "baseline": "float32",
        "baselineBytes": 36,
        "metric": "accuracy",
        "metrics": {"accuracy": [0.9, 0.01], "logLoss": [0.1, None]},
        "naive": {"label": "no", "value": 0.6},
        "metricDrop": 0.0,
        "digest": "sha256:0",
        "published": [],
        "weighed": 12,
        "candidates": [{"name": "Int8", **nothing, "bytes": 9}, {"name": "Onnx", **nothing, "withinBudget": False}],
    }
    folds = CrossValidationReport(folds=3, rows=9, scores={"r2": [0.5, 0.25, 0.75]}, means={"r2": 0.5})
    assert TrainSummary(workers=1, cross_validation=folds).to_json() == {
        "version": SUMMARY_VERSION,
        "workers": 1,
        "crossValidation": {"folds": 3, "rows": 9, "scores": {"r2": [0.5, 0.25, 0.75]}, "means": {"r2": 0.5}},
    }


@pytest.mark.parametrize(
    "summary",
    [
        MODEL,
        TrainSummary(epochs=3, best_epoch=2, steps=9, workers=2, metrics={"loss": 0.5}, restarts=1),
        PrepareSummary(
            task="Regression",
            rows={"train": 7},
            columns=2,
            classes=None,
            fingerprint="f",
            duplicate_rows=0,
            dropped_rows=1,
        ),
    ],
    ids=lambda summary: type(summary).__name__,
)
def test_what_is_written_is_read_again(summary: Any) -> None:
    assert type(summary).told(json.loads(json.dumps(summary.to_json()))) == summary


def test_a_summary_of_before_has_no_version_and_says_the_same() -> None:
    told = ModelSummary.told(SUMMARY_OF_FINISH)
    assert (told.version, told.chosen, told.metrics) == (
        1,
        "Int8",
        {"accuracy": (0.972, 0.009), "logLoss": (0.1, None)},
    )
    assert told.candidates == [CandidateSummary(name="Int8", bytes=94208)]


def test_a_bound_is_read_by_the_name_that_it_had_before() -> None:
    bounded = CandidateSummary(name="Int8", drop_at_most=0.008)
    assert bounded.to_json()["dropAtMost"] == 0.008
    assert CandidateSummary.model_validate({"name": "Int8", "most": 0.008}) == bounded


@pytest.mark.parametrize(
    ("wrong", "absent"),
    [
        ({"metrics": {"accuracy": [0.9]}}, {"metrics"}),
        ({"metrics": {"loss": 0.5}, "digest": 7}, {"metrics", "digest"}),
        ({"candidates": [{"bytes": 1}]}, {"candidates"}),
        ({"naive": {"label": "no"}, "bytes": "94 kB"}, {"naive", "bytes"}),
        ({"version": None, "published": "pvc://models"}, {"published"}),
        ({"metricDrop": float("nan")}, {"metric_drop"}),
    ],
)
def test_what_can_not_be_read_is_absent_and_the_rest_is_there(wrong: dict[str, Any], absent: set[str]) -> None:
    told = ModelSummary.told({**MODEL.to_json(), **wrong})
    assert {name for name, value in told if value is None} == absent | {"doubts", "proved", "proof", "searched"}


@given(
    st.dictionaries(st.text(max_size=4) | st.sampled_from(list(MODEL.to_json())), st.none() | st.integers() | st.text())
)
def test_whatever_another_program_says_can_be_read(document: dict[str, Any]) -> None:
    told = ModelSummary.told(document)
    json.dumps(told.to_json(), allow_nan=False)
    TrainSummary.told(document)
