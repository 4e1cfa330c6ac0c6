"""Covariance matrix adaptation (Hansen, 2001), by the package cmaes. Imports the api and the search, NumPy and cmaes.

The optimizer's state is replayed from the log, generation by generation; only the draw is seeded, by the trial's
number.
"""

import math
from collections.abc import Generator

import numpy as np
from cmaes import CMA
from numpy.typing import NDArray

from steelyard.search.log import Entry, Values
from steelyard.tuning.samplers.base import ATTEMPTS, SuggestRequest
from steelyard.tuning.samplers.generations import generations

SIGMA = 0.25
"""Deviation of the first draws, in the unit cube."""
SIGMA_AROUND_KNOWN = 0.15
"""The same, where a good point is known."""
SMALLEST = 1e-6
"""A generation that lies closer together than this has arrived; the next one begins somewhere else."""


class CmaEsSampler:
    """A normal distribution that moves to where the best trials of a generation lie."""

    def proposals(self, request: SuggestRequest) -> Generator[Values, None, None]:
        """Draws."""
        dimensions = len(request.space.dimensions)
        size = request.spec.algorithm.population_size or population_size(dimensions)
        optimizer = self._begin(request, size)
        for number, generation in enumerate(generations(request, size)):
            points = np.array([request.space.units(entry.values) for entry in generation])
            optimizer.tell(list(zip(points, _losses(request, generation), strict=True)))
            if np.ptp(points, axis=0).max() < SMALLEST or optimizer.should_stop():
                optimizer = self._begin_elsewhere(request, size, number)
        for attempt in range(ATTEMPTS):
            optimizer.reseed_rng(request.seed(attempt))
            yield request.space.at(optimizer.ask().tolist())

    def _begin(self, request: SuggestRequest, size: int) -> CMA:
        """At the best of what is known before the first generation, else in the middle."""
        if not request.first:
            return _optimizer(np.full(len(request.space.dimensions), 0.5), SIGMA, size)
        best = min(request.first, key=request.rank_loss)
        return _optimizer(np.array(request.space.units(best.values)), SIGMA_AROUND_KNOWN, size)

    def _begin_elsewhere(self, request: SuggestRequest, size: int, generation: int) -> CMA:
        chance = np.random.default_rng([request.spec.algorithm.seed, generation])
        return _optimizer(chance.random(len(request.space.dimensions)), SIGMA, size)


def population_size(dimensions: int) -> int:
    """The default of spec.algorithm.populationSize."""
    return 4 + math.floor(3 * math.log(dimensions))


def _optimizer(mean: NDArray[np.float64], sigma: float, size: int) -> CMA:
    bounds = np.tile([0.0, 1.0], (len(mean), 1))
    return CMA(mean=mean, sigma=sigma, bounds=bounds, population_size=size, seed=0)


def _losses(request: SuggestRequest, generation: list[Entry]) -> list[float]:
    """Only their order matters: pruned trials come after all others."""
    finished = [request.loss(entry) for entry in generation if entry.state != "Pruned"]
    worst = max(finished, default=0.0)
    pruned = sorted((entry for entry in generation if entry.state == "Pruned"), key=request.rank_loss)
    places = {entry.number: worst + 1.0 + place for place, entry in enumerate(pruned)}
    return [places[entry.number] if entry.number in places else request.loss(entry) for entry in generation]
