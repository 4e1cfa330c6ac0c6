"""After the end, with real containers and volumes: the workspace goes when nobody needs it, the job when its time is
over, and the published model stays."""

import json
from pathlib import Path
from typing import Any

from cluster.kubectl import Kubectl
from test_digits import steelyard
from training_jobs import condition, is_over


def test_a_workspace_goes_when_nobody_needs_it_and_a_job_when_its_time_is_over(
    small_there: Kubectl, tmp_path: Path
) -> None:
    namespace = small_there
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
