"""Searches, answers and logs, for the tests of what becomes of them."""

from typing import Any

import search_documents
from search_documents import BATCH

from steelyard.api.tuning_job import TuningJobSpec
from steelyard.contract.trial_report import State
from steelyard.search.log import Entry

DROPOUT = "model.mlp.dropout"
PATIENCE = "training.earlyStopping.patience"

PARAMETERS: list[dict[str, Any]] = [
    *(parameter for parameter in search_documents.PARAMETERS if parameter["path"] != BATCH),
    {"path": BATCH, "type": "Int", "min": 1, "max": 4096, "log": True},
    {"path": PATIENCE, "type": "Categorical", "values": [None, 3, 10]},
]
"""Every kind of parameter, with an Int that is logarithmic and a value that is none."""


def search(**fields: Any) -> TuningJobSpec:
    return TuningJobSpec.model_validate(
        {
            "objective": {"metric": "accuracy"},
            "parameters": [{"path": DROPOUT, "type": "Double", "min": 0.0, "max": 0.9}],
            "algorithm": {"name": "TPE"},
            "maxTrials": 10,
            # Of a forest: as whoever gives the template wants it.
            **({} if "template" in fields else {"placement": "Pods"}),
            "template": {
                "dataset": {"uri": "sklearn:digits", "target": "target"},
                "model": {"mlp": {"hiddenUnits": [32]}},
                "training": {"earlyStopping": {}, "epochs": 20},
                "compression": {"candidates": ["Int8"]},
                "evaluation": {"require": [{"metric": "accuracy", "minimum": 0.9}], "maxGeneralizationGap": 0.1},
                "publish": [{"uri": "pvc://models/digits"}],
                "runPolicy": {"backoffLimit": 1},
            },
            **fields,
        }
    )


def answer(number: int, value: float | None = 0.5, state: State = "Complete", **fields: Any) -> Entry:
    return Entry(number, {DROPOUT: number / 100}, state, value, **fields)


def log_of(*values: float | None) -> dict[int, Entry]:
    """Complete trials of these values; None is one that failed."""
    return {
        number: answer(number, value) if value is not None else answer(number, None, "Failed", reason="OutOfMemory")
        for number, value in enumerate(values)
    }


FOREST = {
    "dataset": {"uri": "sklearn:digits", "target": "target"},
    "model": {"randomForest": {}},
    "evaluation": {"crossValidation": {"folds": 5}},
}
