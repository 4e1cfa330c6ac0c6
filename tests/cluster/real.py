"""A cluster of real nodes: a control plane in the namespaces of the first of them, CoreDNS, and volumes on this disk.

Imports its neighbours only. Needs root, Debian's packages (packages.py) and images (images.py).
"""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import psutil

from cluster import node_files, provisioner
from cluster.audit import AuditLog
from cluster.binaries import binary
from cluster.cache import run_folder
from cluster.control_plane import Address, ControlPlane
from cluster.kubectl import Kubectl
from cluster.network import Network
from cluster.node import Node
from cluster.processes import Processes
from cluster.unpacked import unpacked_images

DNS = "coredns"
GRACE_SECONDS = 20
"""How long after its last sign a node counts as lost (the default is 50): tests wait for it."""
_HERE = Path(__file__).parent


class RealCluster:
    """A cluster whose containers are real, on one node or more; up in 8 s, with 0.8 GB.

    `control_plane` is on node 0, which stays: its `processes` can be crashed one by one, as a node's can.
    """

    control_plane: ControlPlane

    def __init__(self, folder: Path, archives: list[Path], *, nodes: int = 1, die_with_parent: bool = False) -> None:
        """`folder` must be absent, best on the cache's file system; `archives` hold the images that each node has."""
        self.folder = folder
        self.nodes: dict[int, Node] = {}
        self.network = Network.free()
        self._archives = archives
        self._count = nodes
        self._die_with_parent = die_with_parent

    def __enter__(self) -> "RealCluster":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def kubeconfig(self) -> Path:
        """An admin's kubeconfig."""
        return self.control_plane.kubeconfig

    @property
    def kubectl(self) -> Kubectl:
        """kubectl as an admin."""
        return self.control_plane.kubectl

    @property
    def audit(self) -> AuditLog:
        """All requests."""
        return self.control_plane.audit

    def start(self) -> None:
        """Starts all, until pods can run. Leaves nothing where that fails."""
        self.folder.mkdir(parents=True)
        (self.folder / "network").write_text(str(self.network.index))
        try:
            self.network.make_bridge()
            first = self._start_namespaces(0)
            self.control_plane = self._start_control_plane(first)
            self.control_plane.kubectl.apply(*((_HERE / name).read_text() for name in ("storage.yaml", "dns.yaml")))
            beside = Processes(self.folder, die_with_parent=self._die_with_parent)
            beside.start(provisioner.NAME, provisioner.command(self.kubeconfig, self.folder / "volumes"))
            self._start_dns(first)
            first.join(self.control_plane)
            for number in range(1, self._count):
                self.add_node(number)
        except BaseException:
            self.end()
            raise

    def add_node(self, number: int | None = None) -> Node:
        """Adds a node, by default of the next free number; one that was killed comes back with an empty disk."""
        if number is None:
            number = next(each for each in range(1, len(self.nodes) + 1) if each not in self.nodes)
        node = self._start_namespaces(number)
        node.join(self.control_plane)
        return node

    def kill_node(self, number: int) -> None:
        """Crashes a node other than the first: all its processes and containers end at once, its object stays."""
        if number == 0:
            raise ValueError("node 0 carries the control plane")
        self.nodes.pop(number).end()

    def end(self) -> None:
        """Ends all; nothing is left but the folder, which is the caller's."""
        end(self.folder)

    def _start_namespaces(self, number: int) -> Node:
        node = Node(self.folder, self.network, number)
        node.start_namespaces(unpacked_images(self._archives), die_with_parent=self._die_with_parent)
        self.nodes[number] = node
        return node

    def _start_control_plane(self, first: Node) -> ControlPlane:
        grace = ["--node-monitor-period=2s", f"--node-monitor-grace-period={GRACE_SECONDS}s"]
        control_plane = ControlPlane(
            self.folder, Address(first.address), first.processes, {ControlPlane.CONTROLLERS: grace}
        )
        control_plane.make_certificates()
        control_plane.start()
        return control_plane

    def _start_dns(self, first: Node) -> None:
        kubeconfig = self.control_plane.write_kubeconfig(DNS)
        corefile = self.folder / "Corefile"
        corefile.write_text(node_files.corefile(first.address, str(kubeconfig)))
        first.processes.start(DNS, [str(binary("coredns")), f"-conf={corefile}"])
        first.processes.wait_for_http(DNS, f"http://{first.address}:8080/health")


def end(folder: Path) -> None:
    """Ends the cluster of a folder, which another program may have started."""
    Processes(folder).end_all()
    network = Network(int((folder / "network").read_text()))
    nodes = [Node(folder, network, int(each.name.removeprefix("node-"))) for each in folder.glob("node-*")]
    with ThreadPoolExecutor() as pool:
        list(pool.map(Node.end, nodes))
    network.remove()
    shutil.rmtree(folder / "volumes", ignore_errors=True)


def end_abandoned() -> None:
    """Ends the clusters of programs that were killed before they could; see cache.run_folder."""
    for folder in run_folder("").glob("*-*"):
        if not psutil.pid_exists(int(folder.name.rpartition("-")[2])):
            if (folder / "network").exists():
                end(folder)
            shutil.rmtree(folder)
