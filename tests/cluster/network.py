"""Who has which address in a cluster of real nodes, and the bridge that joins them. Imports the standard library only.

Each node has a network namespace of its own with one leg on the bridge; its pods have a network behind that. On the
host there is the bridge, with an address on it, and nothing else: no rule, no route.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

NODES = 10
"""How many nodes a cluster may have."""


@dataclass(frozen=True)
class Network:
    """The network of one cluster; several live side by side by their index."""

    index: int

    @classmethod
    def free(cls) -> "Network":
        """One whose bridge does not exist."""
        taken = {path.name for path in Path("/sys/class/net").iterdir()}
        return cls(next(index for index in range(250) if Network(index).bridge not in taken))

    @property
    def bridge(self) -> str:
        """The bridge's name."""
        return f"sybr{self.index}"

    @property
    def host(self) -> str:
        """The host's address on the bridge: where pods find what a test serves beside the cluster."""
        return f"10.97.{self.index}.1"

    def node(self, number: int) -> str:
        """A node's address."""
        return f"10.97.{self.index}.{2 + number}"

    def pods(self, number: int) -> str:
        """The network of a node's pods."""
        return f"10.244.{number}.0/24"

    def link(self, number: int) -> str:
        """The host's end of a node's link."""
        return f"sy{self.index}n{number}"

    def make_bridge(self) -> None:
        """Makes the bridge. Raises CalledProcessError where it exists."""
        _ip("link", "add", self.bridge, "type", "bridge")
        _ip("address", "add", f"{self.host}/24", "dev", self.bridge)
        _ip("link", "set", self.bridge, "up")

    def join(self, number: int, pid: int) -> None:
        """Joins a node, whose first process this is, to the bridge: within, the link is eth0."""
        link, inside = self.link(number), ("nsenter", "--target", str(pid), "--net")
        _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        _ip("link", "set", link, "master", self.bridge, "up")
        _ip("link", "set", "lo", "up", inside=inside)
        _ip("address", "add", f"{self.node(number)}/24", "dev", "eth0", inside=inside)
        _ip("link", "set", "eth0", "up", inside=inside)
        _ip("route", "add", "default", "via", self.host, inside=inside)
        for other in set(range(NODES)) - {number}:
            _ip("route", "add", self.pods(other), "via", self.node(other), inside=inside)

    def remove(self) -> None:
        """Removes the bridge and what links there are; nothing where there are none."""
        present = {path.name for path in Path("/sys/class/net").iterdir()}
        for name in (*(self.link(number) for number in range(NODES)), self.bridge):
            if name in present:
                # A link goes by itself with its node's namespace, at any moment.
                subprocess.run(["ip", "link", "delete", name], check=False, capture_output=True)


def _ip(*arguments: str, inside: tuple[str, ...] = ()) -> None:
    subprocess.run([*inside, "ip", *arguments], check=True, capture_output=True)
