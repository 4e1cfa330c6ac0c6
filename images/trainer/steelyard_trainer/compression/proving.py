"""Which candidates are proved to lose no more than the budget. Pure; imports steelyard.api and the bounds.

Fixed-sequence testing (Maurer, Hothorn and Lehmacher, 1995; Westfall and Krishen, 2001): hypotheses in an order that
does not depend on the rows that test them are each tested at the full level, until the first that is not rejected. Some
accepted candidate is over the budget only if the first in the order that is was accepted, whose chance is at most 1 -
confidence: whatever is chosen of the accepted ones, and by whatever rule, is over the budget no more often. The order
is that of the bounds on the search rows, the safest first; the validation rows have no part in it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from steelyard.api.compression import OnTooFewRows
from steelyard.api.losses import allowed, fell, share_of, size
from steelyard.api.metrics import Measure
from steelyard_trainer.compression.paired import Bound

ROUNDING = 1e-9
"""Differences of two equal figures may be off by a rounding error."""

Standing = Literal["Proved", "Failed", "Untested"]


@dataclass(frozen=True)
class Bounds:
    """What the rows say of a candidate, against the baseline."""

    search: Bound
    """On the search rows: the order of the tests."""
    validation: Bound
    """On the rows that prove."""


@dataclass(frozen=True)
class Proof:
    """What is to be proved, and what the rows say of each candidate but the baseline."""

    confidence: float
    """One-sided."""
    alike: Bound
    """Of a model that answers as the baseline does on the rows that prove: less can't be proved by them."""
    tested: Mapping[str, Bounds] = field(default_factory=dict)
    """By the candidate's name, in the order in which they were asked for; those whose outputs are finite."""
    on_too_few_rows: OnTooFewRows = "Point"

    def has_too_few_rows(self, budget: float) -> bool:
        """Whether not even a model that answers alike could be proved."""
        return self.alike.upper > budget + ROUNDING

    def is_conclusive(self, budget: float) -> bool:
        """Whether the tests say which candidates are published: there are enough rows, or fewer were enough."""
        return not self.has_too_few_rows(budget) or "Proved" in self.standings(budget).values()

    def standings(self, budget: float) -> dict[str, Standing]:
        """How each candidate comes out of the tests, in the order in which they are tested."""
        order = sorted(self.tested, key=lambda name: self.tested[name].search.upper)
        standings: dict[str, Standing] = {}
        failed = False
        for name in order:
            passes = self.tested[name].validation.upper <= budget + ROUNDING
            standings[name] = "Untested" if failed else "Proved" if passes else "Failed"
            failed = failed or not passes
        return standings

    def told(self, name: str, measure: Measure) -> str:
        """What the rows say of a candidate's loss, such as "accuracy fell by 0.6 points, at most 2.4 with 95%"."""
        found = self.tested[name].validation
        if not math.isfinite(found.upper):
            return f"{fell(measure, found.drop)}, but nobody can tell what it lost at most"
        sure = share_of(self.confidence)
        if found.drop > 0:
            return f"{fell(measure, found.drop)}, at most {size(measure, found.upper)} with {sure}"
        return (
            f"{fell(measure, found.drop)}; at most {allowed(measure, max(found.upper, 0.0))} may be lost, with {sure}"
        )

    def too_few(self, budget: float) -> str:
        """How many rows would be needed, such as "at least 268 rows would be needed, there are 180"."""
        needed = self.alike.rows_to_prove(budget, self.confidence)
        if needed is None:
            return "no number of rows would be enough" if budget <= 0 else "these rows can't tell"
        return f"at least {needed:,} rows would be needed, there are {self.alike.rows:,}"

    def why_failed(self, name: str, measure: Measure, budget: float) -> str:
        """Why a candidate is rejected."""
        return f"{self.told(name, measure)}: more than the {allowed(measure, budget)} that may be lost"
