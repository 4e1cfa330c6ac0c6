"""The figures of a result as `run` and `status` tell them: what they are read beside is there too."""

from typing import Any

import pytest
from controller_support import NOW, SUMMARY_OF_FINISH, begun, job_with, plan_of, result
from published_support import report_document

from steelyard.api.status import TrainingJobStatus
from steelyard.cli.outcome import model_lines, outcome_lines
from steelyard.cli.score import trained_on
from steelyard.contract.report import PublishedReport
from steelyard.controller.training.draft import StatusDraft

METRICS = {"accuracy": [0.972, 0.009], "macroF1": [0.9, 0.01], "logLoss": [0.1, None], "rocAuc": [0.99, 0.001]}
DOUBT = "5 of 9 rows repeat an earlier one"


def status_lines(summary: dict[str, Any]) -> list[str]:
    """What `status` prints of a job whose stage finish left this."""
    job = job_with()
    draft = StatusDraft(begun(job, "prepare", "train", "finish"), 1, NOW)
    draft.finish_stage(plan_of(job).stages[-1], result(plan_of(job).stages[-1], **summary), job)
    status = TrainingJobStatus.model_validate(draft.status)
    assert status.model is not None
    return model_lines(status.model)


@pytest.mark.parametrize(
    ("naive", "said"),
    [
        ({"label": "no", "value": 0.6}, "(always saying 'no': 0.6)"),
        ({"mean": 12.5, "value": 0.0}, "(always saying the mean, 12.5: 0)"),
    ],
)
def test_run_and_status_tell_the_naive_model_and_the_doubts_beside_the_figure(naive: Any, said: str) -> None:
    summary = {**SUMMARY_OF_FINISH, "metrics": METRICS, "naive": naive, "doubts": [DOUBT]}
    lines = outcome_lines(summary, summary["published"])
    assert f"test        accuracy 0.972 ± 0.009 {said}" in lines
    assert "            macroF1 0.9 ± 0.01, logLoss 0.1, rocAuc 0.99 ± 0.001" in lines
    assert f"doubtful    {DOUBT}" in lines
    assert status_lines(summary) == lines


def test_a_result_of_before_is_told_as_it_was() -> None:
    lines = outcome_lines({**SUMMARY_OF_FINISH, "metrics": METRICS}, [])
    assert "test        accuracy 0.972 ± 0.009, macroF1 0.9 ± 0.01, logLoss 0.1" in lines
    assert "            rocAuc 0.99 ± 0.001" in lines
    assert not any("doubtful" in line for line in lines)


def test_no_line_of_figures_is_wider_than_a_terminal() -> None:
    names = ["rocAuc", "averagePrecision", "balancedAccuracy", "precision", "recall", "medianAe", "mape"]
    metrics = {"accuracy": [0.972, 0.009], **{name: [0.98765, 0.0025] for name in names}}
    for naive in ({"label": "no", "value": 0.6}, None):
        lines = outcome_lines({"metrics": metrics, **({"naive": naive} if naive else {})}, [])
        assert max(map(len, lines)) <= 80
        assert all(f"{name} 0.9877 ± 0.0025" in "\n".join(lines) for name in names)


@pytest.mark.parametrize(
    ("uri", "name", "is_it"),
    [
        ("data/sales.csv", "sales.csv", True),
        ("pvc://data/sales.parquet", "sales.parquet", True),
        ("sklearn:digits", "digits.csv", True),
        ("data/sales.csv", "new.csv", False),
        ("sales", "ales", False),
    ],
)
def test_rows_that_are_named_as_the_training_table_are_no_test(uri: str, name: str, is_it: bool) -> None:
    report = PublishedReport.parse({**report_document(), "manifest": {"spec": {"dataset": {"uri": uri}}}})
    assert trained_on(report, name) == (name if is_it else "")
    assert trained_on(report.model_copy(update={"manifest": {}}), name) == ""
