"""Two replicas of the operator itself: at any moment one of them writes, and the jobs go on whichever is lost."""

import signal
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from cluster.audit import AuditLog, Entry
from cluster.kubectl import Kubectl
from cluster.simulation import SimulatedCluster
from crd_support import install_crds
from operator_support import OperatorProcess, condition, is_over, training_job

from steelyard.contract.stages import ExitCode

PATIENCE_SECONDS = 120.0


class Replica:
    """A replica with a user of its own, by which the audit log tells it from the other."""

    def __init__(self, name: str, cluster: SimulatedCluster, namespace: str, folder: Path) -> None:
        self.user = f"operator-{name}"
        self._audit: AuditLog = cluster.audit.since()
        self._namespace = namespace
        self.operator = OperatorProcess(
            cluster.kubeconfig_of_user(self.user, "system:masters"),
            folder / name,
            leader_election="true",
            lease_namespace=namespace,
            namespaces=namespace,
            pod_name=name,
        )

    def writes(self) -> list[Entry]:
        """What it wrote, its attempts at the Lease aside."""
        found = self._audit.entries(self.user, namespace=self._namespace, writes=True)
        return sorted((entry for entry in found if entry.resource != "leases"), key=lambda entry: entry.received)

    def signal(self, number: int) -> None:
        """Sends it a signal."""
        assert self.operator.process is not None
        self.operator.process.send_signal(number)

    def end(self) -> int:
        """Its exit code, once it has ended."""
        assert self.operator.process is not None
        return self.operator.process.wait(PATIENCE_SECONDS)


@pytest.fixture
def replicas(control_plane: SimulatedCluster, namespace: Kubectl, tmp_path: Path) -> Iterator[list[Replica]]:
    """Two replicas, of which the first leads."""
    install_crds(control_plane.kubectl)
    assert namespace.namespace is not None
    both = [Replica(name, control_plane, namespace.namespace, tmp_path) for name in ("first", "second")]
    try:
        for replica in both:
            replica.operator.start()
            wait_until(lambda: bool(namespace.list("lease")), "nobody leads")
        yield both
    finally:
        for replica in both:
            replica.operator.kill()


def wait_until(is_so: Callable[[], bool], failure: str) -> None:
    """Waits for something that takes seconds."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < until, failure
        time.sleep(0.25)


def lead(replica: Replica, namespace: Kubectl, prefix: str) -> list[str]:
    """Gives a replica work for some seconds, and waits until it has begun; returns the jobs' names."""
    before = len(replica.writes())
    names = [f"{prefix}-{number}" for number in range(6)]
    namespace.create(*(training_job(name, publish=[]) for name in names))
    wait_until(lambda: len(replica.writes()) > before + 6, f"{replica.user} does not lead")
    return names


def test_a_replica_follows_one_that_is_stopped_and_one_that_is_killed(
    replicas: list[Replica], namespace: Kubectl
) -> None:
    first, second = replicas
    jobs = lead(first, namespace, "a")
    assert second.writes() == []

    first.signal(signal.SIGSTOP)
    jobs += lead(second, namespace, "b")
    first.signal(signal.SIGCONT)
    assert first.end() == ExitCode.TRY_AGAIN
    of_first = first.writes()

    first.operator.start()
    jobs += lead(second, namespace, "c")
    assert first.writes() == of_first, "a follower writes nothing"
    second.operator.kill()
    jobs += lead(first, namespace, "d")
    for name in jobs:
        job = namespace.wait_for("trainingjob", name, is_over, PATIENCE_SECONDS)
        assert condition(job, "Complete").get("status") == "True", condition(job, "Failed")

    terms = [of_first, second.writes(), first.writes()[len(of_first) :]]
    for term, next_term in pairwise(terms):
        assert max(entry.answered for entry in term) < next_term[0].received
