"""A Gaussian process with expected improvement, on scikit-learn's GaussianProcessRegressor. Imports the api and the
search, NumPy, SciPy, scikit-learn and threadpoolctl.

Its settings (length scales, noise) are found by `likelihood.py`. Nothing depends on how many threads the machine has:
one is used.
"""

from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern
from threadpoolctl import ThreadpoolController

from steelyard.search.log import Entry, Values
from steelyard.search.space import Space
from steelyard.tuning.samplers.base import SuggestRequest
from steelyard.tuning.samplers.likelihood import Settings, fit
from steelyard.tuning.samplers.random import RandomSampler

STARTUP_TRIALS = 10
"""Default of spec.algorithm.startupTrials."""
MOST_RESULTS = 300
"""Results that the process stands on: the best half and the latest half."""
MOST_FOR_SETTINGS = 100
"""Results that its settings are found with."""
MOST_LISTED = 1_000
"""Combinations of a space that are weighed all."""
PROPOSALS = 100
FAR = 30.0
"""Deviations beyond which the normal distribution has nothing left that a float could show."""

Array = NDArray[np.float64]


class GaussianProcessSampler:
    """Where is most to be gained over the best trial, by what is known of its surroundings?"""

    def __init__(self) -> None:
        self._threads = ThreadpoolController()
        self._listed: Array | None = None

    def proposals(self, request: SuggestRequest) -> Generator[Values, None, None]:
        """The points with the highest expected improvement, the highest first."""
        if len(request.observed) < (request.spec.algorithm.startup_trials or STARTUP_TRIALS):
            yield from RandomSampler().proposals(request)
            return
        with self._threads.limit(limits=1):
            points = self._ranked(request)
        for point in points:
            yield request.space.at(point.tolist())

    def _ranked(self, request: SuggestRequest) -> Array:
        space, chance = request.space, request.random(0)
        surrogate = _Surrogate(request)
        if (listed := self._all(space)) is not None:
            return _best(listed, surrogate.improvement(listed), PROPOSALS)
        points = _candidates(space, surrogate.best_points, chance)
        gains = surrogate.improvement(points)
        near = _around(_best(points, gains, 3), (0.03, 0.01, 0.002), 50, space, chance)
        points, gains = np.vstack([points, near]), np.append(gains, surrogate.improvement(near))
        return _best(points, gains, PROPOSALS)

    def _all(self, space: Space) -> Array | None:
        if space.combinations is None or space.combinations > MOST_LISTED:
            return None
        if self._listed is None:
            self._listed = np.array([space.units(space.combination(place)) for place in range(space.combinations)])
        return self._listed


class _Surrogate:
    """What is expected of the objective, between 0 and 1 on every side; less is better."""

    def __init__(self, request: SuggestRequest) -> None:
        self._space = request.space
        entries = useful(request, MOST_RESULTS)
        points = np.array([request.space.units(entry.values) for entry in entries])
        losses = _losses(request, entries)
        few = _spread(request, entries, MOST_FOR_SETTINGS)
        features, owners = _features(request.space, points)
        self._settings = fit(features[few], owners, losses[few])
        self._scales = self._settings.length_scales[owners]
        self.best_points = points[np.argsort(losses, kind="stable")[:5]]
        self._process = self._regressor(features, losses)
        features = self._believe(request, features, losses)
        # The best of what is believed, too: beyond that, a pending trial has nothing to gain.
        self._best = float(self._process.predict(features / self._scales).min())

    def _regressor(self, features: Array, losses: Array) -> GaussianProcessRegressor:
        settings: Settings = self._settings
        kernel = ConstantKernel(settings.variance) * Matern(nu=2.5)
        process = GaussianProcessRegressor(kernel, alpha=settings.variance * settings.noise, optimizer=None)
        return process.fit(features / self._scales, losses)

    def _believe(self, request: SuggestRequest, features: Array, losses: Array) -> Array:
        """What runs is taken to be as expected, what failed as bad as the worst: so that nothing is tried nearby once
        more. All that the process then stands on."""
        pending = [request.space.units(values) for values in request.pending]
        failed = [request.space.units(entry.values) for entry in request.failed[-MOST_FOR_SETTINGS:]]
        if not pending and not failed:
            return features
        more, _ = _features(request.space, np.array(pending + failed))
        expected = self._process.predict(more / self._scales)
        expected[len(pending) :] = losses.max()
        features = np.vstack([features, more])
        self._process = self._regressor(features, np.append(losses, expected))
        return features

    def improvement(self, points: Array) -> Array:
        """The logarithm of the expected improvement at each point."""
        features, _ = _features(self._space, points)
        mean, deviation = self._process.predict(features / self._scales, return_std=True)
        deviation = np.maximum(deviation, 1e-9)
        return np.asarray(np.log(deviation) + _log_gain((self._best - mean) / deviation))


