"""Sobol's sequence, which fills a space more evenly than chance. Imports the api and the search, NumPy and SciPy."""

import warnings
from collections.abc import Generator

from scipy.stats import qmc

from steelyard.search.log import Values
from steelyard.tuning.samplers.base import SuggestRequest

_FIRST_POINTS = 64
_MORE = 1_000
"""Points of the sequence that are tried beyond as many as were asked."""


class QmcSampler:
    """The points of Sobol's sequence one after the other, scrambled by the seed."""

    def __init__(self) -> None:
        self._points: list[Values] = []

    def proposals(self, request: SuggestRequest) -> Generator[Values, None, None]:
        """The values at the points, from the first. The asker passes over those that were tried."""
        for index in range(len(request.known) + len(request.pending) + _MORE):
            if index >= len(self._points):
                self._points = _points(request, max(_FIRST_POINTS, 2 * len(self._points)))
            yield dict(self._points[index])


def _points(request: SuggestRequest, count: int) -> list[Values]:
    """So many, which is a power of 2: more of them begin with the same ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        engine = qmc.Sobol(len(request.space.dimensions), scramble=True, rng=request.spec.algorithm.seed)
        return [request.space.at(point) for point in engine.random(count).tolist()]
