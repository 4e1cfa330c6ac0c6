"""The jobs of a search: what a manifest with onlyPrepare, trained or trial may say, and how the operator shows them."""

from typing import Any

import pytest
from controller_support import begun, conditions, decided, ended, plan_of, result, stage_job

from steelyard.api.errors import ManifestError
from steelyard.api.loading import apply_overrides, parse_training_job
from steelyard.api.status import TrainingJobStatus
from steelyard.api.training_job import TrainingJob
from steelyard.contract.trial_report import TrialReport
from steelyard.controller.events import Event
from steelyard.planning.clusters import claims_of, cluster_problems

PREPARED = "dataset={uri: 'pvc://data/prepared', format: Prepared, target: t}"
TRIAL = "trial={tuningJob: search, number: 3, metric: accuracy, goal: Maximize}"
NOWHERE = "publish=[]"
TRAINED = "trained={uri: 'pvc://scratch/search-3/trained'}"
REFIT = "trained={uri: 'pvc://scratch/search-3/trained', refit: true}"


def job(*overrides: str) -> TrainingJob:
    manifest: dict[str, Any] = {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "digits"},
        "spec": {
            "dataset": {"uri": "pvc://data/a.csv", "target": "t"},
            "model": {"mlp": {}},
            "publish": [{"uri": "pvc://models/digits"}],
        },
    }
    return parse_training_job(apply_overrides(manifest, overrides))


REFUSED = [
    (["onlyPrepare=true"], "publish", "a job that only prepares the data (onlyPrepare) has no publish; leave it out"),
    (["onlyPrepare=true", NOWHERE, TRIAL], "trial", "has no trial; leave it out"),
    (["onlyPrepare=true", "publish=null", "compression={}"], "compression", "has no compression; leave it out"),
    (["onlyPrepare=true", NOWHERE, PREPARED], "onlyPrepare", "a dataset of format Prepared is prepared already"),
    ([PREPARED, "trained={}"], "trained.uri", "the model that is taken as it is must be named; or say refit: true"),
    ([PREPARED, "trained={uri: 'pvc://A/x'}"], "trained.uri", "'pvc://A/x' names no claim"),
    ([PREPARED, "trained={uri: 'pvc://a/x', epochs: 3}"], "trained.epochs", "epochs go with refit: true"),
    ([PREPARED, "trained={refit: true}"], "trained.uri", "a refitted network is weighed by a model that was trained"),
    ([TRAINED], "dataset.format", "goes with the data of that job: name its folder `prepared`, with format Prepared"),
    ([PREPARED, NOWHERE, TRAINED, TRIAL], "trained", "a trial trains a model of its own; leave out trained"),
    ([PREPARED, REFIT, "training.earlyStopping={}"], "training.earlyStopping", "no validation set is left to watch"),
    ([PREPARED, REFIT, "trained.epochs=11"], "trained.epochs", "11 is more than training.epochs, 10"),
    ([TRIAL], "publish", "a trial publishes nothing; say publish: []"),
    ([TRIAL, NOWHERE, "compression={}"], "compression", "a trial compresses for trial.secondary only"),
    ([TRIAL, NOWHERE, "trial.secondary=Size"], "compression", "give both or leave out both"),
    ([TRIAL, NOWHERE, "evaluation.maxGeneralizationGap=0.1"], "evaluation", "a trial does not look at the test set"),
    (
        [TRIAL, NOWHERE, "task=Regression"],
        "trial.metric",
        "accuracy is no metric of Regression; allowed: r2, rmse, mae",
    ),
    ([TRIAL, NOWHERE, "trial.pairedLimit={best: [0.5]}"], "trial.pairedLimit", "a network is not scored on folds"),
    (
        [TRIAL, NOWHERE, "trial.label=a"],
        "trial.label",
        "a label goes with one of the metrics rocAuc, averagePrecision, precision, recall, f1; leave it out",
    ),
]


@pytest.mark.parametrize(("overrides", "field", "message"), REFUSED, ids=[f"{row[1]}-{row[2][:30]}" for row in REFUSED])
def test_what_does_not_go_together_is_refused(overrides: list[str], field: str, message: str) -> None:
    with pytest.raises(ManifestError) as refused:
        job(*overrides)
    (problem,) = refused.value.problems
    assert problem.path == f"spec.{field}"
    assert message in problem.message


