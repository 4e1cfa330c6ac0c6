"""The best job of a search: the trial's model as it is, or trained anew for the epochs that were best for it."""

from typing import Any

import pytest

from steelyard.api.loading import parse_training_job
from steelyard.api.tuning_job import TuningJob
from steelyard.planning import stages_of
from steelyard.search.log import Entry
from steelyard.tuning.stops import Stops
from steelyard.tuning.trials import best_job, data_job, trial_job

DATASET = "pvc://search-workspace/search-data/prepared"
TRAINED = "pvc://search-workspace/search-3/trained"
BEST = Entry(3, {"training.batchSize": 64}, "Complete", 0.97, epoch=6)


def search(fit: str = "AsIs", path: str = "training.batchSize", **template: Any) -> TuningJob:
    return TuningJob.model_validate(
        {
            "apiVersion": "steelyard.dev/v1alpha1",
            "kind": "TuningJob",
            "metadata": {"name": "search"},
            "spec": {
                "objective": {"metric": "accuracy"},
                "parameters": [{"path": path, "type": "Categorical", "values": [32, 64]}],
                "maxTrials": 4,
                "best": {"fit": fit},
                "template": {
                    "dataset": {"uri": "pvc://data/a.csv", "target": "t"},
                    "model": {"mlp": {}},
                    "training": {"epochs": 9, "earlyStopping": {"patience": 2}},
                    "evaluation": {"require": [{"metric": "accuracy", "minimum": 0.9}]},
                    "compression": {},
                    "publish": [{"uri": "pvc://models/best"}],
                    **template,
                },
            },
        }
    )


def test_the_best_trials_model_is_taken_as_it_is() -> None:
    spec = best_job(search(), BEST, DATASET, TRAINED).spec
    assert stages_of(spec) == ("finish",)
    assert spec.trained is not None and spec.trained.uri == TRAINED
    assert (spec.training.batch_size, spec.training.early_stopping) == (
        64,
        search().spec.template.training.early_stopping,
    )
    assert spec.evaluation.require and spec.compression and spec.publish


def test_the_best_trial_is_trained_anew_for_the_epochs_that_were_best_for_it() -> None:
    spec = best_job(search("TrainAndValidation"), BEST, DATASET, TRAINED).spec
    assert stages_of(spec) == ("train", "finish")
    assert spec.trained is not None and spec.trained.model_dump(exclude_none=True) == {
        "uri": TRAINED,
        "refit": True,
        "epochs": 6,
    }
    # A schedule still goes by all of them.
    assert (spec.training.epochs, spec.training.early_stopping) == (9, None)


@pytest.mark.parametrize(("fit", "trained"), [("AsIs", None), ("TrainAndValidation", {"refit": True})])
def test_a_model_that_was_left_nowhere_is_trained(fit: str, trained: dict[str, Any] | None) -> None:
    path = "model.randomForest.nEstimators"
    tuning = search(fit, path=path, model={"randomForest": {}}, training={})
    best = Entry(3, {path: 64}, "Complete", 0.97)
    spec = best_job(tuning, best, DATASET, None).spec
    assert stages_of(spec) == ("train", "finish")
    assert (None if spec.trained is None else spec.trained.model_dump(exclude_none=True)) == trained
    assert spec.model.random_forest is not None and spec.model.random_forest.n_estimators == 64


@pytest.mark.parametrize("second", [None, "Size"])
def test_a_trial_compresses_for_the_secondary_objective_only(second: str | None) -> None:
    tuning = search()
    objective = tuning.spec.objective.model_copy(update={"secondary": second})
    tuning = tuning.model_copy(update={"spec": tuning.spec.model_copy(update={"objective": objective})})
    job = trial_job(tuning, 2, {"training.batchSize": 32}, Stops((2,), ((2, 0.5),)), DATASET)
    assert stages_of(job.spec) == ("train",)
    assert (job.spec.compression is not None) == (second is not None)
    assert job.spec.evaluation.require == [] and job.spec.trial is not None and job.spec.trial.report_steps == [2]


def test_the_data_is_prepared_by_a_job_that_does_nothing_else() -> None:
    job = data_job(search())
    assert stages_of(job.spec) == ("prepare",)
    assert parse_training_job(job.to_manifest()) == job


@pytest.mark.parametrize("second", ["Size", "Latency"])
def test_what_a_search_makes_small_is_what_chooses_the_candidate(second: str) -> None:
    for given, expected in (({}, second), ({"objective": "Balanced"}, "Balanced")):
        tuning = search(compression=given)
        objective = tuning.spec.objective.model_copy(update={"secondary": second})
        tuning = tuning.model_copy(update={"spec": tuning.spec.model_copy(update={"objective": objective})})
        for job in (trial_job(tuning, 3, {}, Stops(), DATASET), best_job(tuning, BEST, DATASET, TRAINED)):
            assert job.spec.compression is not None and job.spec.compression.objective == expected
