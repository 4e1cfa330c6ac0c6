"""What the operator's benchmarks share: a control plane with the chart and an operator that leads, and the requests of
the operator in the audit log. Imports the tests' support."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "controlplane")]

from cluster.audit import Entry  # noqa: E402
from cluster.binaries import binary  # noqa: E402
from cluster.simulation import SimulatedCluster  # noqa: E402
from crd_support import install_crds  # noqa: E402
from operator_support import OperatorProcess, claim, simulated, training_job  # noqa: E402
from training_jobs import is_over  # noqa: E402

NODES = 40
RELEASE = "steelyard"
NAMESPACE = "benchmark"
USER = f"system:serviceaccount:{RELEASE}:{RELEASE}"
ONE_STAGE: dict[str, Any] = {
    "dataset": {"uri": "pvc://data/digits", "target": "target", "format": "Prepared"},
    "workspace": {"claimName": "data", "accessMode": "ReadWriteMany"},
    "publish": [],
}
"""What makes a job train and nothing else. It finds its data on a claim that is bound, and makes none."""
STALLED_SECONDS = 300.0
"""How long no job may end while some are left."""
REST_SECONDS = 3.0
"""For so long nothing is reconciled: then the work is done."""


@dataclass(frozen=True)
class Version:
    """Another version of the operator than the environment's."""

    packages: Path
    """As OperatorProcess takes them."""
    crds: Path
    """The folder with its CRDs: it refuses fields that it does not know, and newer ones fill them in."""


@contextmanager
def installed(folder: Path, version: Version | None = None) -> Iterator[tuple[SimulatedCluster, OperatorProcess]]:
    """A cluster with the chart and a bound claim, and an operator that leads.

    Args:
        folder: for all files; empty.
        version: another version of the operator; None: the environment's own.
    """
    with SimulatedCluster(folder / "cluster", nodes=NODES, die_with_parent=True) as cluster:
        chart = [str(binary("helm")), "install", RELEASE, str(ROOT / "charts" / "steelyard")]
        environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
        subprocess.run(
            [*chart, f"--namespace={RELEASE}", "--create-namespace"],
            env=environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        crds = ("crd/trainingjobs.steelyard.dev", "crd/tuningjobs.steelyard.dev")
        cluster.kubectl("wait", *crds, "--for=condition=Established", "--timeout=60s")
        if version is not None:
            install_crds(cluster.kubectl, version.crds)
        cluster.kubectl("create", "namespace", NAMESPACE)
        namespace = cluster.kubectl.within(NAMESPACE)
        namespace.create(claim("data"), claim("models"))
        namespace("wait", "pvc/data", "pvc/models", "--for=jsonpath={.status.phase}=Bound", "--timeout=60s")
        kubeconfig = cluster.kubeconfig_of_service_account(RELEASE, RELEASE)
        with replica(kubeconfig, folder / "operator", version) as operator:
            rest(operator)
            yield cluster, operator


def replica(kubeconfig: Path, folder: Path, version: Version | None = None) -> OperatorProcess:
    """One of several operators, not yet started, of which one leads."""
    settings = {"leader_election": "true", "lease_namespace": RELEASE, "lease_name": RELEASE}
    return OperatorProcess(kubeconfig, folder, packages=version.packages if version else None, **settings)


def cpu_ms(operator: OperatorProcess) -> float:
    """What the operator has used since its start."""
    return 1000 * operator.metric("process_cpu_seconds_total")


def warm_up(cluster: SimulatedCluster) -> None:
    """Has one job run through, so that everything was used once; and the API server knows the owners of children, which
    after a new CRD takes it up to a minute."""
    namespace = cluster.kubectl.within(NAMESPACE)
    namespace.create(training_job("warm-up", template=simulated("100ms")))
    namespace.wait_for("trainingjob", "warm-up", is_over, STALLED_SECONDS)


def rest(operator: OperatorProcess) -> None:
    """Waits until the operator leads, and has nothing to do."""
    reconciles, since = -1.0, time.monotonic()
    while time.monotonic() - since < REST_SECONDS:
        time.sleep(1)
        now = operator.metric("steelyard_reconciles_total")
        if now != reconciles or not operator.metric("steelyard_is_leader"):
            reconciles, since = now, time.monotonic()


def own(entries: Iterable[Entry]) -> list[Entry]:
    """The operator's requests, but for those of its Lease."""
    return [entry for entry in entries if entry.user == USER and entry.resource != "leases"]


def by_kind(entries: Iterable[Entry], jobs: int) -> dict[str, float]:
    """How many requests of each verb and resource there were for a job."""
    counts = Counter(f"{entry.verb} {entry.resource}" for entry in entries)
    return {kind: round(count / jobs, 3) for kind, count in sorted(counts.items())}


def is_at_most(limit: float, value: float, what: str) -> tuple[bool, str]:
    """A check, with the words for its breach."""
    return value <= limit, f"{value:.3g} {what}; at most {limit:g} are allowed"


def tell(case: str, figure: str, value: float | dict[str, float], by: dict[str, float] | None = None) -> None:
    """Prints a figure."""
    values = value if isinstance(value, dict) else {"value": value}
    line: dict[str, Any] = {"benchmark": "operator", "case": case, "figure": figure}
    line |= {name: round(number, 2) for name, number in values.items()}
    print(json.dumps(line | ({} if by is None else {"by": by})), flush=True)
