"""The CRDs on the control plane, and what the API server says of a manifest, field by field."""

import copy
import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from cluster.kubectl import Kubectl, KubectlError

from steelyard.api.errors import ManifestError
from steelyard.api.loading import apply_overrides, parse_training_job
from steelyard.planning.clusters import cluster_problems

ROOT = Path(__file__).parents[2]

Manifest = dict[str, Any]

MODELS = (
    "mlp, linear, cnn, resNet8, dsCnn, wideAndDeep, randomForest, ridge, lasso, elasticNet, logisticRegression, "
    "nearestNeighbors, gradientBoosting, entrypoint, container"
)

_BASE: Manifest = {
    "apiVersion": "steelyard.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "a"},
    "spec": {
        "dataset": {"uri": "pvc://data/a.csv", "target": "t"},
        "model": {"mlp": {}},
        "publish": [{"uri": "pvc://models/a"}],
    },
}


_TUNING: Manifest = {
    **_BASE,
    "kind": "TuningJob",
    "spec": {
        "objective": {"metric": "accuracy"},
        "parameters": [{"path": "model.mlp.dropout", "type": "Double", "min": 0.1, "max": 0.5}],
        "maxTrials": 30,
        "template": _BASE["spec"],
    },
}


def install_crds(kubectl: Kubectl, folder: Path = ROOT / "crds") -> None:
    """Applies the CRDs of a folder and waits until the API server serves and explains them; what is there is brought up
    to date."""
    files = [f"--filename={file}" for file in sorted(folder.glob("*.yaml"))]
    kubectl("apply", "--server-side", "--force-conflicts", *files)
    for kind in ("trainingjob", "tuningjob"):
        wait_until(lambda kind=kind: kubectl("get", kind, "--all-namespaces"))
        wait_until(lambda kind=kind: kubectl("explain", f"{kind}.spec"))


def wait_until(works: Callable[[], object], seconds: float = 60) -> None:
    """Repeats what the API server does not take yet."""
    until = time.monotonic() + seconds
    while True:
        try:
            works()
        except (KubectlError, pytest.fail.Exception):
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def manifest(*overrides: str) -> Manifest:
    """A valid TrainingJob with `path=value` overrides put in; a value `delete` takes the field out."""
    return _overridden(_BASE, overrides)


def tuning_manifest(*overrides: str) -> Manifest:
    """The same of a TuningJob."""
    return _overridden(_TUNING, overrides)


def _overridden(base: Manifest, overrides: Sequence[str]) -> Manifest:
    made = copy.deepcopy(base)
    for override in overrides:
        path, _, value = override.partition("=")
        if value == "delete":
            *holders, last = path.split(".")
            holder = made if path.startswith("metadata") else made["spec"]
            for name in holders:
                holder = holder[name]
            del holder[last]
        else:
            made = apply_overrides(made, [override])
    return made


def refusals(kubectl: Kubectl, document: Manifest) -> dict[str, str]:
    """What `kubectl create` is told of a manifest: messages by field; empty where it is accepted. Nothing is made."""
    try:
        kubectl("create", "--dry-run=server", "--filename=-", stdin=json.dumps(document))
    except KubectlError as error:
        return by_field(str(error))
    return {}


def local_problems(document: dict[str, object]) -> dict[str, str]:
    """What `steelyard submit` says of a manifest before it asks the API server."""
    try:
        problems = cluster_problems(parse_training_job(document).spec)
    except ManifestError as error:
        problems = error.problems
    return {problem.path: problem.message for problem in problems}


def by_field(text: str) -> dict[str, str]:
    """kubectl's text of a refusal, taken apart."""
    if "strict decoding error" in text:
        return dict.fromkeys(re.findall(r'unknown field "([^"]*)"', text), "unknown field")
    lines = [line.removeprefix("* ") for line in text.split(" is invalid: ", 1)[1].splitlines()]
    found: dict[str, list[str]] = {}
    for line in filter(None, lines):
        field, _, message = line.partition(": ")
        # A CEL rule's message follows on what the API server calls the value.
        found.setdefault(field, []).append(message.removeprefix('Invalid value: "object": '))
    return {field: "; ".join(messages) for field, messages in found.items()}
