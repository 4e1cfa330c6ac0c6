"""A control plane with simulated nodes for this folder's tests: started once, ended with the session."""

from collections.abc import Iterator

import pytest
from cluster.kubectl import Kubectl, fresh_namespace
from cluster.simulation import SimulatedCluster


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCluster]:
    """The cluster that the tests share. Who crashes a component starts it again; tests/cluster/README.md has more."""
    with SimulatedCluster(tmp_path_factory.mktemp("control-plane"), die_with_parent=True) as cluster:
        yield cluster


@pytest.fixture
def namespace(control_plane: SimulatedCluster) -> Iterator[Kubectl]:
    """kubectl in a namespace of this test's own."""
    with fresh_namespace(control_plane.kubectl) as kubectl:
        yield kubectl
