"""The settings of a Gaussian process under which what was seen is most likely. Imports NumPy and SciPy.

scikit-learn's own search takes several times as long: it has no common length scale for the columns of a category, and
makes the derivative by every length scale for every pair of points.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

Array = NDArray[np.float64]

USUAL_SCALE = 0.5
"""The length scale that is expected before anything is seen, in a unit cube of one dimension; it grows with the square
root of their number, as distances do."""
USUAL_NOISE = 1e-4
"""The same of the noise's share in the variance."""
SCALES = (0.03, 30.0)
NOISES = (1e-6, 1.0)
STEPS = 30
"""Steps of the search at most."""


@dataclass(frozen=True)
class Settings:
    """Of a process with mean 0 and a Matern kernel (5/2)."""

    length_scales: Array
    """Of each parameter."""
    variance: float
    noise: float
    """Its share: the noise's variance is this times the process's."""


def fit(features: Array, owners: NDArray[np.int64], values: Array) -> Settings:
    """The most likely settings, given what is usual.

    Args:
        features: a row for each point.
        owners: which parameter each column is of.
        values: what was seen there.
    """
    count = int(owners.max()) + 1
    squares = np.stack([_squares(features[:, owners == owner]) for owner in range(count)])
    usual = np.append(np.full(count, math.log(USUAL_SCALE * math.sqrt(count))), math.log(USUAL_NOISE))
    width = np.append(np.full(count, 1.0), 2.0)
    bounds = [tuple(map(math.log, SCALES))] * count + [tuple(map(math.log, NOISES))]

    def cost(theta: Array) -> tuple[float, Array]:
        likelihood, slope = _likelihood(squares, values, np.exp(theta[:-1]), math.exp(theta[-1]))
        away = (theta - usual) / width
        return -likelihood + 0.5 * float(away @ away), -slope + away / width

    found = minimize(cost, usual, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS})
    # Rounded, as the last digits are the machine's.
    theta = np.round(found.x, 3)
    scales, noise = np.exp(theta[:-1]), math.exp(theta[-1])
    return Settings(scales, _variance(squares, values, scales, noise), noise)


def _squares(columns: Array) -> Array:
    """The squared distance of every two points in these columns."""
    difference = columns[:, None, :] - columns[None, :, :]
    return np.asarray((difference**2).sum(axis=2))


def _correlation(squares: Array, scales: Array, noise: float) -> tuple[Array, Array]:
    """The kernel without its variance, and its derivative by the squared distance."""
    distance = np.sqrt(5.0 * np.tensordot(scales**-2.0, squares, axes=1))
    decay = np.exp(-distance)
    kernel = (1.0 + distance + distance**2 / 3.0) * decay
    kernel[np.diag_indices_from(kernel)] += noise
    return kernel, -(5.0 / 6.0) * (1.0 + distance) * decay


def _likelihood(squares: Array, values: Array, scales: Array, noise: float) -> tuple[float, Array]:
    """The logarithm of the likelihood, with the variance that fits best, and its derivative by the logarithms of the
    length scales and the noise."""
    count = len(values)
    kernel, by_square = _correlation(squares, scales, noise)
    factor = cho_factor(kernel, lower=True)
    weights = cho_solve(factor, values)
    variance = max(float(values @ weights) / count, 1e-12)
    likelihood = -0.5 * count * math.log(variance) - float(np.log(np.diag(factor[0])).sum())
    pull = np.outer(weights, weights) / variance - cho_solve(factor, np.eye(count))
    by_scale = 0.5 * np.tensordot(squares, pull * by_square, axes=2) * -2.0 * scales**-2.0
    by_noise = 0.5 * float(np.trace(pull)) * noise
    return likelihood, np.append(by_scale, by_noise)


def _variance(squares: Array, values: Array, scales: Array, noise: float) -> float:
    kernel, _ = _correlation(squares, scales, noise)
    return max(float(values @ cho_solve(cho_factor(kernel, lower=True), values)) / len(values), 1e-12)
