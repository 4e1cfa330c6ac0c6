"""The operator is killed at every write that a job takes: each child is made once, and the job completes."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from api_proxy import ApiProxy, Moment
from cluster.api import Api
from cluster.kubectl import fresh_namespace
from cluster.simulation import SimulatedCluster
from crd_support import install_crds
from operator_support import OperatorProcess, claim, training_job
from training_jobs import condition, is_over

SIDE_BY_SIDE = 4
PATIENCE_SECONDS = 300.0
LAST_WRITES_SECONDS = 2.0
"""How long after the final status the job's last Event may come."""
USER = "operator-killed"
CHILDREN = Counter(
    {
        ("persistentvolumeclaims", "job-workspace"): 1,
        ("jobs", "job-prepare"): 1,
        ("services", "job-train"): 1,
        ("jobs", "job-train"): 1,
        ("jobs", "job-finish"): 1,
    }
)
KINDS = {resource for resource, _ in CHILDREN}
FEWEST_WRITES = len(CHILDREN) + 4
"""The children, and a status for the beginning, between each two stages and for the end; Events come on top."""


@pytest.mark.parametrize("moment", Moment, ids=lambda moment: moment.name.lower())
def test_a_job_outlives_its_operator_killed_at_each_write(
    control_plane: SimulatedCluster, tmp_path: Path, moment: Moment
) -> None:
    install_crds(control_plane.kubectl)
    life = Life(control_plane, control_plane.kubeconfig_of_user(USER, "system:masters"), moment)

    survived = 0
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for first in count(1, SIDE_BY_SIDE):
            numbers = range(first, first + SIDE_BY_SIDE)
            was_killed = list(pool.map(lambda number: life.run(tmp_path / str(number), number), numbers))
            survived += sum(was_killed)
            if not all(was_killed):
                break  # No job takes as many writes.
    assert survived >= FEWEST_WRITES


@dataclass(frozen=True)
class Life:
    """What a job of all stages goes through, in a namespace of its own."""

    cluster: SimulatedCluster
    kubeconfig: Path
    """The operator's."""
    moment: Moment

    def run(self, folder: Path, number: int) -> bool:
        """Kills the operator at its write of this number and starts it again; says whether there was such a write."""
        folder.mkdir()
        with fresh_namespace(self.cluster.kubectl) as kubectl, ApiProxy(self.kubeconfig, folder) as proxy:
            assert kubectl.namespace is not None
            kubectl.create(claim("models"))
            log = self.cluster.audit.since()
            kubectl.create(training_job("job", template={"annotations": {"steelyard.test/duration": "200ms"}}))
            operator = OperatorProcess(proxy.kubeconfig, folder, namespaces=kubectl.namespace)
            proxy.strike_at(number, self.moment, operator.kill)
            operator.start(wait=False)
            try:
                self._wait(kubectl.namespace, lambda job: proxy.was_struck.is_set() or is_over(job))
                if proxy.was_struck.wait(LAST_WRITES_SECONDS):
                    operator.start()
                job = self._wait(kubectl.namespace, is_over)
            finally:
                operator.stop()
            assert condition(job, "Complete").get("status") == "True", job["status"]
            entries = log.entries(namespace=kubectl.namespace, writes=True)
        made = Counter((entry.resource, entry.name) for entry in entries if (entry.verb, entry.code) == ("create", 201))
        assert Counter({child: number for child, number in made.items() if child[0] in KINDS}) == CHILDREN
        assert not [entry for entry in entries if "delete" in entry.verb and entry.resource in KINDS]
        return proxy.was_struck.is_set()

    def _wait(self, namespace: str, is_as_wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Waits for the job; gives it. Without kubectl, whose processes would take most of the time."""
        api = Api(self.cluster.kubeconfig)
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            job: dict[str, Any] = api.get(f"/apis/steelyard.dev/v1alpha1/namespaces/{namespace}/trainingjobs/job")
            if is_as_wanted(job):
                return job
            assert time.monotonic() < until, job.get("status")
            time.sleep(0.2)
