"""The manifests of a search's jobs: the data's, a trial's, the best one's."""

from typing import Any

import pytest
from searches import DROPOUT, answer, search

from steelyard.api.compression import Compression
from steelyard.api.tuning_job import TuningJob
from steelyard.tuning.stops import Stops
from steelyard.tuning.trials import best_job, data_job, trial_job


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


def test_search_rows_are_set_aside_for_the_students_of_the_best_model() -> None:
    assert data_job(tuning()).spec.dataset.split.search_rows is None
    searching = tuning()
    template = searching.spec.template.model_copy(update={"compression": Compression(candidates=["Distill"])})
    students = searching.model_copy(update={"spec": searching.spec.model_copy(update={"template": template})})
    assert data_job(students).spec.dataset.split.search_rows is True


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
