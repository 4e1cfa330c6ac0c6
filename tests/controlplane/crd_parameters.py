"""The parameters of the searches that are made on the control plane."""

OPTIMIZER = "{path: training.optimizer.name, type: Categorical, values: [Adam, SGD]}"
MOMENTUM = (
    "{path: training.optimizer.momentum, type: Double, min: 0, max: 0.9, "
    "when: {path: training.optimizer.name, values: [SGD]}}"
)
SCHEDULE = (
    "{path: training.learningRateSchedule, type: Categorical, "
    "values: [null, {cosine: {warmupEpochs: 1}}, {exponential: {rate: 0.30000000000000004, everyEpochs: 2}}]}"
)
UNITS = "{path: model.mlp.hiddenUnits, type: Categorical, values: [[64, 32], [128]]}"
BATCH = "{path: training.batchSize, type: Int, min: 16, max: 64, step: 16}"
DROPOUT = "{path: model.mlp.dropout, type: Double, min: 0, max: 0.5}"


def searching(*parameters: str) -> str:
    return f"parameters=[{', '.join(parameters)}]"


ANYTHING = [
    searching(OPTIMIZER, MOMENTUM, SCHEDULE, UNITS, BATCH),
    "initialTrials=[{training.learningRateSchedule: null, model.mlp.hiddenUnits: [128]}, {training.batchSize: 32}]",
]
