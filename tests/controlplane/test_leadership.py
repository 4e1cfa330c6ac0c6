"""Leader election among real processes at a real API server: by its audit log no two of them ever write at once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from cluster.audit import AuditLog, Entry
from cluster.control_plane import ControlPlane
from cluster.kubectl import Kubectl
from cluster.simulation import SimulatedCluster
from writing_replica import LEASE, LOST, TIMING

PATIENCE_SECONDS = 120.0
PROGRAM = Path(__file__).with_name("writing_replica.py")


class Replicas:
    """The replicas of one test; each is ended with it."""

    def __init__(self, cluster: SimulatedCluster, namespace: Kubectl) -> None:
        assert namespace.namespace is not None
        self._namespace = namespace.namespace
        self._environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}
        self._audit: AuditLog = cluster.audit.since()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        self.processes[name] = subprocess.Popen(
            [sys.executable, str(PROGRAM), self._namespace, name], env=self._environment
        )

    def signal(self, name: str, number: int) -> None:
        self.processes[name].send_signal(number)

    def end_of(self, name: str) -> int:
        """A replica's exit code, once it has ended."""
        return self.processes[name].wait(PATIENCE_SECONDS)

    def requests(self, name: str) -> list[Entry]:
        return [entry for entry in self._audit.entries(namespace=self._namespace) if entry.agent == name]

    def writes(self, name: str) -> list[Entry]:
        """What a replica wrote, its attempts at the Lease aside, in the order in which it came in."""
        found = [entry for entry in self.requests(name) if entry.is_write and entry.resource == "configmaps"]
        return sorted(found, key=lambda entry: entry.received)

    def wait_for_writes(self, name: str) -> None:
        """Waits until a replica has written more than it has now."""
        before = len(self.writes(name))
        self.wait_until(lambda: len(self.writes(name)) > before + 20, f"{name} does not write")

    def wait_until(self, is_so: Callable[[], bool], failure: str) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < until, failure
            time.sleep(0.25)

    def take_turns(self, *names: str) -> None:
        """Asserts that each wrote, and only after the last write of the one before it was answered."""
        for first, second in pairwise(names):
            last, next_ = max(entry.answered for entry in self.writes(first)), self.writes(second)[0].received
            assert last < next_, f"{first} wrote until {last}, {second} since {next_}"


@pytest.fixture
def replicas(control_plane: SimulatedCluster, namespace: Kubectl) -> Iterator[Replicas]:
    """Two replicas, of which the first leads and the second waits."""
    replicas = Replicas(control_plane, namespace)
    try:
        replicas.start("first")
        replicas.wait_for_writes("first")
        replicas.start("second")
        replicas.wait_until(lambda: bool(replicas.requests("second")), "second does not look at the lease")
        yield replicas
    finally:
        for process in replicas.processes.values():
            process.kill()
            process.wait()


def test_a_killed_leader_is_followed_when_its_lease_is_over(replicas: Replicas) -> None:
    replicas.wait_for_writes("first")
    assert replicas.writes("second") == []
    replicas.signal("first", signal.SIGKILL)
    assert replicas.end_of("first") == -signal.SIGKILL
    replicas.wait_for_writes("second")
    replicas.take_turns("first", "second")


def test_a_leader_that_was_stopped_past_its_lease_writes_no_more_and_ends(replicas: Replicas) -> None:
    names = ["first", "second", "third"]
    for leader, follower in pairwise(names):
        replicas.signal(leader, signal.SIGSTOP)
        replicas.wait_for_writes(follower)
        replicas.signal(leader, signal.SIGCONT)
        assert replicas.end_of(leader) == LOST
        replicas.wait_for_writes(follower)
        if follower != names[-1]:
            replicas.start(names[names.index(follower) + 1])
    replicas.take_turns(*names)


def test_a_leader_that_ends_gracefully_is_followed_before_its_lease_would_be_over(
    replicas: Replicas, namespace: Kubectl
) -> None:
    replicas.signal("first", signal.SIGTERM)
    assert replicas.end_of("first") == 0
    replicas.wait_for_writes("second")
    replicas.take_turns("first", "second")
    between = replicas.writes("second")[0].received - replicas.writes("first")[-1].answered
    assert between.total_seconds() < TIMING.lease_seconds
    spec = namespace.get("lease", LEASE)["spec"]
    assert spec["holderIdentity"].startswith("second_") and spec["leaseTransitions"] == 1


def test_a_leader_that_can_not_renew_ends_and_another_follows(
    replicas: Replicas, control_plane: SimulatedCluster
) -> None:
    control_plane.processes.signal(ControlPlane.API, signal.SIGSTOP)
    try:
        assert replicas.end_of("first") == LOST
    finally:
        control_plane.processes.signal(ControlPlane.API, signal.SIGCONT)
        control_plane.wait_for_api()
    replicas.wait_for_writes("second")
