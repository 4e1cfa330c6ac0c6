"""A real node: containerd, kubelet and kube-proxy in namespaces of their own, whose end is the end of all within.

Imports its neighbours only. Needs root.
"""

import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from cluster import node_files
from cluster.binaries import binary
from cluster.control_plane import POD_NETWORK, ControlPlane
from cluster.network import Network
from cluster.processes import START_SECONDS, ClusterError, Processes

CONTAINERD = "containerd"
KUBELET = "kubelet"
PROXY = "kube-proxy"
_NAMESPACES = "namespaces"
_CGROUPS = Path("/sys/fs/cgroup")
_HERE = Path(__file__).parent


class Node:
    """One node. `processes` holds what runs in its namespaces: CONTAINERD, KUBELET, PROXY."""

    processes: Processes

    def __init__(self, folder: Path, network: Network, number: int) -> None:
        """`folder` is the cluster's; the node's own lies in it."""
        self.folder = folder / f"node-{number}"
        self.name = f"node-{number}"
        self.number = number
        self.address = network.node(number)
        self._network = network
        self._cgroup = f"steelyard-{network.index}-{number}"

    def start_namespaces(self, unpacked: Path, *, die_with_parent: bool) -> None:
        """Makes the namespaces, joins the network and starts containerd upon unpacked images."""
        self.folder.mkdir()
        copy_unpacked(unpacked, self.folder / "containerd")
        host = Processes(self.folder / _NAMESPACES, die_with_parent=die_with_parent)
        # --kill-child: whatever ends unshare ends the first process, which ends everything.
        unshare = ["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"]
        script = [str(_HERE / "node-init.sh"), self.name, str(self.folder)]
        host.start(_NAMESPACES, [*unshare, "--propagation=private", *script])
        host.wait(_NAMESPACES, (self.folder / "namespaces-ready").exists, "no namespaces")
        pid = host.child(_NAMESPACES)
        self._network.join(self.number, pid)
        self.processes = Processes(self.folder, inside=pid)
        self._make_cgroups()
        self._write("cni/pods.conflist", node_files.pod_network(self._network.pods(self.number)))
        self._write("containerd.toml", node_files.containerd())
        self._write("resolv.conf", "")
        self.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        outside = ["!", "--destination", POD_NETWORK]
        self.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", POD_NETWORK, *outside, "-j", "MASQUERADE")
        self.processes.start(CONTAINERD, ["containerd", "--config=/run/node/containerd.toml", "--log-level=warn"])
        self.processes.wait(CONTAINERD, self._has_containerd, "no answer")

    def join(self, control_plane: ControlPlane) -> None:
        """Starts kubelet and kube-proxy, and waits until the node is Ready."""
        certificates, name = control_plane.certificates, f"kubelet-{self.number}"
        certificates.sign(name, f"system:node:{self.name}", "system:nodes", f"IP:{self.address},DNS:{self.name}")
        kubelet_kubeconfig = control_plane.write_kubeconfig(name)
        authority, signed, key = certificates.certificate("ca"), certificates.certificate(name), certificates.key(name)
        dns = self._network.node(0)
        self._write("kubelet.json", node_files.kubelet(self.address, dns, self._cgroup, authority, signed, key))
        proxy_kubeconfig = control_plane.write_kubeconfig(PROXY)
        self._write("kube-proxy.json", node_files.kube_proxy(self.name, str(proxy_kubeconfig), POD_NETWORK))
        (self.folder / "kubelet").mkdir()
        self.processes.start(
            KUBELET,
            [
                str(binary("kubelet")),
                "--config=/run/node/kubelet.json",
                f"--kubeconfig={kubelet_kubeconfig}",
                "--root-dir=/run/node/kubelet",
                "--cert-dir=/run/node/kubelet",
                f"--hostname-override={self.name}",
                f"--node-ip={self.address}",
                "--v=1",
            ],
        )
        self.processes.start(PROXY, [str(binary("kube-proxy")), "--config=/run/node/kube-proxy.json", "--v=1"])
        self.processes.wait(KUBELET, lambda: self._is_ready(control_plane), "the node is not Ready")

    def end(self) -> None:
        """Ends all that runs on the node, at once (a crash); removes its control groups and its folder."""
        Processes(self.folder / _NAMESPACES).end_all()
        self._remove_cgroups()
        # Quicker than shutil.rmtree for the 100,000 files of the images.
        subprocess.run(["rm", "-rf", "--one-file-system", str(self.folder)], check=True)

    def run(self, *command: str) -> str:
        """Runs a command within the node's namespaces; gives its standard output. Raises CalledProcessError."""
        done = subprocess.run([*self.processes.prefix, *command], check=True, capture_output=True, text=True)
        return done.stdout

    def ctr(self, *arguments: str) -> str:
        """Talks to the node's containerd; gives the output. Raises CalledProcessError."""
        return self.run("ctr", f"--address={node_files.SOCKET}", "--namespace=k8s.io", *arguments)

    def _has_containerd(self) -> bool:
        with suppress(subprocess.CalledProcessError):
            self.ctr("--timeout=1s", "version")
            return True
        return False

    def _is_ready(self, control_plane: ControlPlane) -> bool:
        found = control_plane.kubectl.find("node", self.name)
        conditions = found["status"].get("conditions", []) if found else []
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def _write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)

    def _make_cgroups(self) -> None:
        for hierarchy in _hierarchies():
            group = hierarchy / self._cgroup
            group.mkdir(exist_ok=True)
            if (group / "cpuset.cpus").exists() and hierarchy != _CGROUPS:
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (group / name).write_text((hierarchy / name).read_text())

    def _remove_cgroups(self) -> None:
        until = time.monotonic() + START_SECONDS
        left = [group for hierarchy in _hierarchies() if (group := hierarchy / self._cgroup).exists()]
        # The processes are dead, but leave their groups a little later.
        while left:
            for group in left:
                for folder, _, _ in os.walk(group, topdown=False):
                    with suppress(OSError):
                        Path(folder).rmdir()
            left = [group for group in left if group.exists()]
            if left and time.monotonic() > until:
                raise ClusterError(f"control groups are left: {', '.join(map(str, left))}")
            time.sleep(0.02)


def copy_unpacked(unpacked: Path, root: Path) -> None:
    """Copies containerd's folder in a second, however large: files are linked, as containerd never changes one but
    its databases, and containers write to layers of their own."""
    try:
        subprocess.run(["cp", "-al", str(unpacked), str(root)], check=True, capture_output=True)
    except subprocess.CalledProcessError:
        # Another file system.
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run(["cp", "-a", "--reflink=auto", str(unpacked), str(root)], check=True)
    for database in root.glob("*/*.db"):
        own = database.with_suffix(".own")
        shutil.copy2(database, own)
        own.rename(database)


def _hierarchies() -> list[Path]:
    """The folders that control groups of this machine begin at: one (version 2), or (version 1) one for each controller
    and `unified` for none of them."""
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    return [path for path in _CGROUPS.iterdir() if path.is_dir() and not path.is_symlink()]
