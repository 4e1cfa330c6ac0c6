"""A control plane with simulated nodes for this folder's tests: started once, ended with the session."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from client_support import MANIFEST, Steelyard, commands, in_namespace
from cluster.audit import AuditLog
from cluster.kubectl import Kubectl, fresh_namespace
from cluster.simulation import SimulatedCluster
from crd_support import install_crds

from steelyard.client import Client


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCluster]:
    """The cluster that the tests share. Who crashes a component starts it again; tests/cluster/README.md has more."""
    with SimulatedCluster(tmp_path_factory.mktemp("control-plane"), die_with_parent=True) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def log(control_plane: SimulatedCluster) -> AuditLog:
    """All requests of a module, from when this is asked for."""
    return control_plane.audit.since()


@pytest.fixture(scope="module")
def kubectl(control_plane: SimulatedCluster) -> Iterator[Kubectl]:
    """kubectl in a namespace of a module's own, where the CRDs are installed."""
    install_crds(control_plane.kubectl)
    with fresh_namespace(control_plane.kubectl) as within:
        yield within


@pytest.fixture
def namespace(control_plane: SimulatedCluster) -> Iterator[Kubectl]:
    """kubectl in a namespace of this test's own."""
    with fresh_namespace(control_plane.kubectl) as kubectl:
        yield kubectl


@pytest.fixture
def jobs(
    control_plane: SimulatedCluster, namespace: Kubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Kubectl:
    """The same where TrainingJobs are known; KUBECONFIG leads the client there."""
    install_crds(control_plane.kubectl)
    monkeypatch.setenv("KUBECONFIG", str(in_namespace(namespace, tmp_path / "kubeconfig")))
    return namespace


@pytest.fixture
def client(jobs: Kubectl) -> Iterator[Client]:
    """A client in that namespace."""
    with Client.from_kubeconfig() as client:
        assert client.namespace == jobs.namespace
        yield client


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """The file of a TrainingJob `tiny`."""
    path = tmp_path / "job.yaml"
    path.write_text(MANIFEST)
    return path


@pytest.fixture
def steelyard(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Steelyard:
    """Runs a command; gives its exit code, standard output and standard error."""
    return commands(monkeypatch, capsys)
