"""What goes wrong from outside: pods that end again and again, a dead node, time that is up, a namespace that goes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cluster.kubectl import Kubectl
from cluster.simulation import SimulatedCluster
from operator_support import (
    ONE_STAGE,
    PATIENCE_SECONDS,
    Operated,
    claim,
    condition,
    end_pods,
    ended,
    operated,
    simulated,
    training_job,
)

USER = "operator-of-faults"
FOREVER = simulated("1h")
NODE = "doomed"
LIMIT = 3
"""Kubernetes takes 10 s from one end to the next beginning."""


@pytest.fixture(scope="module")
def operator(control_plane: SimulatedCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """An operator that all jobs were given to. It gives up pods of dead nodes soon."""
    folder = tmp_path_factory.mktemp("operator")
    soon = {"node_lost_toleration_seconds": "1", "dead_pod_seconds": "1"}
    with operated(control_plane, folder, USER, 2, **soon) as operator:
        operator.namespaces[0].create(
            training_job(
                "disrupted",
                **ONE_STAGE,
                template=simulated(exit_code="75"),
                runPolicy={"disruptionLimit": LIMIT},
            ),
            training_job("overdue", **ONE_STAGE, template=FOREVER, runPolicy={"activeDeadlineSeconds": 3}),
            training_job("cut-short", **ONE_STAGE, template=FOREVER, runPolicy={"activeDeadlineSeconds": 3600}),
        )
        yield operator


@pytest.fixture
def doomed_node(control_plane: SimulatedCluster) -> Iterator[None]:
    """A node without a kubelet, not even a simulated one: what is deleted there stays for ever. Ready for some seconds,
    until somebody notices."""
    room = {"cpu": "4", "memory": "16Gi", "pods": "10", "ephemeral-storage": "100Gi"}
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}},
        "status": {"allocatable": room, "capacity": room},
    }
    control_plane.kubectl.create(node)
    set_ready(control_plane.kubectl, "True")
    control_plane.kubectl.wait_for("node", NODE, lambda node: "taints" not in node["spec"])
    yield
    control_plane.kubectl.delete("node", NODE)


@pytest.fixture(scope="module")
def namespace(operator: Operated) -> Kubectl:
    """kubectl where the jobs are."""
    return operator.namespaces[0]


def is_active(stage_job: dict[str, Any]) -> bool:
    """Whether a Job has pods."""
    return bool(stage_job.get("status", {}).get("active"))


def set_ready(kubectl: Kubectl, status: str) -> None:
    """Says in the kubelet's stead whether the node is ready."""
    ready = {"type": "Ready", "status": status, "reason": "Test", "message": "said by the test"}
    patch = json.dumps({"status": {"conditions": [ready]}})
    kubectl("patch", "node", NODE, "--subresource=status", "--type=strategic", f"--patch={patch}")


def prefers(node: str) -> dict[str, Any]:
    """The affinity of pods that go to a node as long as it takes them."""
    there = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": there}]}}


def pods(namespace: Kubectl, name: str) -> list[dict[str, Any]]:
    """The pods of a job."""
    return namespace.list("pod", f"steelyard.dev/job={name}")


def test_a_job_whose_time_is_up_fails_and_its_pods_are_ended(namespace: Kubectl) -> None:
    job = ended(namespace, "overdue")
    failed = condition(job, "Failed")
    assert (failed["status"], failed["reason"]) == ("True", "DeadlineExceeded")
    assert failed["message"] == "train still ran after 3 s (spec.runPolicy.activeDeadlineSeconds)"
    namespace.wait_for("job", "overdue-train", lambda found: not found["status"].get("active"))
    assert all("deletionTimestamp" in pod["metadata"] for pod in pods(namespace, "overdue"))


def test_the_deadline_of_a_job_that_runs_can_be_changed(namespace: Kubectl) -> None:
    namespace.wait_for("job", "cut-short-train", is_active)
    namespace(
        "patch",
        "trainingjob",
        "cut-short",
        "--type=merge",
        '--patch={"spec":{"runPolicy":{"activeDeadlineSeconds":1}}}',
    )
    assert condition(ended(namespace, "cut-short"), "Failed")["reason"] == "DeadlineExceeded"


