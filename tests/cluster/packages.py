"""Debian packages that real nodes and the building of images need; installed where a command is missing. Needs root."""

import os
import shutil
import subprocess
from pathlib import Path

from cluster.processes import ClusterError

COMMANDS = {
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "socat": "socat",
    "ip": "iproute2",
    "sysctl": "procps",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "debootstrap": "debootstrap",
    "buildah": "buildah",
    "shellcheck": "shellcheck",
    "musl-gcc": "musl-tools",
}
"""Command -> package."""
PLUGINS = Path("/usr/lib/cni")
"""Where the package containernetworking-plugins puts what it has."""


def install() -> None:
    """Installs what is missing. Raises ClusterError where that is not possible."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = {package for command, package in COMMANDS.items() if not shutil.which(command, path=path)}
    if not (PLUGINS / "bridge").exists():
        missing.add("containernetworking-plugins")
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ClusterError(
            f"a cluster of real nodes needs Debian's packages {' '.join(sorted(missing))}, and root to install them;"
            " to use a cluster of your own: STEELYARD_TEST_CLUSTER=existing KUBECONFIG=..."
        )
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-qq"], ["install", "-qq", "--yes", "--no-install-recommends", *sorted(missing)]):
        subprocess.run(["apt-get", *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)
