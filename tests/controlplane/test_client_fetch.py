"""`logs` and `fetch` on a real API server: all that needs no container; tests/e2e/test_fetch.py has the rest."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from client_support import AT, COMPLETE, MANIFEST, Steelyard, write_status
from cluster.kubectl import Kubectl
from cluster.simulation import SimulatedCluster

from steelyard.client import Client, JobHandle, NotAllowedError


def test_logs_says_why_there_are_none(jobs: Kubectl, client: Client, steelyard: Steelyard) -> None:
    client.submit(yaml.safe_load(MANIFEST))
    waiting = {"type": "Waiting", "status": "True", "reason": "ClaimNotFound", "message": "claim data is not there"}
    write_status(jobs, {"phase": "Waiting", "conditions": [{**waiting, "lastTransitionTime": AT}]})
    code, _, errors = steelyard("logs", "tiny")
    assert code == 78 and "tiny has no pod, so there is no log; it is Waiting: claim data is not there" in errors
    assert "no pod of stage train" in steelyard("logs", "tiny", "--stage", "train")[2]
    code, _, errors = steelyard("logs", "tiny", "--worker", "2")
    assert code == 78 and "--worker 2" in errors and "allowed: 0 to 1" in errors
    assert "allowed: 0\n" in steelyard("logs", "tiny", "--stage", "finish", "--worker", "1", "-f")[2]
    assert steelyard("logs", "tiny", "--stage", "evaluate")[0] == 2


def finish_job(jobs: Kubectl, **pod_fields: Any) -> None:
    """The Job of the last stage; none of its pods is ever made."""
    container = {
        "name": "trainer",
        "image": "steelyard/trainer:test",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    pod = {"restartPolicy": "Never", "containers": [container], "securityContext": security, **pod_fields}
    job = {"suspend": True, "template": {"spec": pod}}
    jobs.create({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "tiny-finish"}, "spec": job})


def models_claim(jobs: Kubectl) -> None:
    """The claim that the job has published to."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    jobs.create({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "models"}, "spec": spec})


def wait_until_no_pod_is_left(jobs: Kubectl) -> None:
    until = time.monotonic() + 60
    while jobs.list("pods"):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_fetch_says_what_can_not_be_fetched(
    jobs: Kubectl, client: Client, steelyard: Steelyard, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    client.submit(yaml.safe_load(MANIFEST))
    write_status(jobs, {"phase": "Training", "progress": "train 7/10"})
    code, _, errors = steelyard("fetch", "tiny", folder)
    assert code == 78 and "tiny has no model yet: it is Training: train 7/10" in errors
    nowhere = {**COMPLETE, "model": {**COMPLETE["model"], "published": []}}
    write_status(jobs, nowhere)
    assert "published nowhere" in steelyard("fetch", "tiny", folder)[2]
    write_status(jobs, COMPLETE)
    assert "the Job tiny-finish" in steelyard("fetch", "tiny", folder)[2]
    folder.mkdir()
    (folder / "diary.txt").touch()
    code, _, errors = steelyard("fetch", "tiny", folder)
    assert code == 78 and f"{folder} is not empty and does not hold this model" in errors
    assert "is a file" in steelyard("fetch", "tiny", folder / "diary.txt")[2]
    assert [path.name for path in folder.iterdir()] == ["diary.txt"] and not list(tmp_path.glob(".model.*"))
    assert jobs.list("pods") == []


def test_fetch_says_why_its_pod_does_not_start_and_removes_it(
    jobs: Kubectl, client: Client, steelyard: Steelyard, tmp_path: Path
) -> None:
    client.submit(yaml.safe_load(MANIFEST))
    write_status(jobs, COMPLETE)
    finish_job(jobs, nodeSelector={"disk": "none"})
    code, output, errors = steelyard("fetch", "tiny", tmp_path / "model", "--timeout", "3")
    assert code == 78 and "did not start within 3 s" in errors
    assert 'persistentvolumeclaim "models" not found' in errors and "waits: Unschedulable" in output
    models_claim(jobs)
    code, _, errors = steelyard("fetch", "tiny", tmp_path / "model", "--timeout", "3")
    assert code == 78 and "node affinity/selector" in errors
    jobs("create", "quota", "none", "--hard=pods=0")
    jobs.wait_for("resourcequota", "none", lambda quota: "hard" in quota.get("status", {}))
    code, _, errors = steelyard("fetch", "tiny", tmp_path / "model", "--timeout", "3")
    assert code == 78 and "exceeded quota" in errors
    wait_until_no_pod_is_left(jobs)
    assert not (tmp_path / "model").exists() and not list(tmp_path.glob(".model.*"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_fetch_leaves_nothing(
    number: signal.Signals, code: int, jobs: Kubectl, client: Client, tmp_path: Path
) -> None:
    client.submit(yaml.safe_load(MANIFEST))
    write_status(jobs, COMPLETE)
    finish_job(jobs)
    folder = tmp_path / "model"
    process = subprocess.Popen(
        [sys.executable, "-m", "steelyard.cli.main", "fetch", "tiny", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    # The claim is not there: it waits for it.
    while "Unschedulable" not in process.stdout.readline():
        assert process.poll() is None
    assert len(jobs.list("pods")) == 1
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code and "interrupted" in errors and "Traceback" not in errors
    wait_until_no_pod_is_left(jobs)
    assert not folder.exists() and not list(tmp_path.glob(".model.*"))


def test_fetch_names_the_permission_for_commands_in_pods(
    control_plane: SimulatedCluster,
    jobs: Kubectl,
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handle = client.submit(yaml.safe_load(MANIFEST))
    write_status(jobs, COMPLETE)
    finish_job(jobs)
    models_claim(jobs)
    jobs(
        "create",
        "role",
        "few",
        "--verb=get,list,create,delete",
        "--resource=pods,jobs.batch,trainingjobs.steelyard.dev",
    )
    jobs("create", "rolebinding", "few", "--role=few", "--user=joe")
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig_of_user("joe")))
    with Client.from_kubeconfig(namespace=jobs.namespace) as joe:
        until = time.monotonic() + 30
        while True:
            try:
                own: JobHandle = joe.get(handle.name)
                break
            except NotAllowedError:
                assert time.monotonic() < until
        with pytest.raises(NotAllowedError, match=r"create pods/exec in the namespace \S+ are missing; .*`edit`"):
            own.fetch(tmp_path / "model")
    assert all("deletionTimestamp" in pod["metadata"] for pod in jobs.list("pods"))
    assert not (tmp_path / "model").exists() and not list(tmp_path.glob(".model.*"))
