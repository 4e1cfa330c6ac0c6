"""NSGA-II (Deb et al., 2002): two objectives. Imports the search, the api and NumPy only.

Ours, as Optuna's keeps its generations in a study. Crossover and mutation are those of the paper: simulated binary and
polynomial for numbers; a category is taken from one of the parents, or drawn.
"""

from bisect import bisect_right
from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import NDArray

from steelyard.search.log import Entry, Values
from steelyard.tuning.samplers.base import ATTEMPTS, SuggestRequest, has_value
from steelyard.tuning.samplers.generations import generations
from steelyard.tuning.samplers.random import RandomSampler

POPULATION_SIZE = 20
"""The default of spec.algorithm.populationSize."""
CROSSOVER = 0.9
"""How often a child has two parents."""
CROSSOVER_INDEX = 10.0
"""How near a child is to its parents: more is nearer."""
MUTATION_INDEX = 20.0
"""How small a mutation is: more is smaller."""


class NsgaIISampler:
    """Children of the trials that few others beat in both objectives, and that lie apart from each other."""

    def proposals(self, request: SuggestRequest) -> Generator[Values, None, None]:
        """Children; before the first generation is complete, random draws."""
        size = request.spec.algorithm.population_size or POPULATION_SIZE
        complete = generations(request, size)
        parents = request.first
        if not complete and sum(map(has_value, request.prior)) < 2:
            yield from RandomSampler().proposals(request)
            return
        for generation in complete:
            parents = survivors(request, parents + generation, size)
        parents = survivors(request, parents, size)
        points = np.array([request.space.units(entry.values) for entry in parents])
        for attempt in range(ATTEMPTS):
            yield request.space.at(_child(request, points, request.random(attempt)).tolist())


def survivors(request: SuggestRequest, entries: Sequence[Entry], size: int) -> list[Entry]:
    """The best so many, the best first: front after front; of the last front those that lie most apart."""
    costs = np.array([_costs(request, entry) for entry in entries])
    chosen: list[int] = []
    for front in _fronts(costs):
        if len(chosen) >= size:
            break
        distances = _crowding(costs[front])
        chosen += [front[place] for place in np.argsort(-distances, kind="stable")]
    return [entries[one] for one in chosen[:size]]


def _costs(request: SuggestRequest, entry: Entry) -> tuple[float, float]:
    """What is to be small. A pruned trial has no secondary objective, and is beaten by all that have."""
    return request.loss(entry), float("inf") if entry.secondary is None else entry.secondary


def _fronts(costs: NDArray[np.float64]) -> list[list[int]]:
    """The places of those that none beats, then of those that only these beat, and so on. Of equal ones the first
    beats the others."""
    fronts: list[list[int]] = []
    least: list[float] = []  # The secondary cost of each front's last, which ascends.
    for place in np.lexsort((costs[:, 1], costs[:, 0])).tolist():
        secondary = float(costs[place, 1])
        front = bisect_right(least, secondary)
        if front == len(fronts):
            fronts.append([])
            least.append(secondary)
        fronts[front].append(place)
        least[front] = secondary
    return fronts


def _crowding(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each is from its neighbors on its front; the ends are infinitely far."""
    if len(costs) <= 2:
        return np.full(len(costs), np.inf)
    distances = np.zeros(len(costs))
    for column in costs.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        width = ordered[-1] - ordered[0]
        distances[order[[0, -1]]] = np.inf
        if np.isfinite(width) and width > 0:
            distances[order[1:-1]] += (ordered[2:] - ordered[:-2]) / width
    return distances


def _child(request: SuggestRequest, parents: NDArray[np.float64], chance: np.random.Generator) -> NDArray[np.float64]:
    """A point of the unit cube."""
    one, other = (parents[_tournament(len(parents), chance)] for _ in range(2))
    child = one.copy()
    is_category = np.array([dimension.is_categorical for dimension in request.space.dimensions])
    if chance.random() < CROSSOVER:
        mixed = np.where(is_category, other, _between(one, other, chance))
        child = np.where(chance.random(len(child)) < 0.5, mixed, child)
    is_mutated = chance.random(len(child)) < 1.0 / len(child)
    mutated = np.where(is_category, chance.random(len(child)), _moved(child, chance))
    return np.clip(np.where(is_mutated, mutated, child), 0.0, 1.0)


def _tournament(count: int, chance: np.random.Generator) -> int:
    """One of the first `count`, which are the best first: the better of two."""
    return int(min(chance.integers(count), chance.integers(count)))


def _between(one: NDArray[np.float64], other: NDArray[np.float64], chance: np.random.Generator) -> NDArray[np.float64]:
    """Simulated binary crossover."""
    draws = chance.random(len(one))
    spread = np.where(draws < 0.5, 2 * draws, 1 / (2 * (1 - draws))) ** (1 / (CROSSOVER_INDEX + 1))
    sign = np.where(chance.random(len(one)) < 0.5, 1.0, -1.0)
    return np.asarray(0.5 * (one + other + sign * spread * (one - other)))


def _moved(point: NDArray[np.float64], chance: np.random.Generator) -> NDArray[np.float64]:
    """Polynomial mutation."""
    draws = chance.random(len(point))
    power = 1 / (MUTATION_INDEX + 1)
    step = np.where(draws < 0.5, (2 * draws) ** power - 1, 1 - (2 * (1 - draws)) ** power)
    return np.asarray(point + step)
