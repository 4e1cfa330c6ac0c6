"""Which candidates are proved to lose no more than the budget. Pure; imports steelyard.api and the bounds.

Fixed-sequence testing (Maurer, Hothorn and Lehmacher, 1995; Westfall and Krishen, 2001): hypotheses in an order that
does not depend on the rows that test them are each tested at the full level, until the first that is not rejected. Some
accepted candidate is over the budget only if the first in the order that is was accepted, whose chance is at most 1 -
confidence: whatever is chosen of the accepted ones, and by whatever rule, is over the budget no more often. The order
is that of the bounds on the search rows, the safest first, but those last that cost no less than a safer one, which
would be chosen in their place; the validation rows have no part in it. What is gained on the search rows counts as
nothing there: they say which epoch of a student is its best, and so flatter it. A student of few rows that differ is
tested before one of many, however much the latter gained.

Where each class has a budget, too, a candidate passes only if all bounds hold, each at the full confidence
(intersection-union test: Berger, 1982, Technometrics 24:295-300): one that is over some budget passes no more often
than that one bound is wrong.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from steelyard.api.compression import BASELINE, OnTooFewRows
from steelyard.api.compression.proof import rows_to_prove
from steelyard.api.losses import allowed, fell, share_of, size
from steelyard.api.metrics import Measure
from steelyard_trainer.compression.limits import ROUNDING
from steelyard_trainer.compression.paired import Bound

Standing = Literal["Proved", "Failed", "Untested"]


@dataclass(frozen=True)
class Bounds:
    """What the rows say of a candidate, against the baseline."""

    search: Bound
    """On the search rows: the order of the tests."""
    validation: Bound
    """On the rows that prove."""
    classes: Mapping[str, "Bounds"] = field(default_factory=dict)
    """The same of each class's recall, by its label, where that has a budget."""


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
    max_class_drop: float = math.inf
    """The most of its recall that a class may lose."""
    alike_by_class: Mapping[str, Bound] = field(default_factory=dict)
    """As `alike`, of each class's recall."""
    costs: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """What each candidate costs, by its name; empty where that is not told."""
    folds: int = 0
    """How many times the recipe was made again, for rows that none of it has seen; 0: the file itself is tested."""

    @property
    def of_what(self) -> str:
        """What is proved, where it is not the file; a text to follow "proved"."""
        return f" of the recipe, made again on {self.folds} folds, not of this file" if self.folds else ""

    def has_too_few_rows(self, budget: float) -> bool:
        """Whether not even a model that answers alike could be proved."""
        return self.alike.upper > budget + ROUNDING or self._scarcest is not None

    def of(self, costs: Mapping[str, tuple[float, ...]]) -> "Proof":
        """The same of some candidates, of which one is published, with what each costs: bytes, or bytes and time."""
        tested = {name: each for name, each in self.tested.items() if name in costs}
        return replace(self, tested=tested, costs=costs)

    @property
    def _scarcest(self) -> str | None:
        """The class with the fewest rows, where they are too few."""
        short = [label for label, each in self.alike_by_class.items() if each.upper > self.max_class_drop + ROUNDING]
        return max(short, key=lambda label: self.alike_by_class[label].upper, default=None)

    def is_conclusive(self, budget: float) -> bool:
        """Whether the tests say which candidates are published: there are enough rows, or fewer were enough."""
        return not self.has_too_few_rows(budget) or "Proved" in self.standings(budget).values()

    def outdone(self, budget: float) -> dict[str, str]:
        """The candidates that cost no less than a safer one, or than the baseline, and that one: they can't be chosen.
        So they are tested last, and end the tests of no other."""
        order = [BASELINE, *self._safest_first(budget)]
        return {
            name: by
            for place, name in enumerate(order)
            if (by := next((safer for safer in order[:place] if self._costs_no_more(safer, name)), None))
        }

    def _costs_no_more(self, one: str, other: str) -> bool:
        if one not in self.costs or other not in self.costs:
            return False
        return all(here <= there for here, there in zip(self.costs[one], self.costs[other], strict=True))

    def _safest_first(self, budget: float) -> list[str]:
        return sorted(self.tested, key=lambda name: self._risk(self.tested[name], budget))

    def standings(self, budget: float) -> dict[str, Standing]:
        """How each candidate comes out of the tests, in the order in which they are tested."""
        outdone = self.outdone(budget)
        order = sorted(self._safest_first(budget), key=lambda name: name in outdone)
        standings: dict[str, Standing] = {}
        failed = False
        for name in order:
            found = self.tested[name]
            passes = found.validation.upper <= budget + ROUNDING and not self._failed_class(found)
            standings[name] = "Untested" if failed else "Proved" if passes else "Failed"
            failed = failed or not passes
        return standings

    def _risk(self, found: Bounds, budget: float) -> tuple[float, float]:
        """What says which candidate is safer: by how much the search rows' bounds are over their budgets at worst."""
        classes = (_without_gain(each.search) - self.max_class_drop for each in found.classes.values())
        most = _without_gain(found.search)
        return max(most - budget, *classes, -math.inf), most

    def _failed_class(self, found: Bounds) -> str | None:
        """The class that may have lost the most, where that is more than its budget."""
        worst = worst_class(found)
        is_over = worst and found.classes[worst].validation.upper > self.max_class_drop + ROUNDING
        return worst if is_over else None

    def told(self, name: str, measure: Measure) -> str:
        """What the rows say of a candidate's loss, such as "accuracy fell by 0.6 points, at most 2.4 with 95%"; and of
        the class that may have lost the most, where classes have a budget."""
        found = self.tested[name]
        worst = worst_class(found)
        of_class = [self._told(found.classes[worst].validation, Measure("recall", worst))] if worst else []
        return "; ".join([self._told(found.validation, measure), *of_class])

    def _told(self, found: Bound, measure: Measure) -> str:
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
        scarcest, there, of_class = self._scarcest, self.alike.rows, ""
        needed = self.alike.rows_to_prove(budget, self.confidence)
        if scarcest is not None and self.alike.upper <= budget + ROUNDING:
            alike, budget, of_class = self.alike_by_class[scarcest], self.max_class_drop, f" of class {scarcest!r}"
            there = alike.rows if math.isfinite(alike.worst) else 0
            needed = rows_to_prove(budget, 1.0, self.confidence)
        if needed is None:
            return f"no number of rows{of_class} would be enough" if budget <= 0 else "these rows can't tell"
        return f"at least {needed:,} rows{of_class} would be needed, there are {there:,}"

    def why_failed(self, name: str, measure: Measure, budget: float) -> str:
        """Why a candidate is rejected."""
        found = self.tested[name]
        failed = self._failed_class(found)
        if failed is not None and found.validation.upper <= budget + ROUNDING:
            recall = Measure("recall", failed)
            told, most = self._told(found.classes[failed].validation, recall), allowed(recall, self.max_class_drop)
            return f"{told}: more than the {most} that a class may lose"
        return f"{self._told(found.validation, measure)}: more than the {allowed(measure, budget)} that may be lost"


def _without_gain(found: Bound) -> float:
    """The bound, where what was gained is counted as nothing."""
    return found.upper - min(found.drop, 0.0)


def worst_class(found: Bounds) -> str | None:
    """The class that may have lost the most of its recall; None where classes have no budget."""
    return max(found.classes, key=lambda label: found.classes[label].validation.upper, default=None)
