"""Limits on what may be published, whatever else it is worth: bytes, time, memory, and what a class may lose. Pure;
imports steelyard.api.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from steelyard.api.compression import Compression
from steelyard.api.errors import SteelyardError
from steelyard.api.losses import allowed, fell
from steelyard.api.metrics import Measure
from steelyard.contract.stages import ExitCode, Reason
from steelyard.texts.figures import number

ROUNDING = 1e-9
"""Differences of two equal figures may be off by a rounding error."""


@dataclass(frozen=True)
class Excess:
    """A limit that something is over."""

    told: str
    """With the two numbers, such as "its file has 12,345 bytes, more than the 10,000 of maxSizeBytes"."""
    times: float
    """How many times the limit it is; infinite where that is not known."""


@dataclass(frozen=True)
class Limits:
    """`spec.compression`'s; None where there is none."""

    size_bytes: int | None = None
    latency_microseconds: float | None = None
    """Of one row: the median, as it was measured on this machine."""
    memory_bytes: int | None = None
    """Of what the runtime holds."""

    @classmethod
    def of(cls, compression: Compression | None) -> "Limits":
        """Those of a manifest."""
        if compression is None:
            return cls()
        return cls(compression.max_size_bytes, compression.max_latency_microseconds, compression.max_memory_bytes)

    @property
    def need_costs(self) -> bool:
        """Whether what is limited has to be measured."""
        return self.latency_microseconds is not None or self.memory_bytes is not None

    def exceeded(self, size: int, latency: float, memory: int | None) -> list[Excess]:
        """The limits that something is over.

        Args:
            size: of its file, in bytes.
            latency: of one row, in microseconds.
            memory: in bytes; None where the machine does not tell, which counts as over any limit.
        """
        found = []
        if self.size_bytes is not None and size > self.size_bytes:
            told = f"its file has {size:,} bytes, more than the {self.size_bytes:,} of maxSizeBytes"
            found.append(Excess(told, size / self.size_bytes))
        if self.latency_microseconds is not None and latency > self.latency_microseconds:
            limit = number(self.latency_microseconds, 6)
            told = f"one row takes {number(latency, 6)} microseconds, more than the {limit} of maxLatencyMicroseconds"
            found.append(Excess(told, latency / self.latency_microseconds))
        if self.memory_bytes is not None and (memory is None or memory > self.memory_bytes):
            told = f"it holds {memory or 0:,} bytes of memory, more than the {self.memory_bytes:,} of maxMemoryBytes"
            if memory is None:
                told = "this machine does not tell what it holds in memory, which maxMemoryBytes limits"
            found.append(Excess(told, float("inf") if memory is None else memory / self.memory_bytes))
        return found


@dataclass(frozen=True)
class ClassDrops:
    """What the candidates lose of each class's recall, on the validation set."""

    allowed: float
    """The most that any class may."""
    found: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By the candidate's name, then by label; of the classes that have rows."""

    def worst(self, name: str) -> tuple[str, float] | None:
        """The class that loses the most, and what; None where no class has rows."""
        return max(self.found.get(name, {}).items(), key=lambda item: item[1], default=None)

    def why_too_much(self, name: str) -> str:
        """Which class loses more than it may; empty where none does."""
        worst = self.worst(name)
        if worst is None or worst[1] <= self.allowed + ROUNDING:
            return ""
        recall = Measure("recall", worst[0])
        most = allowed(recall, self.allowed)
        return f"{fell(recall, worst[1])} on the validation set, more than the {most} that a class may lose"


def nothing_within(over: Mapping[str, list[Excess]], rejected: Mapping[str, str]) -> SteelyardError:
    """What is raised where nothing may be published.

    Args:
        over: what each candidate is over that loses no more than it may, by its name as it is shown.
        rejected: why each of the others is rejected that are within the limits.
    """
    nearest = min(over, key=lambda name: max(excess.times for excess in over[name]))
    lines = [f"  nearest: {nearest}: {told_of(over[nearest])}"]
    lines += [f"  {name}: {why}" for name, why in rejected.items()]
    first = "no candidate is within the limits of spec.compression, so nothing was published:"
    return SteelyardError("\n".join([first, *lines]), reason=Reason.GATE_FAILED, exit_code=ExitCode.GATE_FAILED)


def told_of(excess: list[Excess]) -> str:
    """All limits that something is over, in words."""
    return "; ".join(each.told for each in excess)
