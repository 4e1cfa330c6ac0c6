"""A control plane with simulated nodes (kwok): pods get Running and end without a container. stages.yaml says how."""

from pathlib import Path
from types import TracebackType

from cluster import provisioner
from cluster.binaries import binary
from cluster.control_plane import Address, ControlPlane
from cluster.processes import Processes

NODES = "kwok"
_HERE = Path(__file__).parent


class SimulatedCluster(ControlPlane):
    """etcd, API server, controller manager, scheduler, provisioner and simulated nodes. Needs no root.

    Several live side by side, each in a folder of its own that must be empty or absent; up in 6 s, with 0.5 GB.
    """

    def __init__(
        self,
        folder: Path,
        *,
        nodes: int = 10,
        die_with_parent: bool = False,
        extra: dict[str, list[str]] | None = None,
    ) -> None:
        """`nodes` of 64 CPUs, 512 GiB and 256 pods each; `extra` holds flags of components, by their names."""
        super().__init__(folder, Address.free(), Processes(folder, die_with_parent=die_with_parent), extra or {})
        self._nodes = nodes

    def __enter__(self) -> "SimulatedCluster":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def start(self) -> None:
        """Starts all, until pods can run. Leaves nothing where that fails, but the logs."""
        try:
            self.make_certificates()
            super().start()
            self.kubectl.apply((_HERE / "storage.yaml").read_text(), *(_node(n) for n in range(self._nodes)))
            self.processes.start(NODES, self._kwok())
            self.processes.start(provisioner.NAME, provisioner.command(self.kubeconfig, None))
            self.kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=60s")
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Ends all its processes. The folder is the caller's."""
        self.processes.end_all()

    def _kwok(self) -> list[str]:
        return [
            str(binary("kwok")),
            f"--kubeconfig={self.kubeconfig}",
            f"--config={_HERE / 'stages.yaml'}",
            "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            "--cidr=10.244.0.0/16",
            "--node-ip=127.0.0.1",
            "--node-lease-duration-seconds=40",
        ]


def _node(number: int) -> dict[str, object]:
    name = f"simulated-{number}"
    room = {"cpu": "64", "memory": "512Gi", "pods": "256", "ephemeral-storage": "500Gi"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"},
        },
        "status": {"allocatable": room, "capacity": room},
    }
