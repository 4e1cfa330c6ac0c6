"""Searches over small spaces for each algorithm."""

from typing import Any

from sampler_support import spec_of

from steelyard.api.tuning_job import TuningJobSpec
from steelyard.search.log import Entry, Values

ALGORITHMS = ("Grid", "Random", "TPE", "GP", "CMA-ES", "QMC", "NSGA-II")
LEARNING = ("TPE", "GP", "CMA-ES", "NSGA-II")
CONDITIONAL = ("Grid", "Random", "TPE", "NSGA-II")
SETTINGS: dict[str, dict[str, Any]] = {
    "TPE": {"startupTrials": 5},
    "GP": {"startupTrials": 5},
    "CMA-ES": {"populationSize": 5},
    "NSGA-II": {"populationSize": 6},
}

RATE = {"path": "training.rate", "type": "Double", "min": 1e-5, "max": 0.1, "log": True}
SHARE = {"path": "model.share", "type": "Double", "min": -1, "max": 0.5}
TENTHS = {"path": "model.tenths", "type": "Double", "min": 0.1, "max": 0.95, "step": 0.1}
UNITS = {"path": "model.units", "type": "Int", "min": 16, "max": 120, "step": 16}
BATCH = {"path": "training.batch", "type": "Int", "min": 1, "max": 300, "log": True}
DEPTH = {"path": "model.depth", "type": "Categorical", "values": [None, 10, 20, [3, 4]]}
FLAG = {"path": "model.flag", "type": "Categorical", "values": [True, False]}
ALONE = {"path": "a.alone", "type": "Categorical", "values": ["only"]}
# Declared before what it depends on; the chain has two links.
INNER = {"path": "a.inner", "type": "Int", "min": 0, "max": 5, "when": {"path": "model.outer", "values": [0.1, 0.2]}}
OUTER = {
    "path": "model.outer",
    "type": "Double",
    "min": 0.1,
    "max": 0.3,
    "step": 0.1,
    "when": {"path": "model.flag", "values": [True]},
}
NUMBERS = [RATE, SHARE, TENTHS, UNITS, BATCH]


def parameters_for(algorithm: str) -> list[dict[str, Any]]:
    """As many kinds of parameters as the algorithm takes."""
    if algorithm == "Grid":
        return [INNER, TENTHS, UNITS, DEPTH, ALONE, FLAG, OUTER]
    if algorithm == "CMA-ES":
        return NUMBERS
    conditional = [INNER, OUTER] if algorithm in CONDITIONAL else []
    return [*conditional, *NUMBERS, DEPTH, ALONE, FLAG]


def search(algorithm: str, *, parallel: int = 1, seed: int = 3, **fields: Any) -> TuningJobSpec:
    objective = {"secondary": "Size"} if algorithm == "NSGA-II" else {}
    return spec_of(
        parameters_for(algorithm),
        algorithm,
        seed=seed,
        settings=SETTINGS.get(algorithm),
        objective=objective,
        parallel_trials=parallel,
        **fields,
    )


def values_of(entries: list[Entry]) -> list[Values]:
    return [entry.values for entry in entries]
