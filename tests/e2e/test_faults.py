"""Workers that are killed, deleted and evicted, a node that is lost for good: a training just goes on."""

import json
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from cluster.kubectl import Kubectl, fresh_namespace
from cluster.real import RealCluster
from training_jobs import condition, is_over
from under_way import LONG_EPOCHS, long_job

pytestmark = pytest.mark.usefixtures("operator")


def workers(
    namespace: Kubectl, name: str, phases: Collection[str] = ("Pending", "Running")
) -> dict[int, dict[str, Any]]:
    """The pods of a training that are in one of these phases, those that live, by worker."""
    pods = namespace.list("pods", f"steelyard.dev/job={name},steelyard.dev/stage=train")
    return {
        int(pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"]): pod
        for pod in pods
        if pod["status"]["phase"] in phases and "deletionTimestamp" not in pod["metadata"]
    }


def messages(namespace: Kubectl, pod: dict[str, Any]) -> list[dict[str, Any]]:
    """What the trainer in a pod has said."""
    lines = namespace("logs", pod["metadata"]["name"]).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def epochs_done(namespace: Kubectl, name: str) -> int:
    """How far the training is, by worker 0's log."""
    chief = workers(namespace, name).get(0)
    if chief is None or chief["status"]["phase"] != "Running":
        return 0
    done = [line["done"] for line in messages(namespace, chief) if line["event"] == "progress"]
    return int(done[-1]) if done else 0


def wait_until(what: str, holds: Callable[[], object], seconds: float = 300) -> None:
    """Raises AssertionError where something does not come true in time."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.5)


def train_for_a_while(namespace: Kubectl, name: str) -> None:
    """Waits until a training has a checkpoint to go on from."""
    before = epochs_done(namespace, name)
    wait_until(f"{name} trains", lambda: epochs_done(namespace, name) > before + 10)


def uid(pod: dict[str, Any]) -> str:
    """A pod's uid."""
    return str(pod["metadata"]["uid"])


def replaced(namespace: Kubectl, name: str, worker: int, old: str) -> bool:
    """Whether another pod runs in a worker's place, or ran, as it may have trained to the end before one looks."""
    pod = workers(namespace, name, ("Running", "Succeeded")).get(worker)
    return pod is not None and uid(pod) != old


def goes_on(namespace: Kubectl, name: str) -> None:
    """Asserts that worker 0 goes on from a checkpoint, and not from the beginning."""

    def resumed() -> bool:
        chief = workers(namespace, name).get(0)
        said = messages(namespace, chief) if chief is not None and chief["status"]["phase"] == "Running" else []
        return any(line.get("reason") == "Resumed" for line in said)

    wait_until(f"{name} goes on from its checkpoint", resumed)


def completes(namespace: Kubectl, name: str) -> dict[str, Any]:
    """Waits for the end of a job, which is to be a good one; gives its status."""
    job = namespace.wait_for("trainingjob", name, is_over, seconds=900)
    assert condition(job, "Complete").get("status") == "True", json.dumps(job["status"], indent=1)
    train = next(stage for stage in job["status"]["stages"] if stage["name"] == "train")
    assert train["done"] == train["total"] == LONG_EPOCHS
    status: dict[str, Any] = job["status"]
    return status


def is_lost(node: dict[str, Any]) -> bool:
    """Whether nobody knows any more how a node is, and no pod is given to it."""
    taints = node["spec"].get("taints", ())
    return any(each["key"] == "node.kubernetes.io/unreachable" for each in taints)


@dataclass(frozen=True)
class Lost:
    """A worker on a node that is gone for good."""

    node: str
    jobs: Kubectl
    """Where its job is: spread."""
    worker: int
    uid: str


@pytest.fixture(scope="module")
def lost(own_cluster: RealCluster, operator: str) -> Iterator[Lost]:  # noqa: ARG001
    """Loses a node in mid-training. It is minutes until the cluster takes that for true: other tests run meanwhile."""
    cluster = own_cluster
    node = cluster.add_node()
    try:
        with fresh_namespace(cluster.kubectl, **{"pod-security.kubernetes.io/enforce": "restricted"}) as namespace:
            workspace = {"accessMode": "ReadWriteMany", "storageClassName": "shared", "storage": "1Gi"}
            namespace.create(long_job("spread", workspace=workspace))
            wait_until("both workers run", lambda: len(workers(namespace, "spread")) == 2)
            train_for_a_while(namespace, "spread")
            placed = {worker: pod["spec"]["nodeName"] for worker, pod in workers(namespace, "spread").items()}
            assert sorted(placed.values()) == sorted([cluster.nodes[0].name, node.name])
            victim = next(worker for worker, name in placed.items() if name == node.name)
            old = uid(workers(namespace, "spread")[victim])
            # Others' pods would be given to it too, until it is known to be lost.
            cluster.kubectl("cordon", node.name)
            cluster.kill_node(node.number)
            yield Lost(node.name, namespace, victim, old)
    finally:
        cluster.kubectl("delete", "node", node.name, "--ignore-not-found", "--wait=false")


@pytest.mark.usefixtures("lost")
def test_workers_killed_deleted_and_evicted_are_replaced_and_the_training_goes_on(
    own_cluster: RealCluster, namespace: Kubectl, request: pytest.FixtureRequest
) -> None:
    namespace.create(long_job("long"))
    wait_until("both workers run", lambda: len(workers(namespace, "long")) == 2)
    train_for_a_while(namespace, "long")
    # Not before, as it would take the room of the workers.
    request.getfixturevalue("under_way")

    def kill(pod: dict[str, Any]) -> None:
        container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
        own_cluster.nodes[0].ctr("tasks", "kill", "--signal=SIGKILL", container)

    def delete(pod: dict[str, Any]) -> None:
        namespace.delete("pod", pod["metadata"]["name"], wait=False)

    def evict(pod: dict[str, Any]) -> None:
        name = pod["metadata"]["name"]
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        path = f"/api/v1/namespaces/{namespace.namespace}/pods/{name}/eviction"
        namespace("create", f"--raw={path}", "--filename=-", stdin=json.dumps(body))

    for victim, end in ((1, kill), (0, delete), (1, evict)):
        before = {worker: uid(pod) for worker, pod in workers(namespace, "long").items()}
        end(workers(namespace, "long")[victim])
        wait_until(f"worker {victim} is replaced", lambda: replaced(namespace, "long", victim, before[victim]))  # noqa: B023
        goes_on(namespace, "long")
        assert uid(workers(namespace, "long")[1 - victim]) == before[1 - victim]
        train_for_a_while(namespace, "long")
    status = completes(namespace, "long")
    # The killed one counts as a crash; the other two were interrupted.
    assert status["disruptions"] == 2


def test_a_node_with_a_worker_is_lost_for_good(lost: Lost) -> None:
    lost.jobs.wait_for("node", lost.node, is_lost)
    wait_until("the lost worker is replaced", lambda: replaced(lost.jobs, "spread", lost.worker, lost.uid), seconds=600)
    completes(lost.jobs, "spread")