@pytest.mark.parametrize(
    "overrides",
    [
        ["onlyPrepare=true", NOWHERE],
        ["onlyPrepare=true", "publish=null"],
        [PREPARED, TRAINED, "compression={}", "training.earlyStopping={}"],
        [PREPARED, REFIT, "trained.epochs=10"],
        [PREPARED, "trained={refit: true}", "model={ridge: {}}"],
        [TRIAL, NOWHERE, "trial.secondary=Size", "compression={}"],
        [TRIAL, NOWHERE, "trial.metric=macroF1", "trial.reportSteps=[1]"],
        [TRIAL, NOWHERE, "trial.metric=f1", "trial.label=a", "evaluation.metric=rocAuc"],
    ],
    ids=str,
)
def test_what_goes_together_runs_on_a_cluster(overrides: list[str]) -> None:
    assert cluster_problems(job(*overrides).spec) == []


def test_a_model_of_the_users_own_machine_does_not() -> None:
    (problem,) = cluster_problems(job(PREPARED, "trained={uri: search/trained}").spec)
    assert problem.path == "spec.trained.uri" and "'search/trained' lies on no claim" in problem.message


def test_the_claim_of_a_trained_model_is_read() -> None:
    assert claims_of(job(PREPARED, TRAINED).spec) == {"data": False, "scratch": False, "models": True}
    assert claims_of(job(PREPARED, TRAINED, "publish=[{uri: 'pvc://scratch/m'}]").spec) == {
        "data": False,
        "scratch": True,
    }


# --- how the operator shows them --------------------------------------------------------------------------------------


def test_a_job_that_only_prepares_is_complete_when_the_data_is_prepared() -> None:
    only = job("onlyPrepare=true", NOWHERE)
    (prepare,) = plan_of(only).stages
    chief = ended("a", 0, result=result(prepare, message="1797 rows"))
    decision = decided(only, begun(only, "prepare"), stage_job("prepare", "Complete"), pods=[chief])
    assert decision.is_over
    assert conditions(decision) == {"Prepared": ("True", "Succeeded"), "Complete": ("True", "Succeeded")}


def trial_that_ended(reason: str, report: object, **summary: Any) -> Any:
    """What is decided when a trial's only stage has ended."""
    trial = job(PREPARED, NOWHERE, TRIAL)
    (train,) = plan_of(trial).stages
    chief = ended("a", 0, result=result(train, reason, "gave up after epoch 2", trial=report, **summary))
    status = begun(trial, "train")
    status["stages"][0] |= {"done": 1, "total": 10, "unit": "epochs"}
    return decided(trial, status, stage_job("train", "Complete"), pods=[chief])


def test_a_pruned_trial_is_complete_with_that_reason_and_its_report() -> None:
    report = TrialReport(3, "Pruned", 0.5, ((1, 0.25), (2, 0.5)), epoch=2, seconds=1.5)
    decision = trial_that_ended("Pruned", report.to_json(), epochs=2)
    assert decision.is_over and decision.events == [Event("Complete", "gave up after epoch 2")]
    assert conditions(decision) == dict.fromkeys(("Trained", "Evaluated", "Complete"), ("True", "Pruned"))
    status = TrainingJobStatus.model_validate(decision.draft.status)
    assert status.trial is not None and status.trial.report == report
    assert (status.metric, status.model) == ("accuracy 0.5", None)
    # It did two epochs, not all.
    assert (status.stages[0].done, status.stages[0].total) == (2, 10)


def test_a_trial_that_ran_to_its_end_shows_its_value() -> None:
    report = TrialReport(3, "Complete", 0.9711111111111111, epoch=4, secondary=94208.0)
    decision = trial_that_ended("Succeeded", report.to_json())
    assert conditions(decision)["Complete"] == ("True", "Succeeded")
    status = TrainingJobStatus.model_validate(decision.draft.status)
    assert status.trial is not None and status.trial.report == report


@pytest.mark.parametrize("report", [None, "no", [3], [3, "C", "high"], [3, "R", 0.5], {"number": 3}], ids=str)
def test_a_report_that_is_none_is_not_shown(report: object) -> None:
    decision = trial_that_ended("Succeeded", report)
    assert decision.is_over and "trial" not in decision.draft.status
