"""What a candidate costs beside its bytes: data that passes from the clock to the choice and the report. Imports the
contract only."""

from dataclasses import asdict, dataclass
from typing import Any

from steelyard.contract.report import Difference

LOST_TURNS = 0.9
"""Of the turns. Of 10 turns of two equally fast ones so many are lost in 1 of 93 cases (sign test, one-sided)."""


@dataclass(frozen=True)
class Latency:
    """Microseconds a row."""

    median: float
    p99: float
    """99 of 100 calls take no longer."""


@dataclass(frozen=True)
class Made:
    """What it took to make a candidate: all of its steps, also those that another candidate begins with."""

    seconds: float
    """Of the attempts that finished the steps."""
    work: int = 0
    """What was trained: rows x epochs x weights."""


@dataclass(frozen=True)
class Cost:
    """Of one candidate, as it predicts when it is published."""

    compressed_bytes: int
    """Of its files, each by gzip at its best."""
    memory_bytes: int | None
    """Of the heap that the runtime holds with the model loaded and one row predicted; None where that is not known."""
    row: Latency
    """Of one row, on one thread."""
    batch: Latency
    """Per row, in batches, on one thread."""
    rounds: tuple[float, ...]
    """Medians of one row, by turn: those of two candidates go together."""
    machine: str
    """The processor."""

    def to_json(self) -> dict[str, Any]:
        """JSON values from which `from_json` makes an equal object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Cost":
        """Raises TypeError or KeyError where the document is not one of `to_json`."""
        times = {name: Latency(**document[name]) for name in ("row", "batch")}
        return cls(**{**document, **times, "rounds": tuple(document["rounds"])})

    def is_slower_than(self, other: "Cost") -> bool:
        """Whether one row takes longer, by more than chance: in nearly all turns."""
        pairs = list(zip(self.rounds, other.rounds, strict=False))
        return sum(own > others for own, others in pairs) >= LOST_TURNS * len(pairs)

    def against(self, other: "Cost") -> Difference:
        """Which of the two one row takes longer with, if it is more than chance."""
        return "Slower" if self.is_slower_than(other) else "Faster" if other.is_slower_than(self) else "NoDifference"