def _log_gain(z: Array) -> Array:
    """The logarithm of z Phi(z) + phi(z), less that of phi(0): what is to be gained where the best lies z deviations
    above what is expected."""
    # 1 + z Phi(z) / phi(z), which far below the best loses all digits: there it is 1 / z^2. Far above, Phi(z) is 1.
    near = np.minimum(z, FAR)
    ratio = 1.0 + near * np.sqrt(np.pi / 2) * erfcx(-near / np.sqrt(2))
    factor = np.where(z < -FAR, -2.0 * np.log(np.maximum(-z, 1.0)), np.log(np.maximum(ratio, 1e-300)))
    return np.where(z > FAR, np.log(np.maximum(z, 1.0)) + 0.5 * np.log(2 * np.pi), factor - 0.5 * near**2)


def useful(request: SuggestRequest, most: int) -> list[Entry]:
    """At most so many results: the best half of them and the latest, in order."""
    entries = request.observed
    if len(entries) <= most:
        return entries
    best = sorted(range(len(entries)), key=lambda place: request.rank_loss(entries[place]))
    kept = set(best[: most // 2])
    latest = (place for place in reversed(range(len(entries))) if place not in kept)
    kept.update(place for place, _ in zip(latest, range(most - len(kept)), strict=False))
    return [entries[place] for place in sorted(kept)]


def _spread(request: SuggestRequest, entries: Sequence[Entry], most: int) -> list[int]:
    """The places of at most so many: the best half, and others in equal distances."""
    order = sorted(range(len(entries)), key=lambda place: request.rank_loss(entries[place]))
    if len(order) <= most:
        return sorted(order)
    others = sorted(order[most // 2 :])
    step = len(others) / (most - most // 2)
    return sorted(order[: most // 2] + [others[int(place * step)] for place in range(most - most // 2)])


def _losses(request: SuggestRequest, entries: Sequence[Entry]) -> Array:
    """With mean 0 and deviation 1. A pruned trial is no better than the median of the others; what is very bad is cut
    off: how bad exactly says nothing of where it is good."""
    losses = np.array([request.loss(entry) for entry in entries]) / 4.0  # Differences of the largest have room.
    is_pruned = np.array([entry.state == "Pruned" for entry in entries])
    median = float(np.median(losses[~is_pruned])) if not is_pruned.all() else float(losses.max())
    losses -= median
    losses[is_pruned] = np.maximum(losses[is_pruned], 0.0)
    losses = np.minimum(losses, 3.0 * _usual_gap(losses, least=1e-12 * abs(median)))
    losses /= float(np.abs(losses).max()) or 1.0  # Squares of very large numbers have no room.
    deviation = float(losses.std())
    return np.asarray((losses - losses.mean()) / (deviation if deviation > 0 else 1.0))


def _usual_gap(losses: Array, least: float) -> float:
    """How far the best is from the median, which is 0. Where they are one, as more than half are as good as the best:
    how far the median of the other values is from them."""
    if (gap := -float(losses.min())) > least:
        return gap
    worse = np.unique(losses[losses > least])
    return float(worse[(len(worse) - 1) // 2]) if len(worse) else 0.0


def _features(space: Space, points: Array) -> tuple[Array, NDArray[np.int64]]:
    """Numbers as they are; a category as one column for each of its values. Also, which parameter each column is of."""
    columns: list[Array] = []
    owners: list[int] = []
    for place, dimension in enumerate(space.dimensions):
        if dimension.is_categorical:
            count = dimension.size or 1
            index = np.minimum((points[:, place] * count).astype(int), count - 1)
            columns.append(np.eye(count)[index] / np.sqrt(2))
            owners += [place] * count
        else:
            columns.append(points[:, place : place + 1])
            owners.append(place)
    return np.hstack(columns), np.array(owners)


def _candidates(space: Space, best: Array, chance: np.random.Generator) -> Array:
    """Points from everywhere, and more of them around the best."""
    everywhere = chance.random((800, len(space.dimensions)))
    return np.vstack([_snapped(space, everywhere), _around(best, (0.15, 0.05, 0.01), 30, space, chance)])


def _around(best: Array, widths: Sequence[float], count: int, space: Space, chance: np.random.Generator) -> Array:
    """`count` points around each of some, of each width: some of their sides are moved, at least one."""
    is_category = np.array([dimension.is_categorical for dimension in space.dimensions])
    points = []
    for center in best:
        for width in widths:
            shape = (count, len(center))
            moved = center + width * chance.standard_normal(shape)
            moved = np.where(is_category, chance.random(shape), moved)
            share = np.where(is_category, 0.2, 0.5)
            is_moved = chance.random(shape) < share
            is_moved[np.arange(count), chance.integers(len(center), size=count)] = True
            points.append(np.clip(np.where(is_moved, moved, center), 0.0, 1.0))
    return _snapped(space, np.vstack(points))


def _snapped(space: Space, points: Array) -> Array:
    """The points with their finitely many values, where a parameter has no more."""
    for place, dimension in enumerate(space.dimensions):
        if dimension.size is not None and not dimension.parameter.log:
            index = np.minimum(np.floor(points[:, place] * dimension.size), dimension.size - 1)
            points[:, place] = (index + 0.5) / dimension.size
    return points


def _best(points: Array, gains: Array, count: int) -> Array:
    """So many points with the highest gains, the highest first."""
    return points[np.argsort(-gains, kind="stable")[:count]]
