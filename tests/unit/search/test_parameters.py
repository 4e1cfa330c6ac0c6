"""The parameters of a search: their values, their conditions, and a trial's values made whole."""

import pytest
from search_manifests import BATCH, DROPOUT, MOMENTUM, OPTIMIZER, hanging_on, manifest, problems, searching

from steelyard.api.tuning import Parameter
from steelyard.search.manifest import parse_tuning_job
from steelyard.search.space import Space
from steelyard.search.values import completed, contains, exists, parents_first
from steelyard.tuning.asking import Asker


def space(*texts: str) -> list[Parameter]:
    overrides = [searching(*texts)]
    return parse_tuning_job(manifest("mlp", *overrides)).spec.parameters


def test_a_parameter_holds_its_steps_whatever_its_floats() -> None:
    (parameter,) = space("{path: model.mlp.dropout, type: Double, min: 0, max: 0.9, step: 0.1}")
    assert contains(parameter, 0.1 + 0.2) and contains(parameter, 0) and contains(parameter, 0.9)
    assert not contains(parameter, 0.25) and not contains(parameter, 1.0) and not contains(parameter, "0.1")
    (batch,) = space(BATCH)
    assert contains(batch, 48) and contains(batch, 48.0)
    assert not contains(batch, 47) and not contains(batch, True)


def test_the_finest_steps_are_counted_and_those_of_an_int_are_whole() -> None:
    fine = "{path: model.mlp.dropout, type: Double, min: 0, max: 0.5, step: 5.0e-10}"
    seed = "{path: training.seed, type: Int, min: 0, max: 4294967295, step: 1}"
    parameters = space(fine, seed)
    assert Space(parameters).combinations == (10**9 + 1) * 2**32
    dropout = Space(parameters).by_path["model.mlp.dropout"]
    values = [dropout.item(place) for place in (0, 1, 123_456_789, 10**9 - 1, 10**9)]
    assert all(contains(parameters[0], value) for value in values)
    assert not contains(parameters[0], (values[1] + values[0]) / 2)


def test_true_is_not_one() -> None:
    (parameter,) = space("{path: model.mlp.batchNormalization, type: Categorical, values: [true, false]}")
    assert contains(parameter, True) and not contains(parameter, 1)


def test_a_parameter_without_its_condition_does_not_exist() -> None:
    optimizer, momentum = space(OPTIMIZER, MOMENTUM)
    assert exists(optimizer, {})
    assert exists(momentum, {optimizer.path: "SGD"})
    assert not exists(momentum, {optimizer.path: "Adam"}) and not exists(momentum, {})


@pytest.mark.parametrize(
    ("parent", "named", "own"),
    [
        ("{path: training.batchSize, type: Int, min: 16, max: 64, step: 16}", "32.0", 32),
        ("{path: training.optimizer.momentum, type: Double, min: 0.1, max: 0.9, step: 0.1}", "0.3", 0.1 + 2 * 0.1),
    ],
)
def test_a_condition_names_values_as_the_search_has_them(parent: str, named: str, own: float) -> None:
    path = parent[len("{path: ") : parent.index(",")]
    parameters = [searching(parent, hanging_on(path, f"[{named}]")), "template.training.optimizer.name=SGD"]
    first = f"initialTrials=[{{{path}: {named}, model.mlp.dropout: 0.25}}]"
    spec = parse_tuning_job(manifest("mlp", *parameters, first)).spec
    (values,) = Asker(spec).initial
    assert values == {path: own, "model.mlp.dropout": 0.25}
    assert type(values[path]) is type(own)
    assert [len(Space(spec.parameters).active({path: value})) for value in (own, float(named))] == [2, 2]
    found = problems("mlp", searching(parent, hanging_on(path, f"[{named}, {own!r}]")), parameters[1])
    assert found == {"spec.parameters[1].when.values[1]": f"{own!r} is given twice"}


def test_parents_come_first_and_the_order_stays_otherwise() -> None:
    parameters = space(DROPOUT, MOMENTUM, OPTIMIZER, BATCH)
    assert [one.path.rpartition(".")[2] for one in parents_first(parameters)] == [
        "dropout",
        "name",
        "momentum",
        "batchSize",
    ]


def test_the_size_of_a_space_counts_what_exists() -> None:
    epochs = "{path: training.epochs, type: Int, min: 1, max: 10, when: {path: training.optimizer.name, values: [SGD]}}"
    assert Space(space(OPTIMIZER, BATCH)).combinations == 2 * 4
    assert Space(space(OPTIMIZER, epochs, BATCH)).combinations == (1 + 10) * 4
    assert Space(space(OPTIMIZER, MOMENTUM)).combinations is None


def test_an_initial_trial_is_completed_by_the_template_and_by_first_values() -> None:
    parameters = space(DROPOUT, MOMENTUM, OPTIMIZER, BATCH)
    template = {"model": {"mlp": {"dropout": 0.3}}, "training": {"batchSize": 33, "optimizer": {"name": "Adam"}}}
    assert completed(parameters, {}, template) == {
        "model.mlp.dropout": 0.3,
        "training.optimizer.name": "Adam",
        "training.batchSize": 16,
    }
    whole = completed(parameters, {"training.optimizer.name": "SGD", "training.batchSize": 64.0}, template)
    assert whole == {
        "model.mlp.dropout": 0.3,
        "training.optimizer.momentum": 0,
        "training.optimizer.name": "SGD",
        "training.batchSize": 64,
    }
    assert isinstance(whole["training.batchSize"], int), "as an Int's field takes it"
