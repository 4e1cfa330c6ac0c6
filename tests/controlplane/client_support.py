"""A job and its statuses for the client's tests, and the commands in this process."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.kubectl import Kubectl

from steelyard.cli.main import main

MANIFEST = """
apiVersion: steelyard.dev/v1alpha1
kind: TrainingJob
metadata: {name: tiny, labels: {team: a}}
spec:
  dataset: {uri: pvc://data/table.csv, target: label}
  model: {linear: {}}
  training: {workers: 2}
  publish: [{uri: pvc://models/tiny}]
"""

AT = "2026-03-01T10:00:00Z"
LATER = "2026-03-01T10:01:30Z"
DIGEST = "sha256:" + "ab" * 32

COMPLETE: dict[str, Any] = {
    "phase": "Complete",
    "progress": "finish 2/2",
    "metric": "accuracy 0.972",
    "size": "94 kB",
    "startTime": AT,
    "completionTime": LATER,
    "stages": [
        {
            "name": "prepare",
            "key": "k1",
            "workers": 1,
            "startTime": AT,
            "completionTime": LATER,
            "message": "1,797 rows",
        },
        {"name": "train", "key": "k2", "workers": 2, "startTime": AT, "completionTime": LATER, "restarts": 1},
    ],
    "conditions": [
        {"type": "Complete", "status": "True", "reason": "Succeeded", "message": "published", "lastTransitionTime": AT}
    ],
    "model": {
        "chosen": "Int8",
        "bytes": 94208,
        "baselineBytes": 344064,
        "metric": "accuracy",
        "metricDrop": 0.001,
        "metrics": {"accuracy": {"value": 0.972, "standardError": 0.009}},
        "digest": DIGEST,
        "published": ["pvc://models/tiny"],
        "candidates": [
            {"name": "Baseline", "bytes": 344064, "metric": 0.972, "drop": 0, "latencyMicroseconds": 12.5},
            {"name": "Int8", "bytes": 94208, "metric": 0.9, "latencyMicroseconds": 6.5, "withinBudget": False},
        ],
    },
}


def failed(reason: str, message: str = "because") -> dict[str, Any]:
    """The status of a job that has failed."""
    end = {"type": "Failed", "status": "True", "reason": reason, "message": message, "lastTransitionTime": AT}
    return {"phase": "Failed", "startTime": AT, "completionTime": LATER, "conditions": [end]}


Steelyard = Callable[..., tuple[int, str, str]]


def in_namespace(kubectl: Kubectl, file: Path) -> Path:
    """Writes a kubeconfig whose context is in the namespace of `kubectl`."""
    kubeconfig = yaml.safe_load(kubectl.kubeconfig.read_text())
    kubeconfig["contexts"][0]["context"]["namespace"] = kubectl.namespace
    file.write_text(yaml.safe_dump(kubeconfig))
    return file


def commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Steelyard:
    """Runs a command: gives its exit code, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["steelyard", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        output, errors = capsys.readouterr()
        assert "Traceback" not in errors
        return int(ended.value.code or 0), output, errors

    return run


def write_status(kubectl: Kubectl, status: dict[str, Any], name: str = "tiny", kind: str = "trainingjob") -> None:
    """Writes a job's status, all of it, as the operator would."""
    job = kubectl.get(kind, name)
    kubectl("replace", "--subresource=status", "--filename=-", stdin=json.dumps({**job, "status": status}))


def words(text: str) -> str:
    """A text whose columns may be as wide as they like."""
    return re.sub(r" +", " ", text)
