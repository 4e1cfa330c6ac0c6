"""The operator is killed ten times during a search: no trial is lost, none is made twice, and the best is the same.

And a search that is deleted while no operator runs leaves nothing behind.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from api_proxy import ApiProxy, Moment
from cluster.kubectl import Kubectl, fresh_namespace
from cluster.simulation import SimulatedCluster
from crd_support import install_crds
from operator_support import OperatorProcess, claim
from tuning_support import completed, log_of, tuning_job, wait

USER = "operator-of-searches-killed"
KILLS = 10
PATIENCE_SECONDS = 180.0
SEARCH: dict[str, Any] = {
    "algorithm": {"name": "TPE", "seed": 3, "startupTrials": 5},
    "pruning": {"name": "Median", "startupTrials": 4},
    "maxTrials": 30,
    "parallelTrials": 4,
}


def test_a_search_outlives_its_operator_killed_ten_times(control_plane: SimulatedCluster, tmp_path: Path) -> None:
    install_crds(control_plane.kubectl)
    log = control_plane.audit.since()
    kubeconfig = control_plane.kubeconfig_of_user(USER, "system:masters")
    with search_in(control_plane) as spared, search_in(control_plane) as killed, ThreadPoolExecutor(2) as pool:
        undisturbed = pool.submit(run_spared, kubeconfig, spared, tmp_path / "spared")
        disturbed = pool.submit(run_killed, kubeconfig, killed, tmp_path / "killed")
        expected, job = undisturbed.result(), disturbed.result()
        entries = log.entries(namespace=str(killed.namespace), writes=True)
    assert [entry.number for entry in log_of(job)] == list(range(30))
    assert len({str(entry.values) for entry in log_of(job)}) == 30
    assert log_of(job) == log_of(expected)
    assert job["status"]["best"] == expected["status"]["best"]
    assert Counter(entry.state for entry in log_of(job))["Pruned"] > 0
    made = Counter((each.resource, each.name) for each in entries if (each.verb, each.code) == ("create", 201))
    trials = {("trainingjobs", f"search-{number}") for number in range(30)}
    wanted = trials | {("jobs", f"{name}-train") for _, name in trials}
    assert {child: made[child] for child in wanted} == dict.fromkeys(wanted, 1)
    assert not [each for each in entries if each.verb == "delete" and each.resource in ("trainingjobs", "jobs")]


def test_a_search_that_is_deleted_takes_all_of_it_with_it_without_an_operator(
    control_plane: SimulatedCluster, tmp_path: Path
) -> None:
    install_crds(control_plane.kubectl)
    with search_in(control_plane, "1h") as namespace:
        kubeconfig = control_plane.kubeconfig_of_user(USER, "system:masters")
        with OperatorProcess(kubeconfig, tmp_path, namespaces=str(namespace.namespace)):
            wait(namespace, "search", lambda job: bool(job.get("status")))
            annotate = ("annotate", "pods", "--selector=steelyard.dev/job=search-data", "--overwrite")
            namespace.wait_for("job", "search-data-prepare", lambda job: bool((job.get("status") or {}).get("active")))
            namespace(*annotate, "steelyard.test/duration=10ms")
            wait(namespace, "search", lambda job: job["status"]["trials"]["running"] == 4)
            namespace.wait_for("job", "search-0-train", bool)
        namespace("delete", "tuningjob", "search", "--wait=true")
        until = time.monotonic() + PATIENCE_SECONDS
        kinds = ("trainingjobs", "jobs", "pods", "configmaps", "persistentvolumeclaims")
        while left := {kind: left_of(namespace, kind) for kind in kinds if left_of(namespace, kind)}:
            assert time.monotonic() < until, left
            time.sleep(0.3)


def left_of(namespace: Kubectl, kind: str) -> list[str]:
    """What there still is of a kind that was made for the search."""
    found = namespace.list(kind, "steelyard.dev/tuning-job=search")
    return [each["metadata"]["name"] for each in found]


@contextmanager
def search_in(cluster: SimulatedCluster, duration: str = "50ms") -> Iterator[Kubectl]:
    """A namespace with the search."""
    with fresh_namespace(cluster.kubectl) as kubectl:
        kubectl.create(claim("models"))
        kubectl.create(tuning_job("search", duration, **SEARCH))
        yield kubectl


def run_spared(kubeconfig: Path, namespace: Kubectl, folder: Path) -> dict[str, Any]:
    """The search as it ends where nobody dies."""
    with OperatorProcess(kubeconfig, folder, namespaces=str(namespace.namespace)):
        return completed(namespace, "search")


def run_killed(kubeconfig: Path, namespace: Kubectl, folder: Path) -> dict[str, Any]:
    """The search as it ends where the operator dies at some of its writes, before or after they are carried out."""
    chance = random.Random(5)
    folder.mkdir()
    with ApiProxy(kubeconfig, folder) as proxy:
        operator = OperatorProcess(proxy.kubeconfig, folder, namespaces=str(namespace.namespace))
        try:
            for _ in range(KILLS):
                proxy.was_struck.clear()
                moment = chance.choice(list(Moment))
                proxy.strike_at(proxy.writes + chance.randint(2, 18), moment, operator.kill)
                operator.start(wait=False)
                assert proxy.was_struck.wait(PATIENCE_SECONDS), operator.log.read_text()
            operator.start()
            return completed(namespace, "search")
        finally:
            operator.stop()
