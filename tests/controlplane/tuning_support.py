"""TuningJobs that simulated pods work off, and what becomes of them."""

import json
from collections.abc import Callable
from typing import Any

from cluster.kubectl import Kubectl
from operator_support import simulated
from training_jobs import condition, is_over

from steelyard.api.tuning import Parameter
from steelyard.search.log import Entry

PATIENCE_SECONDS = 120.0

LEARNING_RATE = {"path": "training.optimizer.learningRate", "type": "Double", "min": 0.0001, "max": 0.1, "log": True}
UNITS = {"path": "model.mlp.hiddenUnits.0", "type": "Int", "min": 8, "max": 512}
DROPOUT = {"path": "model.mlp.dropout", "type": "Categorical", "values": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]}
FOREST: dict[str, Any] = {"model": {"randomForest": {}}, "training": {}}
FOREST_GRID: dict[str, Any] = {
    "parameters": [
        {"path": "model.randomForest.nEstimators", "type": "Categorical", "values": [50, 100, 200]},
        {"path": "model.randomForest.maxDepth", "type": "Categorical", "values": [None, 10, 20, 30]},
    ],
    "algorithm": {"name": "Grid"},
    "maxTrials": 12,
}


def tuning_job(
    name: str, duration: str = "50ms", template: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    """A TuningJob of a network; 6 random trials where nothing else is said."""
    return {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TuningJob",
        "metadata": {"name": name},
        "spec": {
            "objective": {"metric": "accuracy"},
            "parameters": [LEARNING_RATE, UNITS],
            "algorithm": {"name": "Random", "seed": 7},
            "maxTrials": 6,
            "parallelTrials": 2,
            "placement": "Pods",
            "template": {
                "dataset": {"uri": "sklearn:digits", "target": "target"},
                "model": {"mlp": {"hiddenUnits": [16]}},
                "training": {"epochs": 9},
                "publish": [{"uri": f"pvc://models/{name}"}],
                "workspace": {"accessMode": "ReadWriteMany", "storageClassName": "shared"},
                "template": simulated(duration),
                **(template or {}),
            },
            **spec,
        },
    }


def ended(namespace: Kubectl, name: str) -> dict[str, Any]:
    """A search that is over."""
    return namespace.wait_for("tuningjob", name, is_over, PATIENCE_SECONDS)


def wait(namespace: Kubectl, name: str, is_as_wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """A search that is as wanted."""
    return namespace.wait_for("tuningjob", name, is_as_wanted, PATIENCE_SECONDS)


def completed(namespace: Kubectl, name: str) -> dict[str, Any]:
    """A search that is Complete."""
    job = ended(namespace, name)
    assert condition(job, "Complete").get("status") == "True", job["status"]
    return job


def log_of(job: dict[str, Any]) -> list[Entry]:
    """The answers, as the status has them."""
    parameters = [Parameter.model_validate(each) for each in job["spec"]["parameters"]]
    return [Entry.decode(line, parameters) for line in job["status"].get("log") or ()]


def asked(job: dict[str, Any]) -> list[tuple[int, str]]:
    """Number and values of each answer."""
    return [(entry.number, json.dumps(entry.values, sort_keys=True)) for entry in log_of(job)]


def answered(job: dict[str, Any]) -> int:
    """How many answers there are."""
    return len((job.get("status") or {}).get("log") or ())
