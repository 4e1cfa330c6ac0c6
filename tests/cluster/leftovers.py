"""What a cluster of real nodes could leave behind on the machine, for the tests. Imports its neighbours and psutil."""

import re
import subprocess
from pathlib import Path

import psutil

from cluster.network import Network

_SETTINGS = ("vm.overcommit_memory", "vm.panic_on_oom", "kernel.panic", "kernel.panic_on_oops", "net.ipv4.ip_forward")


def left_of(folder: Path, network: Network) -> dict[str, list[str]]:
    """What is there of a cluster with this folder and network: links, control groups, mounts, processes."""
    links = (path.name for path in Path("/sys/class/net").iterdir())
    commands = (" ".join(each.info["cmdline"] or []) for each in psutil.process_iter(["cmdline"]))
    found = {
        "links": [name for name in links if re.match(rf"{network.bridge}$|{network.link(0)[:-1]}\d+$", name)],
        "control groups": [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/steelyard-{network.index}-*")],
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if str(folder) in line],
        "processes": [command for command in commands if str(folder) in command],
    }
    return {kind: names for kind, names in found.items() if names}


def machine_settings() -> list[str]:
    """The packet filter's rules and those settings of the machine that kubelets and kube-proxies change."""
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout.splitlines()
    values = subprocess.run(["sysctl", *_SETTINGS], capture_output=True, text=True, check=True).stdout.splitlines()
    return [*(rule for rule in rules if rule.startswith("-")), *values]
