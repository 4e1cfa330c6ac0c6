"""The values of a search's next trial: one interface to all algorithms. Imports the api and the search; NumPy and the
like on first use.

The values are a pure function of the search, the trial's number, and the results that are known. Nothing that only a
process has goes into them: after a restart, and on another machine, they are the same.
"""

import importlib
import itertools
import random
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from steelyard.api.tuning import AlgorithmName
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.search.log import Entry, Values
from steelyard.search.space import Key, Space
from steelyard.search.values import completed

if TYPE_CHECKING:
    from steelyard.tuning.samplers.base import Sampler, SuggestRequest

_SAMPLERS: dict[AlgorithmName, tuple[str, str]] = {
    "Grid": ("grid", "GridSampler"),
    "Random": ("random", "RandomSampler"),
    "TPE": ("tpe", "TpeSampler"),
    "GP": ("gaussian_process", "GaussianProcessSampler"),
    "CMA-ES": ("cma_es", "CmaEsSampler"),
    "QMC": ("qmc", "QmcSampler"),
    "NSGA-II": ("nsga_ii", "NsgaIISampler"),
}
"""Module and class; imported on first use, as they bring hundreds of megabytes."""

MOST_LISTED = 2_000
"""Combinations of a space in which the nearest new one is looked for among all."""
SOME = 64
"""Combinations of a larger one among which it is looked for."""


@dataclass(frozen=True)
class _Checked:
    """An entry of the log, and whether its values are of this space."""

    told: Entry
    entry: Entry
    """With the values as this space has them, if it does."""
    key: Key
    is_of_space: bool


class Asker:
    """Finds the values of one search's trials."""

    def __init__(self, spec: TuningJobSpec) -> None:
        """An asker of this search, which needs no log to begin in the middle of it."""
        self.spec = spec
        self.space = Space(spec.parameters)
        self._known: dict[int, _Checked] = {}
        self._prior: dict[int, _Checked] = {}

    @cached_property
    def initial(self) -> tuple[Values, ...]:
        """The first trials' values: spec.initialTrials, completed, each once."""
        if not self.spec.initial_trials:
            return ()
        template = self.spec.template.model_dump(mode="json", by_alias=True)
        whole = (completed(self.spec.parameters, given, template) for given in self.spec.initial_trials)
        distinct: dict[Key, Values] = {}
        for values in map(self.space.normal, whole):
            distinct.setdefault(self.space.key(values), values)
        return tuple(distinct.values())

    def ask(
        self, number: int, known: Sequence[Entry], pending: Sequence[Values], prior: Sequence[Entry] = ()
    ) -> Values | None:
        """The values of the trial of that number; None where every combination is known or pending.

        Args:
            number: from 0.
            known: the results that they are found with.
            pending: the values of trials before this one whose results it must not know.
            prior: what a search that this one starts from found out. What that one has tried is tried again only where
                nothing else is left.
        """
        checked, before = self._checked(known, self._known), self._checked(prior, self._prior)
        pending = [self._normal(values) for values in pending]
        seen = {one.key for one in checked} | {self.space.key(values) for values in pending}
        if (initial := _first_new(self.initial, self.space, seen)) is not None:
            return initial
        earlier = seen | {one.key for one in before if one.is_of_space}
        for taken in (earlier, seen):
            if self._may_be_left(taken):
                request = self._request(number, _of_space(checked), pending, _of_space(before))
                if (values := self._new(request, taken)) is not None:
                    return values
        return None

    def _checked(self, entries: Sequence[Entry], before: dict[int, _Checked]) -> list[_Checked]:
        """The entries with what is often needed of them; kept for the next trial."""
        checked: list[_Checked] = []
        for entry in entries:
            one = before.get(entry.number)
            if one is None or one.told is not entry:
                values = self._normal(entry.values)
                is_of_space = self.space.contains(values)
                one = _Checked(entry, replace(entry, values=values), self.space.key(values), is_of_space)
                before[entry.number] = one
            checked.append(one)
        return checked

    def _normal(self, values: Values) -> Values:
        """Values as this space has them, so that the same ones have the same key, whoever wrote them; those that are
        none of this space as they are."""
        return self.space.normal(values) if self.space.contains(values) else values

    def _request(
        self, number: int, known: Sequence[Entry], pending: Sequence[Values], prior: Sequence[Entry]
    ) -> "SuggestRequest":
        from steelyard.tuning.samplers.base import SuggestRequest

        by_number = tuple(sorted(known, key=lambda entry: entry.number))
        return SuggestRequest(self.spec, self.space, number, by_number, tuple(pending), tuple(prior), len(self.initial))

    @cached_property
    def _sampler(self) -> "Sampler":
        module, name = _SAMPLERS[self.spec.algorithm.name]
        sampler: Sampler = getattr(importlib.import_module(f"steelyard.tuning.samplers.{module}"), name)()
        return sampler

    def _may_be_left(self, taken: set[Key]) -> bool:
        """Whether there are more combinations than were taken. (Of those some may be none of this space.)"""
        combinations = self.space.combinations
        return combinations is None or len(taken) < combinations or self._any_new(taken, range(combinations))

    def _any_new(self, taken: set[Key], places: Iterable[int]) -> bool:
        return _first_new(map(self.space.combination, places), self.space, taken) is not None

    def _new(self, request: "SuggestRequest", taken: set[Key]) -> Values | None:
        """The first proposal that is not taken; where all are, the new combination that is nearest to the first."""
        # Closed here: one that is left to itself may find the interpreter gone when it tidies up.
        with closing(self._sampler.proposals(request)) as proposals:
            first = next(proposals, None)
            if first is None:
                return None
            if (values := _first_new(itertools.chain([first], proposals), self.space, taken)) is not None:
                return values
        return self._nearest(first, request, taken)

    def _nearest(self, wanted: Values, request: "SuggestRequest", taken: set[Key]) -> Values | None:
        """A new combination near another; of a large space, the nearest of some. Of equally near ones any."""
        combinations = self.space.combinations
        chance = random.Random(f"{request.spec.algorithm.seed} {request.number}")
        if combinations is None:
            draws = (self.space.at([chance.random() for _ in self.space.dimensions]) for _ in range(10_000))
            return _first_new(draws, self.space, taken)
        if combinations <= MOST_LISTED:
            places = chance.sample(range(combinations), combinations)
        else:
            start = chance.randrange(combinations)
            places = [chance.randrange(combinations) for _ in range(SOME)]
            places += [(start + step) % combinations for step in range(min(combinations, len(taken) + 1))]
        near = [values for values in map(self.space.combination, places) if self.space.key(values) not in taken]
        return min(near, key=lambda values: self._distance(wanted, values), default=None)

    def _distance(self, one: Values, other: Values) -> float:
        """How far two trials' values are apart: a category that differs counts as the whole width of a range."""
        distance = 0.0
        for dimension in self.space.dimensions:
            path = dimension.path
            if path not in one and path not in other:
                continue
            if path not in one or path not in other:
                distance += 1.0
            elif dimension.is_categorical:
                distance += dimension.index(one[path]) != dimension.index(other[path])
            else:
                distance += abs(dimension.unit(one[path]) - dimension.unit(other[path]))
        return distance


def _of_space(checked: Iterable[_Checked]) -> list[Entry]:
    return [one.entry for one in checked if one.is_of_space]


def _first_new(proposals: Iterable[Values], space: Space, taken: set[Key]) -> Values | None:
    return next((values for values in proposals if space.key(values) not in taken), None)
