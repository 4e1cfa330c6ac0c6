"""What a manifest says of a model that was trained elsewhere, and what it may not say beside it."""

from typing import Any

import pytest

from steelyard.api.errors import ManifestError
from steelyard.api.loading import parse_training_job
from steelyard.api.models import Model
from steelyard.api.models.capabilities import Features
from steelyard.api.training_job import TrainingJobSpec
from steelyard.search.manifest import parse_manifest

ELSEWHERE = {"uri": "net.keras", "format": "Keras"}


def spec(**changed: Any) -> TrainingJobSpec:
    """Of a job with a model from elsewhere."""
    parts = {"dataset": {"uri": "a.csv", "target": "t"}, "trained": ELSEWHERE, **changed}
    job = {"apiVersion": "steelyard.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "a"}, "spec": parts}
    return parse_training_job(job).spec


def test_it_has_what_its_format_can_do_and_no_model_of_its_own() -> None:
    given = spec(compression={})
    assert (given.own_model, given.is_from_elsewhere, given.has_train, given.has_finish) == (None, True, False, True)
    assert given.capabilities.family.name == "keras" and given.compression_objective == "Size"
    assert given.candidates == ["DynamicRange", "Float16", "Int8"]
    assert "model" not in given.model_dump(by_alias=True, exclude_unset=True)


def test_a_saved_model_has_what_a_network_has_and_both_may_be_searched() -> None:
    for given in ("Keras", "SavedModel"):
        searched = spec(trained={"uri": "net", "format": given}, compression={"candidates": ["Auto"]})
        assert searched.capabilities.family.name == "keras" and searched.sets_rows_aside


def test_a_model_of_scikit_learn_has_its_own_candidates() -> None:
    given = spec(trained={"uri": "a.skops", "format": "Skops"}, compression={})
    assert given.capabilities.family.name == "sklearn" and given.candidates == ["Onnx"]
    assert given.compression_objective == "Balanced"


PREPARED = {"uri": "prepared", "target": "t", "format": "Prepared"}


@pytest.mark.parametrize(
    ("changed", "field", "message"),
    [
        ({"trained": None}, "spec.model", "this field is needed, but it is missing; allowed: one of mlp, linear, "),
        ({"model": {"linear": {}}}, "spec.model", "is what its file says; leave this out"),
        ({"trained": {**ELSEWHERE, "format": "Pickle"}}, "spec.trained.format", "is not allowed; allowed: Keras"),
        ({"trained": {**ELSEWHERE, "refit": True}}, "spec.trained.refit", "is taken as it is; leave this out"),
        ({"trained": {**ELSEWHERE, "epochs": 3}}, "spec.trained.epochs", "epochs go with refit: true"),
        ({"trained": {"format": "Keras"}}, "spec.trained.uri", "must be named"),
        ({"dataset": PREPARED}, "spec.dataset.format", "is judged on a table that this job prepares"),
        ({"training": {"epochs": 3}}, "spec.training.epochs", "epochs does nothing for models from elsewhere"),
        ({"training": {"workers": 2}}, "spec.training.workers", "allowed: 1"),
        ({"training": {"classWeights": {}}}, "spec.training.classWeights", "a model from elsewhere does not weigh"),
        (
            {"evaluation": {"crossValidation": {}}},
            "spec.evaluation.crossValidation",
            "a model from elsewhere is judged",
        ),
        ({"compression": {"candidates": ["Onnx"]}}, "spec.compression.candidates", "is not made of models from elsewh"),
    ],
)
def test_what_does_not_go_with_it_is_refused(changed: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ManifestError) as refused:
        spec(**changed)
    (problem,) = refused.value.problems
    assert problem.path == field and message in problem.message


def test_columns_of_words_are_refused_by_name() -> None:
    misfit = spec().kind.misfit(Features({"a": 1, "color": 3, "size": 1}, {"color"}))
    assert misfit is not None and misfit[0] == "exclude" and "'color' holds categories: exclude it" in misfit[1]
    assert spec().kind.misfit(Features({"a": 1}, set())) is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"trained": ELSEWHERE}, "trained"),
        (
            {"model": {"container": {"command": ["python", "train.py"], "model": {"format": "Keras"}}}},
            "model.container",
        ),
    ],
)
def test_a_search_has_no_model_that_something_else_trains(given: dict[str, Any], field: str) -> None:
    template = {"dataset": {"uri": "a.csv", "target": "t"}, **given}
    job = {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TuningJob",
        "metadata": {"name": "a"},
        "spec": {
            "objective": {"metric": "accuracy"},
            "parameters": [{"path": "training.seed", "type": "Int", "min": 0, "max": 5}],
            "maxTrials": 3,
            "template": template,
        },
    }
    with pytest.raises(ManifestError) as refused:
        parse_manifest(job)
    assert [problem.path for problem in refused.value.problems] == [f"spec.template.{field}"]


def test_the_model_of_a_job_that_trains_is_its_kind() -> None:
    model = Model.model_validate({"linear": {}})
    given = spec(trained=None, model={"linear": {}})
    assert given.model == model and given.kind == model.given
