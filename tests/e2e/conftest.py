"""Real nodes for this folder's tests, or the cluster that a user names: started once, ended with the session."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from cluster import cache, packages
from cluster.images import base_archive, own_program_archive, pause_archive
from cluster.kubectl import Kubectl, fresh_namespace
from cluster.leftovers import machine_settings
from cluster.real import RealCluster, end_abandoned
from release import installed
from under_way import (  # noqa: F401
    conformance_jobs,
    digits_search_there,
    forests_there,
    kind_test,
    small_there,
    under_way,
)

CHOICE = "STEELYARD_TEST_CLUSTER"
_ROOT = Path(__file__).parents[2]
_FIRST = (
    # On a cluster without the operator, as far as that goes: components crash, and it is installed otherwise.
    "test_namespace_mode",
    "test_real_cluster",
    # All that can be under way is begun by these, whose time is mostly waiting.
    "test_faults",
)
_LAST = ("test_upgrade",)
"""Jobs that begin while another operator is there would get its trainer."""


class Cluster(Protocol):
    """What any cluster has."""

    @property
    def kubeconfig(self) -> Path:
        """An admin's kubeconfig."""

    @property
    def kubectl(self) -> Kubectl:
        """kubectl with that."""


class ExistingCluster:
    """The cluster of $KUBECONFIG, which has the images already: STEELYARD_TEST_CLUSTER=existing."""

    def __init__(self) -> None:
        self.kubeconfig = Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
        self.kubectl = Kubectl(self.kubeconfig)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files in an order in which the operator comes once, and work is under way while tests wait."""
    ranks = {name: rank for rank, name in enumerate((*_FIRST, "", *_LAST))}
    items.sort(key=lambda item: ranks.get(item.path.stem, ranks[""]))


@pytest.fixture(scope="session")
def machine_before() -> list[str]:
    """The machine's settings before the first cluster."""
    packages.install()
    return machine_settings()


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster that the tests share, with the operator's and the trainer's image on each node."""
    if (choice := os.environ.get(CHOICE, "own")) not in ("own", "existing"):
        pytest.fail(f"{CHOICE} is {choice!r}; allowed: own (the default), existing")
    if choice == "existing":
        yield ExistingCluster()
        return
    request.getfixturevalue("machine_before")
    built = subprocess.run([_ROOT / "images" / "build"], check=True, stdout=subprocess.PIPE, text=True).stdout
    archives = [pause_archive(), base_archive(), own_program_archive(), *map(Path, built.split())]
    end_abandoned()
    # Beside the unpacked images, which are linked, not copied, where the file system is the same.
    folder = cache.run_folder(f"tests-{os.getpid()}")
    try:
        with RealCluster(folder, archives, die_with_parent=True) as real:
            yield real
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def own_cluster(cluster: Cluster) -> RealCluster:
    """The same for tests that add, crash or look into nodes; they are skipped on a user's own cluster."""
    if not isinstance(cluster, RealCluster):
        pytest.skip("needs nodes that may be crashed: not for the cluster of a user")
    return cluster


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[Kubectl]:
    """kubectl in a namespace of this test's own, which enforces the restricted Pod Security level."""
    with fresh_namespace(cluster.kubectl, **{"pod-security.kubernetes.io/enforce": "restricted"}) as kubectl:
        yield kubectl


@pytest.fixture(scope="session")
def operator(cluster: Cluster) -> Iterator[str]:
    """The operator, installed by Helm with no value set; its namespace. It stays to the end of the session."""
    with installed(cluster.kubeconfig, "steelyard-system"):
        yield "steelyard-system"
