"""The operator as a process of this machine, against the control plane: started, stopped and killed by the tests."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from cluster.binaries import binary
from cluster.kubectl import Kubectl, KubectlError, fresh_namespace
from cluster.simulation import SimulatedCluster
from crd_support import install_crds
from training_jobs import condition, is_over

__all__ = [
    "ONE_STAGE",
    "Operated",
    "OperatorProcess",
    "claim",
    "condition",
    "end_pods",
    "ended",
    "events_about",
    "granted",
    "is_over",
    "operated",
    "simulated",
    "training_job",
    "unmanaged",
]

CHART = Path(__file__).parents[2] / "charts" / "steelyard"
OPERATORS = "steelyard-operators"
"""The group whose users have what the chart grants."""
STARTS_WITHIN_SECONDS = 60.0
PATIENCE_SECONDS = 300.0
ONE_STAGE: dict[str, Any] = {
    "dataset": {"uri": "pvc://data/digits", "target": "target", "format": "Prepared"},
    "training": {"workers": 1},
    "publish": [],
}
"""What makes a job train and nothing else."""
ENDS_WELL = ("steelyard.test/duration=10ms", "steelyard.test/exit-code=0")
"""Annotations by which a simulated pod that runs ends at once."""


class OperatorProcess:
    """`python -m steelyard.controller`. Its log is a file; use it as a context manager."""

    def __init__(self, kubeconfig: Path, folder: Path, *, packages: Path | None = None, **settings: str) -> None:
        """`settings` are those of the operator, without the prefix and in small letters: namespaces="a". Of `packages`,
        a folder, come those that are not to be the environment's: `old_operator.unpack`."""
        self.kubeconfig = kubeconfig
        self._packages = packages
        self.port = _free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "operator.log"
        self._settings = {"trainer_image": "steelyard/trainer:test", "leader_election": "false", **settings}
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "OperatorProcess":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def environment(self) -> Mapping[str, str]:
        """What the process gets."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("STEELYARD_")}
        own = {f"STEELYARD_{name.upper()}": value for name, value in self._settings.items()}
        path = {"PYTHONPATH": str(self._packages)} if self._packages is not None else {}
        return {**inherited, **own, **path, "KUBECONFIG": str(self.kubeconfig), "STEELYARD_PORT": str(self.port)}

    def start(self, *, wait: bool = True) -> None:
        """Starts it, and waits until it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "steelyard.controller"],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Raises AssertionError with the log where it ends, or is not ready in time."""
        until = time.monotonic() + STARTS_WITHIN_SECONDS
        while time.monotonic() < until:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            try:
                self.get("/readyz")
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"not ready within {STARTS_WITHIN_SECONDS} s:\n{self.log.read_text()}")

    def get(self, path: str) -> str:
        """The answer of its HTTP port. Raises OSError."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
            text: str = response.read().decode()
            return text

    def metric(self, name: str, **labels: str) -> float:
        """The value of a metric; the sum over all labels that are not given."""
        total = 0.0
        for line in self.get("/metrics").splitlines():
            if line.startswith((f"{name} ", f"{name}{{")) and all(f'{k}="{v}"' in line for k, v in labels.items()):
                total += float(line.rpartition(" ")[2])
        return total

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.process is None or self.process.poll() is not None:
            return self.process.returncode if self.process else 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


@dataclass(frozen=True)
class Operated:
    """An operator with the namespaces that it serves, and a user of its own by which the audit log knows it."""

    cluster: SimulatedCluster
    user: str
    process: OperatorProcess
    namespaces: list[Kubectl]

    def complaints(self) -> list[dict[str, Any]]:
        """What it logged that is worse than information. That it is not yet ready is the answer to our own question."""
        lines = [json.loads(line) for line in self.process.log.read_text().splitlines()]
        bad = [line for line in lines if line["level"] not in ("debug", "info")]
        return [line for line in bad if not line["message"].startswith("/readyz fails")]


@contextmanager
def operated(
    cluster: SimulatedCluster, folder: Path, user: str, namespaces: int = 1, **settings: str
) -> Iterator[Operated]:
    """An operator that serves so many new namespaces and may do what the chart grants. They enforce the restricted Pod
    Security level; each has the claims `data` and `models`."""
    install_crds(cluster.kubectl)
    _grant(cluster.kubectl)
    with ExitStack() as stack:
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        made = [stack.enter_context(fresh_namespace(cluster.kubectl, **labels)) for _ in range(namespaces)]
        for namespace in made:
            namespace.create(claim("data"), claim("models"))
        process = OperatorProcess(
            cluster.kubeconfig_of_user(user, OPERATORS),
            folder,
            namespaces=",".join(str(namespace.namespace) for namespace in made),
            progress_seconds="1",
            **settings,
        )
        yield Operated(cluster, user, stack.enter_context(process), made)


