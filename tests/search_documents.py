"""A search over every kind of parameter with every kind of answer, for the tests of what shows searches."""

import math
import random
from typing import Any

from steelyard.api.tuning_job import TuningJobSpec
from steelyard.search.log import Entry, SearchDocument

LEARNING_RATE = "training.optimizer.learningRate"
UNITS = "model.mlp.hiddenUnits"
OPTIMIZER = "training.optimizer.name"
MOMENTUM = "training.optimizer.momentum"
BATCH = "training.batchSize"

PARAMETERS: list[dict[str, Any]] = [
    {"path": LEARNING_RATE, "type": "Double", "min": 1e-4, "max": 0.1, "log": True},
    {"path": UNITS, "type": "Categorical", "values": [[32], [64], [128, 64]]},
    {"path": OPTIMIZER, "type": "Categorical", "values": ["Adam", "SGD"]},
    {
        "path": MOMENTUM,
        "type": "Double",
        "min": 0.0,
        "max": 0.9,
        "step": 0.1,
        "when": {"path": OPTIMIZER, "values": ["SGD"]},
    },
    {"path": BATCH, "type": "Int", "min": 16, "max": 128, "step": 16},
]


def search_document(trials: int = 30, *, secondary: bool = False) -> SearchDocument:
    """The same at every call; trial 3 failed, trial 4 was pruned."""
    spec = TuningJobSpec.model_validate(
        {
            "objective": {"metric": "accuracy", **({"secondary": "Size"} if secondary else {})},
            "algorithm": {"name": "NSGA-II" if secondary else "Random"},
            "parameters": PARAMETERS,
            "maxTrials": trials,
            "template": {
                "dataset": {"uri": "sklearn:digits", "target": "target"},
                "model": {"mlp": {}},
                "compression": {"candidates": ["Int8"]},
                "publish": [{"uri": "pvc://models/digits"}],
            },
        }
    )
    generator = random.Random(7)
    entries = tuple(_entry(number, generator, secondary) for number in range(trials))
    return SearchDocument("digits-search", spec, entries, f"all {trials} trials (spec.maxTrials) are finished")


def _entry(number: int, generator: random.Random, secondary: bool) -> Entry:
    rate = 10 ** generator.uniform(-4, -1)
    units = generator.choice([[32], [64], [128, 64]])
    values: dict[str, Any] = {
        LEARNING_RATE: rate,
        UNITS: units,
        OPTIMIZER: generator.choice(["Adam", "SGD"]),
        BATCH: 16 * generator.randrange(1, 9),
    }
    if values[OPTIMIZER] == "SGD":
        values[MOMENTUM] = 0.1 * generator.randrange(10)
    value = 0.98 - 0.03 * (math.log10(rate) + 2.5) ** 2
    if number == 3:
        return Entry(number, values, "Failed", reason="LossNotFinite <b>")
    if number == 4 and not secondary:
        return Entry(number, values, "Pruned", value - 0.1, ((1, value - 0.2), (3, value - 0.1)))
    cost = 4000.0 + 120 * sum(units) if secondary else None
    return Entry(number, values, "Complete", value, ((1, value - 0.1), (3, value)), cost, 10, 4.2)