@pytest.mark.usefixtures("doomed_node")
def test_a_pod_on_a_dead_node_is_given_up_and_the_job_goes_on(operator: Operated, namespace: Kubectl) -> None:
    workspace = {"accessMode": "ReadWriteMany", "storageClassName": "shared"}
    template = {**FOREVER, "terminationGracePeriodSeconds": 1, "affinity": prefers(NODE)}
    namespace.create(training_job("node-lost", **ONE_STAGE, workspace=workspace, template=template))
    namespace.wait_for("job", "node-lost-train", is_active)
    (lost,) = pods(namespace, "node-lost")
    name = lost["metadata"]["name"]
    lost = namespace.wait_for("pod", name, lambda pod: "nodeName" in pod["spec"])
    assert lost["spec"]["nodeName"] == NODE
    running = '--patch={"status":{"phase":"Running"}}'
    namespace("patch", "pod", name, "--subresource=status", "--type=merge", running)
    log = operator.cluster.audit.since()
    set_ready(operator.cluster.kubectl, "Unknown")
    namespace("wait", "pod", name, "--for=delete", f"--timeout={PATIENCE_SECONDS:.0f}s")
    end_pods(namespace, "node-lost", "train")
    job = ended(namespace, "node-lost")
    assert condition(job, "Complete").get("status") == "True", job["status"]
    assert job["status"]["disruptions"] == 1
    about_pods = [entry for entry in log.entries(USER, writes=True) if entry.resource.startswith("pods")]
    assert [(entry.verb, entry.resource, entry.name, entry.code) for entry in about_pods] == [
        ("patch", "pods/status", name, 200),
        ("delete", "pods", name, 200),
    ]
    (complaint,) = [line for line in operator.complaints() if line["job"] == f"{namespace.namespace}/node-lost"]
    assert complaint["message"] == f"the node of pod {name} is lost; it is given up"


def test_a_namespace_that_goes_in_mid_job_is_no_error(operator: Operated) -> None:
    doomed = operator.namespaces[1]
    doomed.create(
        training_job("trains", **ONE_STAGE, template=FOREVER),
        training_job("prepares", template=FOREVER),
        *(training_job(f"moves-{number}", template=simulated(f"{number * 100}ms")) for number in range(1, 16)),
    )
    doomed.wait_for("job", "trains-train", is_active)
    doomed("delete", "namespace", str(doomed.namespace), "--timeout=120s")

    # The same name again is another namespace; and its jobs are jobs like any.
    doomed.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": doomed.namespace}})
    doomed.wait_for("serviceaccount", "default", lambda _: True)
    doomed.create(claim("data"), training_job("trains", **ONE_STAGE, template=simulated()))
    for namespace in operator.namespaces:
        if namespace is not doomed:
            namespace.create(training_job("afterwards", **ONE_STAGE, template=simulated()))
            assert condition(ended(namespace, "afterwards"), "Complete")
    assert condition(ended(doomed, "trains"), "Complete")
    assert [line for line in operator.complaints() if not line["message"].endswith("it is given up")] == []
    assert operator.process.metric("steelyard_reconcile_errors_total") == 0


def test_pods_that_end_again_and_again_are_counted_and_few_are_kept(namespace: Kubectl) -> None:
    job = ended(namespace, "disrupted")
    failed = condition(job, "Failed")
    assert (failed["status"], failed["reason"]) == ("True", "RetriesExhausted")
    assert job["status"]["disruptions"] == LIMIT + 1
    count = f"pods were interrupted {LIMIT + 1} times and spec.runPolicy.disruptionLimit is {LIMIT}"
    assert failed["message"] == f"{count}; last: simulated"
    stage_job = namespace.get("job", "disrupted-train")
    assert stage_job["spec"]["suspend"]
    assert "failed" not in stage_job["status"], "they count against no backoffLimit"
    kept = pods(namespace, "disrupted")
    assert [pod["status"]["phase"] for pod in kept] == ["Failed"] * 3
