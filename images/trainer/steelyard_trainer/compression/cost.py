"""What a candidate costs beside its bytes: data that passes from the clock to the choice and the report. Imports the
contract only."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from steelyard.contract.report import Difference

CostKind = Literal["Row", "Batch", "Memory", "Compressed"]
"""What can be measured: the time of one row, the time of a batch, memory, the size of the compressed file."""
ALL_COSTS: frozenset[CostKind] = frozenset(get_args(CostKind))

LOST_TURNS = 0.9
"""Of the turns. Of 10 turns of two equally fast ones so many are lost in 1 of 93 cases (sign test, one-sided)."""
_ENOUGH_TURNS = 7
"""In which chance makes one of two equally fast ones lose all in 1 of 128 cases."""
_CLEARLY = 1.5
"""Fewer turns, which slow models have, tell of differences by this factor only."""


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

    compressed_bytes: int | None
    """Of its files, each by gzip at its best; None where it was not asked for, as are the next three."""
    memory_bytes: int | None
    """Of the heap that the runtime holds with the model loaded and one row predicted; None where that is not known."""
    row: Latency | None
    """Of one row, on one thread."""
    batch: Latency | None
    """Per row, in batches, on one thread."""
    rounds: tuple[float, ...]
    """Medians of one row, by turn: those of two candidates go together. A slow one has fewer."""
    machine: str
    """The processor."""
    batch_rows: int = 256
    """Of a batch: fewer of a slow model."""

    def to_json(self) -> dict[str, Any]:
        """JSON values from which `from_json` makes an equal object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Cost":
        """Raises TypeError or KeyError where the document is not one of `to_json`."""
        times = {name: document[name] and Latency(**document[name]) for name in ("row", "batch")}
        return cls(**{**document, **times, "rounds": tuple(document["rounds"])})

    @property
    def latency_microseconds(self) -> float:
        """The median of one row; 0 where it was not measured."""
        return self.row.median if self.row else 0.0

    def is_slower_than(self, other: "Cost", times: float = 1.0) -> bool:
        """Whether one row takes more than so many times as long, by more than chance: in nearly all turns."""
        pairs = list(zip(self.rounds, other.rounds, strict=False))
        if len(pairs) < _ENOUGH_TURNS:
            times *= _CLEARLY
        return bool(pairs) and sum(own > times * others for own, others in pairs) >= LOST_TURNS * len(pairs)

    def against(self, other: "Cost") -> Difference:
        """Which of the two one row takes longer with, if it is more than chance."""
        return "Slower" if self.is_slower_than(other) else "Faster" if other.is_slower_than(self) else "NoDifference"
