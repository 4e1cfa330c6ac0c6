"""Whether the kernel killed a process because its container's memory was used up. Standard library only.

On cgroup v1 the kernel kills one process of a container, which need not be its first, and counts it in
memory.oom_control; on v2, where it does not kill the container as a whole, in memory.events.
"""

from dataclasses import dataclass, field
from pathlib import Path

_UNLIMITED_BYTES = 1 << 60
"""cgroup v1 has no word for "no limit", but numbers near 2 to the 63."""


@dataclass
class OutOfMemoryWatch:
    """Kills for lack of memory in a control group, counted since the watch was made."""

    group: Path | None
    """The control group's folder; None where the system has none."""

    _before: int = field(init=False)

    def __post_init__(self) -> None:
        self._before = self._kills()

    def explain(self, process: str) -> str | None:
        """What happened, in words; None where the kernel killed nothing since the watch was made.

        Args:
            process: what is taken to have been killed, such as "the TensorFlow process".
        """
        if self._kills() <= self._before:
            return None
        limit = self._limit()
        of = f"the memory of {limit / 2**20:,.0f} MiB that it may use" if limit else "the memory"
        return f"{of} was used up, and the kernel killed {process}"

    def _kills(self) -> int:
        """How often the kernel killed a process of the group; 0 where it does not say."""
        for name in ("memory.events", "memory.oom_control"):
            for line in self._read(name).splitlines():
                key, _, count = line.partition(" ")
                if key == "oom_kill":
                    return int(count)
        return 0

    def _limit(self) -> int | None:
        """The group's limit in bytes; None where there is none."""
        text = self._read("memory.max") or self._read("memory.limit_in_bytes")
        return int(text) if text.strip().isdecimal() and int(text) < _UNLIMITED_BYTES else None

    def _read(self, name: str) -> str:
        try:
            return (self.group / name).read_text() if self.group else ""
        except OSError:
            return ""


def own_group(mount: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> Path | None:
    """The folder of the memory group that this process is in.

    In a container the group is often the root of what is mounted, while `membership` names it as the host does.
    """
    try:
        lines = [line.split(":", 2) for line in membership.read_text().splitlines()]
    except OSError:
        return None
    roots = [(mount / "memory", path) for _, controllers, path in lines if "memory" in controllers.split(",")]
    roots += [(mount, path) for number, _, path in lines if number == "0"]
    folders = [folder for root, path in roots for folder in (root / path.lstrip("/"), root)]
    return next((folder for folder in folders if _counts(folder)), None)


def _counts(folder: Path) -> bool:
    return (folder / "memory.events").exists() or (folder / "memory.oom_control").exists()