def operators_role() -> dict[str, Any]:
    """The ClusterRole that the chart makes for the operator."""
    command = [binary("helm"), "template", "steelyard", str(CHART), "--kube-version=1.34.4"]
    rendered = subprocess.run([*command, "--show-only=templates/rbac.yaml"], capture_output=True, check=True).stdout
    roles = [each for each in yaml.safe_load_all(rendered) if each and each["kind"] == "ClusterRole"]
    (role,) = roles
    return dict(role)


def granted() -> set[tuple[str, str]]:
    """The (verb, resource) pairs of that."""
    rules = operators_role()["rules"]
    return {(verb, resource) for rule in rules for verb in rule["verbs"] for resource in rule["resources"]}


def _grant(kubectl: Kubectl) -> None:
    """Lets the operators do what the chart grants, and waits until they may."""
    role = operators_role()
    role["metadata"] = {"name": OPERATORS}
    api = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": OPERATORS},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": OPERATORS},
        "subjects": [{"apiGroup": api, "kind": "Group", "name": OPERATORS}],
    }
    kubectl.apply(role, binding)

    def may() -> bool:
        try:
            kubectl("auth", "can-i", "list", "trainingjobs", "--as=someone", f"--as-group={OPERATORS}", "-A")
        except KubectlError:
            return False
        return True

    until = time.monotonic() + STARTS_WITHIN_SECONDS
    while not may():
        assert time.monotonic() < until
        time.sleep(0.1)


def claim(name: str) -> dict[str, Any]:
    """A claim of a user's, on storage that all nodes reach: jobs side by side name several."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "shared",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }


def simulated(duration: str = "200ms", **annotations: str) -> dict[str, Any]:
    """A template whose pods run for so long and end as the annotations say: exit_code="65", fail_stage="finish"."""
    given = {"duration": duration, **annotations}
    return {"annotations": {f"steelyard.test/{name.replace('_', '-')}": value for name, value in given.items()}}


def training_job(name: str, **spec: Any) -> dict[str, Any]:
    """A TrainingJob of all stages that simulated pods run."""
    return {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": name},
        "spec": {
            "dataset": {"uri": "sklearn:digits", "target": "target"},
            "model": {"mlp": {"hiddenUnits": [16]}},
            "training": {"workers": 2, "epochs": 3},
            "publish": [{"uri": f"pvc://models/{name}"}],
            **spec,
        },
    }


def ended(namespace: Kubectl, name: str) -> dict[str, Any]:
    """A job that is over."""
    return namespace.wait_for("trainingjob", name, is_over, PATIENCE_SECONDS)


def events_about(namespace: Kubectl, job: dict[str, Any]) -> list[tuple[str, str]]:
    """Type and reason of a job's Events, sorted."""
    uid = job["metadata"]["uid"]
    events = [event for event in namespace.list("events") if event["involvedObject"]["uid"] == uid]
    return sorted((event["type"], event["reason"]) for event in events)


def end_pods(namespace: Kubectl, name: str, stage: str) -> None:
    """Has the pods of a job's stage end well, those to come too, until the stage is done."""

    def is_complete(stage_job: dict[str, Any]) -> bool:
        selector = f"--selector=batch.kubernetes.io/controller-uid={stage_job['metadata']['uid']}"
        if namespace("get", "pods", selector, "--output=name"):
            namespace("annotate", "pods", selector, "--overwrite", *ENDS_WELL)
        return condition(stage_job, "Complete").get("status") == "True"

    namespace.wait_for("job", f"{name}-{stage}", is_complete, PATIENCE_SECONDS)


def unmanaged(thing: dict[str, Any]) -> dict[str, Any]:
    """What a user can say of an object: all but its status and what changes with every write."""
    passing = ("resourceVersion", "managedFields")
    metadata = {name: value for name, value in thing["metadata"].items() if name not in passing}
    return {**{name: value for name, value in thing.items() if name != "status"}, "metadata": metadata}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
