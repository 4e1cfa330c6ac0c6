"""Which of the candidates within the budget is the best: small, or fast by more than chance. Pure; imports
steelyard.api and what was measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from steelyard.api.compression import BASELINE, CompressionObjective
from steelyard.texts.figures import duration
from steelyard_trainer.compression.measured import Measured

_MOST_TIMES_SLOWER = 10
"""Balanced: what is slower than this many times the fastest is not chosen."""


def cost_by(candidate: Measured, objective: CompressionObjective) -> float:
    """What is to be small."""
    return candidate.latency_microseconds if objective == "Latency" else candidate.bytes


def is_slow(candidate: Measured, fastest: Measured, objective: CompressionObjective) -> bool:
    """Whether it takes too long to be the best: by more than chance, as a noisy machine chooses no winner."""
    if objective == "Size":
        return False
    return _takes_longer(candidate, fastest, 1 if objective == "Latency" else _MOST_TIMES_SLOWER)


def _takes_longer(candidate: Measured, other: Measured, times: float = 1) -> bool:
    """Whether one row takes longer than so many times the other's; where turns tell, by more than chance."""
    if candidate.cost and other.cost:
        return candidate.cost.is_slower_than(other.cost, times)
    return candidate.latency_microseconds > times * other.latency_microseconds


@dataclass(frozen=True)
class Pace:
    """What is said of the candidates within the budget, beside the fastest and the best of them."""

    objective: CompressionObjective
    fastest: Measured
    best: Measured
    within: tuple[Measured, ...]
    shown: Mapping[str, str]
    """What each is called."""

    @property
    def superlative(self) -> str:
        """What the best has."""
        if self.objective == "Latency" and len(self._as_fast) > 1:
            return "the fewest bytes at no significantly higher latency than the least"
        return _superlative(self.objective)

    @property
    def _as_fast(self) -> list[Measured]:
        return [each for each in self.within if not is_slow(each, self.fastest, self.objective)]

    def verdict(self, candidate: Measured) -> str:
        """Why one of them was chosen or not."""
        if candidate is self.best:
            if self.objective == "Latency" and len(self._as_fast) > 1:
                return "chosen: the least latency within the budget; no significant difference: the smaller"
            return f"chosen: {_superlative(self.objective)} within the budget"
        name, fastest = self.shown[self.best.name], self.shown[self.fastest.name]
        if is_slow(candidate, self.fastest, self.objective):
            times = "" if self.objective == "Latency" else f"{_MOST_TIMES_SLOWER} times "
            return (
                f"within the budget, but {candidate.latency_microseconds:.2f} microseconds is more than "
                f"{times}{fastest}'s {self.fastest.latency_microseconds:.2f}"
            )
        relation = "no better than" if candidate.bytes == self.best.bytes else "more than"
        text = f"{candidate.bytes:,} bytes is {relation} {name}'s"
        if self.objective == "Latency":
            return f"within the budget, but no significant difference: the smaller, and {text}"
        return f"within the budget, but {text}"


def other_end(best: Measured, fastest: Measured, within: list[Measured], baseline_name: str) -> str:
    """What the fastest, or else the smallest, would have cost; nothing where that was chosen."""
    smallest = min(within, key=lambda c: c.bytes)
    other, word = (fastest, "fastest") if _takes_longer(best, fastest) else (smallest, "smallest")
    is_better = other is not best and (word == "fastest" or other.bytes < best.bytes)
    if not is_better or not best.latency_microseconds:
        return ""
    name = baseline_name if other.name == BASELINE else other.name
    return (
        f"; it takes {duration(best.latency_microseconds)} for one row; the {word} within the budget is {name}: "
        f"{other.bytes:,} bytes, {duration(other.latency_microseconds)}"
    )


def _superlative(objective: CompressionObjective) -> str:
    if objective == "Balanced":
        return f"the fewest bytes at no more than {_MOST_TIMES_SLOWER} times the least latency"
    return "the least latency" if objective == "Latency" else "the fewest bytes"


def comparative(objective: CompressionObjective) -> str:
    return "less latency" if objective == "Latency" else "fewer bytes"
