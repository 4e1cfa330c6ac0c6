"""Every mistake in the parameters of a search is answered with the field, the value and what is allowed."""

import pytest
from search_manifests import (
    BATCH,
    DROPOUT,
    MOMENTUM,
    OPTIMIZER,
    RATE,
    hanging_on,
    path_of,
    problems,
    searching,
)

NO_FIELD = "there is no field '{}'; did you mean {}?"
OUTSIDE = (
    "'{}' can't be searched, as all trials share their data and their pods' shape; allowed: fields below model and "
    "training, such as training.optimizer.learningRate"
)


# The model, overrides, the field that the error names below spec, and the whole message.
WRONG = [
    # paths
    (
        "mlp",
        [path_of("training.learningRate")],
        "parameters[0].path",
        NO_FIELD.format("training.learningRate", "training.optimizer.learningRate"),
    ),
    (
        "mlp",
        [path_of("model.mlp.drop_out")],
        "parameters[0].path",
        NO_FIELD.format("model.mlp.drop_out", "model.mlp.dropout"),
    ),
    (
        "mlp",
        [path_of("spec.template.model.mlp.dropout")],
        "parameters[0].path",
        "'spec.template.model.mlp.dropout' is to begin inside of the template; did you mean model.mlp.dropout?",
    ),
    ("mlp", [path_of("dataset.split.test")], "parameters[0].path", OUTSIDE.format("dataset.split.test")),
    ("mlp", [path_of("model")], "parameters[0].path", OUTSIDE.format("model")),
    (
        "mlp",
        [path_of("model.randomForest.maxDepth")],
        "parameters[0].path",
        "the template has model.mlp, so there is no model.randomForest; allowed: fields of model.mlp",
    ),
    (
        "mlp",
        [
            path_of("training.learningRateSchedule.exponential.rate"),
            "template.training.learningRateSchedule={cosine: {}}",
        ],
        "parameters[0].path",
        "the template has training.learningRateSchedule.cosine, so there is no "
        "training.learningRateSchedule.exponential; allowed: fields of training.learningRateSchedule.cosine",
    ),
    (
        "mlp",
        [path_of("model.mlp.hiddenUnits.0")],
        "parameters[0].path",
        "the template gives no model.mlp.hiddenUnits, so it has no item 0; give it there",
    ),
    (
        "mlp",
        [path_of("model.mlp.hiddenUnits.2"), "template.model.mlp.hiddenUnits=[64, 32]"],
        "parameters[0].path",
        "'2' is no item of model.mlp.hiddenUnits, of which the template gives 2; allowed: an index from 0 to 1",
    ),
    (
        "mlp",
        [searching(DROPOUT, BATCH, DROPOUT)],
        "parameters[2].path",
        "'model.mlp.dropout' is searched twice; parameters[0] has it already",
    ),
    (
        "mlp",
        [
            searching(
                "{path: model.mlp.regularization, type: Categorical, values: [{l1: 0.1}, {l2: 0.1}]}",
                "{path: model.mlp.regularization.l1, type: Double, min: 0, max: 1}",
            )
        ],
        "parameters[1].path",
        "of 'model.mlp.regularization.l1' and 'model.mlp.regularization' (parameters[0]) one lies in the other; leave "
        "out one of the two",
    ),
    # types, bounds and values
    (
        "mlp",
        ["parameters.0.max=1"],
        "parameters[0].max",
        "1 is outside of what model.mlp.dropout takes; allowed: a number of at least 0 and below 1",
    ),
    (
        "mlp",
        ["parameters.0.min=-0.5"],
        "parameters[0].min",
        "-0.5 is outside of what model.mlp.dropout takes; allowed: a number of at least 0 and below 1",
    ),
    (
        "mlp",
        [searching("{path: training.batchSize, type: Double, min: 1, max: 64}")],
        "parameters[0].type",
        "Double gives numbers that are not whole, but training.batchSize takes a whole number from 1 to 1048576; "
        "allowed: Int, Categorical",
    ),
    (
        "mlp",
        [searching("{path: model.mlp.activation, type: Int, min: 1, max: 6}")],
        "parameters[0].type",
        "Int gives numbers, but model.mlp.activation takes relu, gelu, elu, silu, tanh, sigmoid; allowed: Categorical",
    ),
    (
        "mlp",
        [searching("{path: model.mlp.activation, type: Categorical, values: [relu, cubic]}")],
        "parameters[0].values[1]",
        '"cubic" is not allowed; allowed: relu, gelu, elu, silu, tanh, sigmoid',
    ),
    (
        "mlp",
        [searching("{path: model.mlp.hiddenUnits, type: Categorical, values: [[32], [32, 0]]}")],
        "parameters[0].values[1]",
        "[32, 0] makes no valid TrainingJob: model.mlp.hiddenUnits[1]: 0 is not allowed; allowed: a whole number from "
        "1 to 65536",
    ),
    (
        "mlp",
        [searching(MOMENTUM.partition(", when")[0] + "}")],
        "parameters[0].min",
        "Adam has no such setting; it has beta1, beta2, epsilon",
    ),
    (
        "mlp",
        [searching(OPTIMIZER, MOMENTUM.partition(", when")[0] + "}")],
        "parameters[1].min",
        "Adam has no such setting; it has beta1, beta2, epsilon; to search it where it exists give it when: {path: "
        'training.optimizer.name, values: ["SGD"]}',
    ),
    (
        "mlp",
        [
            "template.training.optimizer={name: SGD}",
            searching(OPTIMIZER, MOMENTUM.partition(", when")[0] + "}"),
        ],
        "parameters",
        'training.optimizer.name "Adam", training.optimizer.momentum 0.9 make no valid TrainingJob together: '
        "training.optimizer.momentum: Adam has no such setting; it has beta1, beta2, epsilon; a parameter that goes "
        "with some values of another only needs a condition (when)",
    ),
    ("mlp", ["parameters.0.max=0.1"], "parameters[0].min", "the range is empty: min and max are both 0.1"),
    ("mlp", ["parameters.0.max=0.05"], "parameters[0].min", "the range is reversed: 0.1 is above the max 0.05"),
    (
        "mlp",
        ["parameters.0.min=0", "parameters.0.log=true"],
        "parameters[0].min",
        "log needs a min above 0, but it is 0",
    ),
    ("mlp", ["parameters.0.step=0.5"], "parameters[0].step", "a step of 0.5 does not fit between 0.1 and 0.5"),
    (
        "mlp",
        ["parameters.0.step=0.1", "parameters.0.log=true"],
        "parameters[0].step",
        "steps of equal size do not go with log; leave out one of the two",
    ),
    (
        "mlp",
        [searching("{path: training.batchSize, type: Int, min: 1.5, max: 64}")],
        "parameters[0].min",
        "1.5 is not a whole number, as Int needs",
    ),
    (
        "mlp",
        [searching("{path: training.batchSize, type: Categorical}")],
        "parameters[0].values",
        "a Categorical parameter needs values, such as [16, 32, 64]",
    ),
    (
        "mlp",
        [searching("{path: training.batchSize, type: Categorical, values: [16, 32, 16]}")],
        "parameters[0].values[2]",
        "16 is given twice",
    ),
    # conditions
    (
        "mlp",
        [searching(hanging_on("training.optimizer.name", "[SGD]"), BATCH)],
        "parameters[0].when.path",
        "'training.optimizer.name' is no other parameter; allowed: training.batchSize",
    ),
    (
        "mlp",
        [searching(hanging_on("model.mlp.dropout", "[0.5]"))],
        "parameters[0].when.path",
        "'model.mlp.dropout' is no other parameter; allowed: none, there is but one parameter",
    ),
    (
        "mlp",
        [searching(OPTIMIZER, hanging_on("training.optimizer.name", "[Adam, AdamW]"))],
        "parameters[1].when.values[1]",
        'training.optimizer.name never has the value \'AdamW\'; allowed: "Adam", "SGD"',
    ),
    (
        "mlp",
        [searching(BATCH, hanging_on("training.batchSize", "[20]"))],
        "parameters[1].when.values[0]",
        "training.batchSize never has the value 20; allowed: a whole number from 16 to 64 in steps of 16",
    ),
    (
        "mlp",
        [searching(OPTIMIZER, hanging_on("training.optimizer.name", "[SGD, SGD]"))],
        "parameters[1].when.values[1]",
        "'SGD' is given twice",
    ),
    (
        "mlp",
        [searching(RATE, hanging_on("training.optimizer.learningRate", "[0.01]"))],
        "parameters[1].when.path",
        "training.optimizer.learningRate may be any number between two; a condition needs one with steps, an Int or a "
        "Categorical",
    ),
    (
        "mlp",
        [
            searching(
                f"{BATCH[:-1]}, when: {{path: training.epochs, values: [3]}}}}",
                "{path: training.epochs, type: Int, min: 1, max: 9, when: {path: training.batchSize, values: [16]}}",
            )
        ],
        "parameters[0].when.path",
        "the conditions go round in a circle: training.batchSize exists by itself in the end; leave out one of them",
    ),
    *(
        (
            "mlp",
            [f"algorithm.name={name}", searching(BATCH, hanging_on("training.batchSize", "[16]"))],
            "parameters[1].when",
            f"{name} has no conditions; allowed with them: Grid, Random, TPE, NSGA-II",
        )
        for name in ("GP", "CMA-ES", "QMC")
    ),
    # grids
    (
        "mlp",
        [
            "algorithm.name=Grid",
            searching(
                "{path: training.batchSize, type: Int, min: 1, max: 200}",
                "{path: training.epochs, type: Int, min: 1, max: 100}",
            ),
        ],
        "parameters",
        "the grid has 20,000 combinations; allowed: at most 10,000, or another algorithm, such as TPE",
    ),
    (
        "mlp",
        ["algorithm.name=Grid"],
        "parameters[0].step",
        "a Grid has finitely many values; give model.mlp.dropout a step, or make it Categorical",
    ),
    # steps
    (
        "randomForest",
        [searching("{path: model.randomForest.maxFeatures, type: Double, min: 0.25, max: 0.75, step: 1.0e-300}")],
        "parameters[0].step",
        "a step of 1e-300 is too fine between 0.25 and 0.75; allowed: at least 5e-10, or leave it out: any number is "
        "taken then",
    ),
    (
        "randomForest",
        [searching("{path: model.randomForest.maxFeatures, type: Double, min: 0.5, max: 0.5000001, step: 1.0e-13}")],
        "parameters[0].step",
        "a step of 1e-13 is too fine between 0.5 and 0.5000001; allowed: at least 5.000001e-13, or leave it out: any "
        "number is taken then",
    ),
]


@pytest.mark.parametrize(
    ("model", "overrides", "field", "message"), WRONG, ids=[f"{row[2]}-{row[3][:40]}" for row in WRONG]
)
def test_a_mistake_is_explained_at_its_field(model: str, overrides: list[str], field: str, message: str) -> None:
    found = problems(model, *overrides)
    assert found[f"spec.{field}"] == message
    # A circle has two ends, each of which says so.
    assert len(found) == 1 or all("circle" in said for said in found.values())
