"""Jobs that wait for what may still appear or free itself: they say so in the words of whoever knows, and go on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
    ended,
    events_about,
    operated,
    simulated,
    training_job,
)

USER = "operator-of-waiting"
POOL = "steelyard.test/pool"


@dataclass(frozen=True)
class Obstacle:
    """What a job waits for."""

    place: int
    """Which of the operator's namespaces the job is in: a quota is for the whole of one."""
    spec: dict[str, Any]
    reason: str
    words: tuple[str, ...]
    lift: Callable[[Kubectl], object]
    """Makes it appear, or frees it."""


def label_a_node(namespace: Kubectl) -> None:
    """Gives one node the label that a job asks for."""
    namespace("label", "node", "simulated-3", f"{POOL}=fast")


def make_account(namespace: Kubectl) -> None:
    """Makes the service account that a job names."""
    namespace("create", "serviceaccount", "trainers")


def lift_quota(namespace: Kubectl) -> None:
    """Removes the namespace's quota."""
    namespace.delete("resourcequota", "nothing")


OBSTACLES = {
    "no-node": Obstacle(
        0,
        {"template": {**simulated(), "nodeSelector": {POOL: "fast"}}},
        "Unschedulable",
        ("no-node-train-", "nodes are available", "didn't match Pod's node affinity/selector"),
        label_a_node,
    ),
    "no-claim": Obstacle(
        0,
        {"dataset": {**ONE_STAGE["dataset"], "uri": "pvc://late/digits"}},
        "Unschedulable",
        ('persistentvolumeclaim "late" not found',),
        lambda namespace: namespace.create(claim("late")),
    ),
    "no-account": Obstacle(
        0,
        {"template": {**simulated(), "serviceAccountName": "trainers"}},
        "FailedCreate",
        ('serviceaccount "trainers" not found',),
        make_account,
    ),
    "no-pods": Obstacle(1, {}, "FailedCreate", ("exceeded quota: nothing", "pods=1", "limited: pods=0"), lift_quota),
    "no-jobs": Obstacle(
        2,
        {},
        "Forbidden",
        ("Job no-jobs-train is refused", "exceeded quota: nothing", "count/jobs.batch=0"),
        lift_quota,
    ),
}
IN_VAIN: dict[str, Any] = {
    "template": {"nodeSelector": {POOL: "none"}},
    "runPolicy": {"startTimeoutSeconds": 3},
}


def quota(what: str) -> dict[str, Any]:
    """A quota of none."""
    spec = {"hard": {what: "0"}}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "nothing"}, "spec": spec}


@pytest.fixture(scope="module")
def operator(control_plane: SimulatedCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """An operator that all jobs were given to; two of its three namespaces have a quota."""
    with operated(control_plane, tmp_path_factory.mktemp("operator"), USER, 3) as operator:
        for namespace, what in zip(operator.namespaces[1:], ("pods", "count/jobs.batch"), strict=True):
            namespace.create(quota(what))
            namespace.wait_for("resourcequota", "nothing", lambda found: "hard" in found.get("status", {}))
        for name, obstacle in OBSTACLES.items():
            spec = {"template": simulated(), **ONE_STAGE, **obstacle.spec}
            operator.namespaces[obstacle.place].create(training_job(name, **spec))
        operator.namespaces[0].create(training_job("in-vain", **ONE_STAGE, **IN_VAIN))
        yield operator


@pytest.fixture(scope="module")
def waiting(operator: Operated) -> dict[str, dict[str, Any]]:
    """All jobs as they waited."""

    def waits(job: dict[str, Any]) -> bool:
        return condition(job, "Waiting").get("status") == "True"

    return {
        name: operator.namespaces[obstacle.place].wait_for("trainingjob", name, waits, PATIENCE_SECONDS)
        for name, obstacle in OBSTACLES.items()
    }


@pytest.fixture(scope="module")
def free(operator: Operated, waiting: dict[str, dict[str, Any]]) -> Iterator[None]:
    """From now on all is there that the jobs wait for."""
    assert waiting.keys() == OBSTACLES.keys()
    try:
        for obstacle in OBSTACLES.values():
            obstacle.lift(operator.namespaces[obstacle.place])
        yield
    finally:
        operator.cluster.kubectl("label", "node", "simulated-3", f"{POOL}-")


@pytest.mark.parametrize("name", OBSTACLES)
def test_a_job_says_what_it_waits_for(waiting: dict[str, dict[str, Any]], operator: Operated, name: str) -> None:
    obstacle, job = OBSTACLES[name], waiting[name]
    found = condition(job, "Waiting")
    assert found["reason"] == obstacle.reason, found
    for words in obstacle.words:
        assert words in found["message"]
    assert job["status"]["phase"] == "Waiting"
    assert ("Warning", obstacle.reason) in events_about(operator.namespaces[obstacle.place], job)


@pytest.mark.usefixtures("free")
@pytest.mark.parametrize("name", OBSTACLES)
def test_it_goes_on_when_that_is_there(operator: Operated, name: str) -> None:
    job = ended(operator.namespaces[OBSTACLES[name].place], name)
    assert condition(job, "Complete").get("status") == "True", job["status"]
    assert condition(job, "Waiting")["status"] == "False"
    assert "waitingSince" not in job["status"]


def test_a_job_that_waited_too_long_fails(operator: Operated) -> None:
    namespace = operator.namespaces[0]
    job = ended(namespace, "in-vain")
    failed = condition(job, "Failed")
    assert (failed["status"], failed["reason"]) == ("True", "StartTimeout")
    assert failed["message"].startswith("train waited 3 s (spec.runPolicy.startTimeoutSeconds) in vain: ")
    assert "didn't match Pod's node affinity/selector" in failed["message"]
    assert condition(job, "Waiting")["status"] == "False"
    assert namespace.get("job", "in-vain-train")["spec"]["suspend"]


@pytest.mark.usefixtures("free")
def test_waiting_is_no_error(operator: Operated) -> None:
    for name, obstacle in OBSTACLES.items():
        ended(operator.namespaces[obstacle.place], name)
    assert operator.complaints() == []
    assert operator.process.metric("steelyard_reconcile_errors_total") == 0
