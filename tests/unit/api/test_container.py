"""What a manifest says of a training program of the user's own, and what it may not say beside it."""

from typing import Any

import pytest

from steelyard.api.errors import ManifestError
from steelyard.api.loading import parse_training_job
from steelyard.api.models.capabilities import Features
from steelyard.api.training_job import TrainingJobSpec
from steelyard.planning.clusters import cluster_problems

PROGRAM = {"command": ["python", "train.py"], "model": {"format": "Keras"}}


def spec(program: dict[str, Any] | None = None, **changed: Any) -> TrainingJobSpec:
    """Of a job with a program of the user's own; `program` is merged into it."""
    container = {**PROGRAM, **(program or {})}
    container = {name: value for name, value in container.items() if value is not None}
    parts = {"dataset": {"uri": "a.csv", "target": "t"}, "model": {"container": container}, **changed}
    job = {"apiVersion": "steelyard.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "a"}, "spec": parts}
    return parse_training_job(job).spec


def test_it_can_do_what_the_model_that_it_leaves_can_do() -> None:
    network, forest = spec(compression={}), spec({"model": {"format": "Skops"}}, compression={})
    assert (network.capabilities.family.name, network.candidates) == ("keras", ["DynamicRange", "Float16", "Int8"])
    assert (forest.capabilities.family.name, forest.candidates) == ("sklearn", ["Onnx"])
    assert network.container is not None and network.container.model.name == "model.keras"
    assert forest.container is not None and forest.container.model.name == "model.skops"


def test_its_model_is_judged_by_a_stage_of_its_own_even_where_nothing_is_published() -> None:
    given = spec(publish=[], training={"workers": 3})
    assert (given.has_train, given.has_finish, given.is_from_elsewhere) == (True, True, True)


@pytest.mark.parametrize(
    ("program", "changed", "field", "message"),
    [
        ({"command": None}, {}, "spec.model.container.command", "nothing says what is run: give command"),
        ({"model": {"format": "Pickle"}}, {}, "spec.model.container.model.format", "allowed: Keras, SavedModel, Skops"),
        ({"model": None}, {}, "spec.model.container.model", "is needed"),
        ({"model": {"format": "Keras", "path": "/m"}}, {}, "spec.model.container.model.path", "leaves the folder"),
        ({"model": {"format": "Keras", "path": "a/../../m"}}, {}, "spec.model.container.model.path", "leaves the fol"),
        ({"env": {"A B": "1"}}, {}, "spec.model.container.env", "'A B' is no variable's name"),
        ({"args": ["a", "b\0"]}, {}, "spec.model.container.args[1]", "it has a NUL character, which no program"),
        ({"env": {"A": "\0"}}, {}, "spec.model.container.env.A", "it has a NUL character, which no program"),
        ({"env": {"RANK": "1"}}, {}, "spec.model.container.env", "RANK is set by Steelyard"),
        ({"env": {"STEELYARD_SEED": "1"}}, {}, "spec.model.container.env", "STEELYARD_SEED is set by Steelyard"),
        ({}, {"training": {"epochs": 3}}, "spec.training.epochs", "does nothing for models of containers"),
        ({}, {"training": {"classWeights": {}}}, "spec.training.classWeights", "container does not weigh classes"),
        ({}, {"evaluation": {"crossValidation": {}}}, "spec.evaluation.crossValidation", "a model of a container is"),
        ({}, {"compression": {"proof": "CrossFitted"}}, "spec.compression.proof", "is not trained again on folds"),
        ({}, {"compression": {"candidates": ["Onnx"]}}, "spec.compression.candidates", "not made of models of contain"),
        (
            {},
            {"trained": {"uri": "t"}, "dataset": {"uri": "p", "target": "t", "format": "Prepared"}},
            "spec.trained",
            "a container trains its model itself, for this job alone; leave out trained",
        ),
    ],
)
def test_what_does_not_go_with_it_is_refused(
    program: dict[str, Any], changed: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(ManifestError) as refused:
        spec(program, **changed)
    (problem,) = refused.value.problems
    assert problem.path == field and message in problem.message


def test_columns_of_words_are_refused_by_name() -> None:
    misfit = spec().kind.misfit(Features({"a": 1, "color": 3}, {"color"}))
    assert misfit is not None and misfit[0] == "exclude"
    assert misfit[1].startswith("a model of a container takes columns of numbers") and "'color'" in misfit[1]


def test_a_cluster_needs_an_image() -> None:
    places: dict[str, Any] = {"dataset": {"uri": "pvc://c/a.csv", "target": "t"}, "publish": [{"uri": "pvc://c/m"}]}
    (problem,) = cluster_problems(spec(**places))
    assert problem.path == "spec.model.container.image" and "say which image it is in" in problem.message
    assert cluster_problems(spec({"image": "a:1"}, **places)) == []
