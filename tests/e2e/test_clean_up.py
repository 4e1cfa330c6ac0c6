"""After the end, with real containers and volumes: the workspace goes when nobody needs it, the job when its time is
over, and the published model stays."""

import json
from pathlib import Path
from typing import Any

import pytest
from cluster.kubectl import Kubectl
from test_digits import steelyard
from test_faults import long_job
from test_fetch import pod_spec
from training_jobs import condition, is_over

pytestmark = pytest.mark.usefixtures("operator")


def test_a_workspace_goes_when_nobody_needs_it_and_a_job_when_its_time_is_over(
    namespace: Kubectl, tmp_path: Path
) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    small = long_job(
        "small",
        model={"randomForest": {"nEstimators": 5}},
        training={},
        publish=[{"uri": "pvc://models/small"}],
        workspace={"retain": "Never", "retainSeconds": 0},
    )
    namespace.create(
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "models"}, "spec": claim}, small
    )
    namespace.wait_for("pvc", "small-workspace", lambda claim: claim["status"].get("phase") == "Bound", seconds=300)
    watches = pod_spec("import time; time.sleep(3600)", "small-workspace")
    namespace.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "watches"}, "spec": watches})
    job = namespace.wait_for("trainingjob", "small", is_over, seconds=600)
    assert condition(job, "Complete").get("status") == "True", json.dumps(job["status"])

    job = namespace.wait_for("trainingjob", "small", lambda job: says(job, "False"), seconds=120)
    assert "the pod watches" in condition(job, "WorkspaceRemoved")["message"]
    assert namespace.get("pvc", "small-workspace")["status"]["phase"] == "Bound"
    namespace.delete("pod", "watches")
    namespace.wait_for("trainingjob", "small", lambda job: says(job, "True"), seconds=300)
    namespace("wait", "pvc", "small-workspace", "--for=delete", "--timeout=120s")
    assert namespace.list("pods") == namespace.list("jobs") == []

    # The Job that says how the claim can be read has gone as well.
    where = {"KUBECONFIG": str(namespace.kubeconfig)}
    steelyard("fetch", "small", str(tmp_path / "model"), f"--namespace={namespace.namespace}", **where)
    steelyard("verify", str(tmp_path / "model"), f"--digest={job['status']['model']['digest']}")
    patch = {"spec": {"runPolicy": {"ttlSecondsAfterFinished": 0}}}
    namespace("patch", "trainingjob", "small", "--type=merge", f"--patch={json.dumps(patch)}")
    namespace("wait", "trainingjob", "small", "--for=delete", "--timeout=120s")
    assert namespace.get("pvc", "models")["status"]["phase"] == "Bound"


def says(job: dict[str, Any], status: str) -> bool:
    """Whether the workspace was removed, or is still needed."""
    return bool(condition(job, "WorkspaceRemoved").get("status") == status)
