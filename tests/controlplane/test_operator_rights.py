"""What the chart grants the operator is what it uses, no more and no less: jobs that together need all of it."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cluster.kubectl import Kubectl
from cluster.simulation import SimulatedCluster
from operator_support import Operated, end_pods, granted, operated, simulated, training_job
from training_jobs import is_over
from tuning_support import tuning_job

PATIENCE_SECONDS = 300.0
USER = "operator-of-rights"
UNSEEN = {("update", "trainingjobs/finalizers"), ("update", "tuningjobs/finalizers")}
"""Asked for by admission, for a child's ownerReference, and never a request of its own. Both tiers' API servers ask."""
NODE = "lost-node"


@pytest.fixture(scope="module")
def operator(control_plane: SimulatedCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """An operator that has what the chart grants."""
    with operated(control_plane, tmp_path_factory.mktemp("operator"), USER, dead_pod_seconds="1") as operator:
        yield operator


def test_it_uses_exactly_what_it_is_granted(operator: Operated) -> None:
    (namespace,) = operator.namespaces
    stages = {"publish": [], "training": {"workers": 2, "epochs": 3}}
    namespace.create(
        training_job("large", **{**stages, "dataset": _large_dataset()}, template=simulated("1h")),
        training_job("late", **stages, template=simulated("600s"), runPolicy={"activeDeadlineSeconds": 5}),
        training_job("interrupted", **stages, template=simulated(exit_code="75"), runPolicy={"disruptionLimit": 3}),
        training_job("nobodys", **stages, template={"serviceAccountName": "nobody"}),
        training_job("releases", template=simulated(), workspace={"retain": "Never", "retainSeconds": 0}),
        tuning_job("short-lived", maxTrials=1, parallelTrials=1, runPolicy={"ttlSecondsAfterFinished": 0}),
    )
    _search(namespace)
    with _lost_pod(operator):
        for stage in ("prepare", "train"):
            # Not before it is there, and not after its end: it is made again, and finds what it needs.
            name = f"large-{stage}"
            _wait_until(f"{name} is there", lambda: namespace.find("job", name) is not None)  # noqa: B023
            namespace.delete("job", name)
            end_pods(namespace, "large", stage)
        _lose_a_result(operator)
        used = set[tuple[str, str]]()

        def has_used_all() -> bool:
            used.update(operator.cluster.audit.counts(USER))
            return granted() - UNSEEN <= used

        _wait_until("all rights are used", has_used_all, lambda: f"not yet: {granted() - UNSEEN - used}")
    assert used == granted() - UNSEEN
    assert [entry for entry in operator.cluster.audit.entries(USER) if entry.code == 403] == []


def _search(namespace: Kubectl) -> None:
    """Searches that make, look for, suspend and remove TrainingJobs, and look for an earlier search."""
    namespace.create(
        training_job("taken-data", publish=[], runPolicy={"suspend": True}),
        tuning_job("taken"),
        tuning_job("warm", warmStart={"tuningJob": "taken"}),
        tuning_job("late-search", "1h", runPolicy={"activeDeadlineSeconds": 5}),
        tuning_job("longer", maxTrials=1, parallelTrials=1),
    )
    namespace.wait_for("tuningjob", "longer", is_over, PATIENCE_SECONDS)
    namespace("patch", "tuningjob", "longer", "--type=merge", '--patch={"spec": {"maxTrials": 2}}')


def _large_dataset() -> dict[str, Any]:
    """So large that the spec does not fit into an environment variable."""
    return {"uri": "sklearn:digits", "target": "target", "exclude": [f"{n:05}{'x' * 195}" for n in range(400)]}


class _lost_pod:  # noqa: N801 - reads as the function that it stands for
    """A pod on a node without a kubelet, which Kubernetes has taken from there; the node is removed at the end."""

    def __init__(self, operator: Operated) -> None:
        self._cluster = operator.cluster
        (self._namespace,) = operator.namespaces

    def __enter__(self) -> None:
        self._cluster.kubectl.create(
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}}}
        )
        room = {"cpu": "8", "memory": "32Gi", "pods": "10", "ephemeral-storage": "100Gi"}
        _patch(self._cluster.kubectl, "node", NODE, {"status": {"allocatable": room, "capacity": room}})
        term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]}
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
        template = {"affinity": {"nodeAffinity": required}, "tolerations": [{"operator": "Exists"}]}
        self._namespace.create(training_job("lost", publish=[], template=template))
        _wait_until("the pod is on the node", lambda: any(pod["spec"].get("nodeName") for pod in self._pods()))
        name = self._pods()[0]["metadata"]["name"]
        reason = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}
        reason["lastTransitionTime"] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"  # Without, it counts as stale.
        _patch(self._namespace, "pod", name, {"status": {"conditions": [reason]}})
        self._namespace.delete("pod", name, wait=False)

    def __exit__(self, *_: object) -> None:
        self._cluster.kubectl("delete", "node", NODE)

    def _pods(self) -> list[dict[str, Any]]:
        return self._namespace.list("pods", "steelyard.dev/job=lost")


def _lose_a_result(operator: Operated) -> None:
    """A pod is gone before its result was read."""
    (namespace,) = operator.namespaces
    namespace.create(training_job("forgotten", publish=[], template=simulated("3s")))
    _wait_until("its pod is there", lambda: namespace.list("pods", "steelyard.dev/job=forgotten") != [])
    assert operator.process.stop() == 0
    namespace.wait_for("job", "forgotten-prepare", lambda job: bool(job["status"].get("succeeded")), PATIENCE_SECONDS)
    for pod in namespace.list("pods", "steelyard.dev/job=forgotten"):
        namespace.delete("pod", pod["metadata"]["name"])
    operator.process.start()
    namespace.wait_for("trainingjob", "forgotten", is_over, PATIENCE_SECONDS)


def _patch(kubectl: Kubectl, kind: str, name: str, changes: dict[str, Any]) -> None:
    kubectl("patch", kind, name, "--subresource=status", f"--patch={json.dumps(changes)}")


def _wait_until(what: str, holds: Callable[[], bool], detail: Callable[[], str] = str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < until, f"not in {PATIENCE_SECONDS:.0f} s: {what}{detail()}"
        time.sleep(0.5)
