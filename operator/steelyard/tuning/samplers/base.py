"""What all samplers have in common. Imports the search, the api and NumPy only."""

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from steelyard.api.tuning_job import TuningJobSpec
from steelyard.search.log import Entry, Values
from steelyard.search.space import Space

ATTEMPTS = 15
"""Proposals for one trial before the asker takes any that is new."""


@dataclass(frozen=True)
class SuggestRequest:
    """All that the values of the next trial are found with."""

    spec: TuningJobSpec
    space: Space
    number: int
    known: tuple[Entry, ...]
    """By number."""
    pending: tuple[Values, ...]
    """The values of the trials that run."""
    prior: tuple[Entry, ...]
    """What an earlier search over the same space found out."""
    initial: int
    """How many trials are initialTrials: the algorithm's first one has this number."""

    def seed(self, attempt: int) -> int:
        """A seed that no other attempt of this or another trial has, from 0 to 2^32 - 1."""
        return int(np.random.SeedSequence([self.spec.algorithm.seed, self.number, attempt]).generate_state(1)[0])

    def random(self, attempt: int) -> np.random.Generator:
        """A source of random numbers that no other attempt of this or another trial has."""
        return np.random.default_rng([self.spec.algorithm.seed, self.number, attempt])

    def loss(self, entry: Entry) -> float:
        """The objective, turned so that less is better. Raises TypeError where the entry has none."""
        if entry.value is None:
            raise TypeError(f"trial {entry.number} has no value")
        return -entry.value if self.spec.objective.direction == "Maximize" else entry.value

    @property
    def observed(self) -> list[Entry]:
        """The trials that have a value, those of the earlier search first."""
        return [entry for entry in (*self.prior, *self.known) if has_value(entry)]

    @property
    def first(self) -> list[Entry]:
        """Those of them that the algorithm did not suggest itself: of the earlier search, and of initialTrials."""
        own = (entry for entry in self.known if entry.number < self.initial)
        return [entry for entry in (*self.prior, *own) if has_value(entry)]

    @property
    def failed(self) -> list[Entry]:
        """The trials that have none."""
        return [entry for entry in (*self.prior, *self.known) if not has_value(entry)]

    def rank_loss(self, entry: Entry) -> tuple[int, int, float]:
        """What to sort trials by, the best first: one that was pruned comes after all that were not, and the earlier
        the later."""
        if entry.state == "Pruned":
            return 1, -(entry.steps[-1][0] if entry.steps else 0), self.loss(entry)
        return 0, 0, self.loss(entry)


def has_value(entry: Entry) -> bool:
    """Whether it says how good its values are, even if not to the end."""
    return entry.state != "Failed" and entry.value is not None and math.isfinite(entry.value)


class Sampler(Protocol):
    """An algorithm."""

    def proposals(self, request: SuggestRequest) -> Generator[Values, None, None]:
        """What might be tried, the best first. The asker takes the first that is new: neither known nor pending, and
        closes it then."""
        ...
