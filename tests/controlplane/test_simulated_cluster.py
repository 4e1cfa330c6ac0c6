"""The control plane with simulated nodes itself: pods end as they are told, volumes come, requests are counted."""

import json
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cluster.api import Api, ApiError
from cluster.control_plane import ControlPlane
from cluster.kubectl import Kubectl
from cluster.processes import Processes
from cluster.simulation import SimulatedCluster

Pod = dict[str, Any]


def pod(name: str, stage: str, **annotations: str) -> Pod:
    """A pod as the operator makes them, for what the simulated nodes look at."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/managed-by": "steelyard", "steelyard.dev/stage": stage},
            "annotations": {f"steelyard.test/{key.replace('_', '-')}": value for key, value in annotations.items()},
        },
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "trainer",
                    "image": "steelyard/trainer",
                    "env": [{"name": "STEELYARD_STAGE_KEY", "value": "sha256:abc"}],
                }
            ],
        },
    }


def ended(found: Pod) -> Any:
    """How the container of a pod ended; None where it did not yet."""
    return found["status"].get("containerStatuses", [{}])[0].get("state", {}).get("terminated")


def test_a_pod_of_ours_runs_and_leaves_a_result_of_its_stage_and_key(namespace: Kubectl) -> None:
    namespace.create(pod("train", "train", duration="2s"), pod("finish", "finish", duration="300ms"))

    for stage, seconds, fields in (
        ("train", 1, {"epochs", "metrics"}),  # Times have no fractions.
        ("finish", 0, {"chosen", "digest", "candidates"}),
    ):
        end = ended(namespace.wait_for("pod", stage, ended))
        assert (end["exitCode"], end["reason"]) == (0, "Completed")
        result = json.loads(end["message"])
        assert (result["stage"], result["key"], result["reason"]) == (stage, "sha256:abc", "Succeeded")
        assert fields <= set(result["summary"])
        took = datetime.fromisoformat(end["finishedAt"]) - datetime.fromisoformat(end["startedAt"])
        assert took.total_seconds() >= seconds


def test_annotations_say_how_a_pod_ends(namespace: Kubectl) -> None:
    fast = {"duration": "100ms"}
    namespace.create(
        pod("fails", "train", exit_code="65", **fast),
        pod("fails-elsewhere", "train", exit_code="65", fail_stage="finish", **fast),
        pod("babbles", "train", message='no "JSON"', **fast),
        pod("stays", "train", duration="1h"),
    )

    ends = {name: ended(namespace.wait_for("pod", name, ended)) for name in ("fails", "fails-elsewhere", "babbles")}
    assert ends["fails"]["exitCode"] == 65
    assert json.loads(ends["fails"]["message"])["reason"] == "InvalidData"
    assert namespace.get("pod", "fails")["status"]["phase"] == "Failed"
    assert ends["fails-elsewhere"]["exitCode"] == 0
    assert ends["babbles"]["message"] == 'no "JSON"'
    assert namespace.get("pod", "stays")["status"]["phase"] == "Running"


def claim(name: str, storage_class: str | None = None) -> dict[str, Any]:
    """A claim of 1 Gi, of the default class where none is given."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            **({"storageClassName": storage_class} if storage_class else {}),
        },
    }


def test_claims_get_volumes_that_go_with_them(namespace: Kubectl) -> None:
    user = pod("user", "prepare", duration="100ms")
    user["spec"]["volumes"] = [
        {"name": name, "persistentVolumeClaim": {"claimName": name}} for name in ("waits", "shared")
    ]
    namespace.create(claim("waits"), claim("shared", "shared"))
    namespace.wait_for("pvc", "shared", lambda found: found["status"]["phase"] == "Bound")
    assert namespace.get("pvc", "waits")["status"]["phase"] == "Pending"

    namespace.create(user)
    volumes = [
        namespace.wait_for("pvc", name, lambda found: found["status"]["phase"] == "Bound")["spec"]["volumeName"]
        for name in ("waits", "shared")
    ]
    namespace.wait_for("pod", "user", ended)
    namespace.delete("pod", "user")
    for name in ("waits", "shared"):
        namespace.delete("pvc", name)
    for volume in volumes:
        namespace("wait", "pv", volume, "--for=delete", "--timeout=60s")


def test_the_audit_log_counts_requests_by_user(control_plane: SimulatedCluster, namespace: Kubectl) -> None:
    log = control_plane.audit.since()
    name = namespace.namespace
    assert name
    namespace.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}})
    user = f"system:serviceaccount:{name}:nobody"
    api = Api(control_plane.kubeconfig_of_service_account(name, "nobody"))

    with pytest.raises(ApiError, match="403"):
        api.get(f"/api/v1/namespaces/{name}/secrets")
    with pytest.raises(ApiError, match="403"):
        api.request("PATCH", f"/api/v1/namespaces/{name}/pods/none/status", {}, "application/merge-patch+json")

    assert log.counts(user) == {("list", "secrets"): 1, ("patch", "pods/status"): 1}
    assert log.counts(user, writes=True) == {("patch", "pods/status"): 1}
    assert {entry.code for entry in log.entries(user)} == {403}
    namespace("get", "--raw", f"/api/v1/namespaces/{name}/pods?watch=true&timeoutSeconds=1")
    assert log.counts("admin", namespace=name)[("watch", "pods")] == 1  # With an entry for its end as well.
    assert ("create", "serviceaccounts") in log.counts("admin", namespace=name)


@pytest.mark.parametrize("component", [ControlPlane.API, ControlPlane.ETCD, ControlPlane.CONTROLLERS])
def test_crashed_components_come_back(control_plane: SimulatedCluster, namespace: Kubectl, component: str) -> None:
    before = control_plane.processes.pid(component)
    control_plane.restart(component)

    assert control_plane.processes.pid(component) != before
    namespace.create(pod("after", "prepare", duration="100ms"))
    namespace.wait_for("pod", "after", ended)


def test_ending_leaves_no_process(tmp_path: Path) -> None:
    with SimulatedCluster(tmp_path / "cluster", nodes=1) as cluster:
        names = cluster.processes.names
        assert {"etcd", "kube-apiserver", "kwok", "provisioner"} <= set(names)
        assert all(cluster.processes.pid(name) for name in names)
        # As another program would: by what is written in the folder.
        Processes(cluster.folder).signal("kwok", signal.SIGSTOP)

    assert not any(Processes(cluster.folder).pid(name) for name in names)
