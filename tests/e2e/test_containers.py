"""Training programs of the user's own, in an image with nothing but a static program: no Python, no shell."""

import json
from typing import Any

import pytest
from cluster.images import OWN_PROGRAM
from cluster.kubectl import Kubectl
from training_jobs import condition, is_over
from under_way import long_job

pytestmark = pytest.mark.usefixtures("operator", "own_cluster")


def job(name: str, workers: int, **container: Any) -> dict[str, Any]:
    """Diabetes, whose model the image brings along; judged, and published nowhere."""
    given = {"image": OWN_PROGRAM, "model": {"format": "Skops"}, **container}
    made = long_job(name, model={"container": given}, training={"workers": workers})
    made["spec"]["dataset"] = {"uri": "sklearn:diabetes", "target": "target"}
    return made


def ended(namespace: Kubectl, name: str, kind: str) -> dict[str, Any]:
    """The status of a job that has ended as it should."""
    found = namespace.wait_for("trainingjob", name, is_over, seconds=600)
    assert condition(found, kind).get("status") == "True", json.dumps(found["status"], indent=1)
    status: dict[str, Any] = found["status"]
    return status


def test_of_two_workers_one_is_killed_and_goes_on_in_place(namespace: Kubectl) -> None:
    namespace.create(job("own", 2, command=["/own"], args=["$(HOME)"]))
    status = ended(namespace, "own", "Complete")
    assert "r2" in status["metric"]
    pods = namespace.list("pods", "steelyard.dev/job=own,steelyard.dev/stage=train")
    # No pod was made anew: the program was started again in its own.
    assert len(pods) == 2 and {pod["status"]["phase"] for pod in pods} == {"Succeeded"}
    logs = "".join(namespace("logs", pod["metadata"]["name"], "--container=trainer") for pod in pods)
    assert logs.count("worker 1 of 2") == 2 and "worker 0 of 2" in logs
    assert '"cluster"' in logs and "[$(HOME)]" in logs and "SIGKILL; starts again" in logs


def test_an_entrypoint_runs_alone_and_what_keeps_it_from_writing_is_told(namespace: Kubectl) -> None:
    writes = job("writes", 1, args=["write"])
    writes["spec"]["runPolicy"] = {"backoffLimit": 0}
    namespace.create(job("alone", 1), writes)
    assert "r2" in ended(namespace, "alone", "Complete")["metric"]
    message = condition({"status": ended(namespace, "writes", "Failed")}, "Failed")["message"]
    assert "read-only file system" in message and "source: {emptyDir: {}}" in message
