"""Code of a user's own on the real cluster: from a ConfigMap that submit makes, from one with flat keys, as kustomize's
generator makes it, and from a claim. All three jobs are at work at once; one of them waits for its ConfigMap."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.kubectl import Kubectl
from test_digits import steelyard
from training_jobs import condition, is_over
from under_way import claim, pod_spec

from steelyard.contract.code_digest import code_digest
from steelyard.contract.package import REPORT_FILE

CODE = """
import keras


def build(data, units=4):
    keras.utils.set_random_seed(data.seed)
    layers = [keras.layers.Dense(units, "relu"), keras.layers.Dense(data.outputs, "softmax")]
    return keras.Sequential([keras.Input((data.features,)), *layers])
"""

_PUT_CODE = """
import os, pathlib
folder = pathlib.Path("/claims/models/code")
folder.mkdir()
(folder / "own.py").write_text(os.environ["CODE"])
"""


def own_job(name: str, code: dict[str, Any], *targets: str) -> dict[str, Any]:
    """Iris, learned for an epoch by a network that a function of the user's own builds."""
    entrypoint = {"function": "own:build", "framework": "Keras", "parameters": {"units": 8}, "code": code}
    return {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": name},
        "spec": {
            "dataset": {"uri": "sklearn:iris", "target": "target"},
            "model": {"entrypoint": entrypoint},
            "training": {"epochs": 1},
            "publish": [{"uri": target} for target in targets],
        },
    }


@pytest.mark.usefixtures("operator")
def test_code_comes_from_a_config_map_of_submit_from_flat_keys_and_from_a_claim(
    namespace: Kubectl, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "own.py").write_text(CODE)
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(own_job("submitted", {"path": "code"}, "pvc://models/submitted")))
    digest = code_digest(tmp_path / "code")
    where = (f"--namespace={namespace.namespace}",)
    environment = {"KUBECONFIG": str(namespace.kubeconfig)}

    namespace.create(claim("models"))
    namespace.create(own_job("flat", {"configMap": "own-4hk9b2", "sha256": digest}))
    steelyard("submit", str(tmp_path / "job.yaml"), *where, **environment)
    put = {"backoffLimit": 0, "template": {"spec": pod_spec(_PUT_CODE, "models", CODE=CODE)}}
    namespace.create({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "put"}, "spec": put})
    namespace.wait_for("job", "put", lambda job: job["status"].get("succeeded"))
    namespace.create(own_job("claimed", {"uri": "pvc://models/code", "sha256": digest}))

    waiting = namespace.wait_for("trainingjob", "flat", lambda job: condition(job, "Waiting").get("status") == "True")
    assert 'configmap "own-4hk9b2" not found' in condition(waiting, "Waiting")["message"]
    namespace("create", "configmap", "own-4hk9b2", f"--from-file={tmp_path / 'code' / 'own.py'}")

    for name in ("submitted", "flat", "claimed"):
        job = namespace.wait_for("trainingjob", name, is_over, seconds=900)
        assert condition(job, "Complete").get("status") == "True", job["status"]
    steelyard("fetch", "submitted", str(tmp_path / "model"), *where, **environment)
    assert json.loads((tmp_path / "model" / REPORT_FILE).read_bytes())["code"]["sha256"] == digest
