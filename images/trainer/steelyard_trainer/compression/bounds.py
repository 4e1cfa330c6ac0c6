"""The most that a model loses against another one, as far as the same rows can tell. Pure; imports numpy and SciPy.

Tango's score bound for the difference of two paired proportions (Tango, 1998, Statistics in Medicine 17:891-908), and
the same for losses that are any numbers. Tango tests a difference by its variance under the distribution that fits the
rows best among those with that difference, over the three outcomes that a pair of answers can have, seen or not. Here
that is the distribution of greatest empirical likelihood (Owen, 2001, Empirical Likelihood, chapter 2) over the losses
that were seen and the largest that a row may have, seen or not: so that few rows that differ, or none, prove as little
as they should. Of losses of -1, 0 and 1 it is Tango's bound, number by number.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]

_FURTHEST = 1e12
"""Beyond this many times the spread of the losses all rows have the same weight."""
_NEAREST = 1e-13


def score_bound(losses: npt.ArrayLike, worst: float, confidence: float, counts: npt.ArrayLike | None = None) -> float:
    """The upper bound of the mean of losses.

    Args:
        losses: what each row loses, shape (rows,); below 0 where it gains. At least one.
        worst: the most that a row may lose, seen or not; where a row lost more, that counts.
        confidence: one-sided, such as 0.95.
        counts: how often each loss was seen. Default: once.

    Returns:
        The largest mean that is not rejected; `worst` at most.
    """
    values = np.asarray(losses, np.float64)
    often = np.ones(len(values)) if counts is None else np.asarray(counts, np.float64)
    values, often = values[often > 0], often[often > 0]
    rows, top = float(often.sum()), max(worst, float(values.max()))
    shares = often / rows
    mean, gaps = float(shares @ values), top - values
    if top - mean <= _NEAREST * max(abs(top), 1.0):
        return top
    quantile = float(ndtri(confidence)) ** 2 / rows
    if gaps.min() > 0:
        # The distributions in which the largest loss, which was not seen, has a weight.
        low = top - 1 / float(shares @ (1 / gaps))
        second = top + mean
        # (bound - mean)^2 = quantile * variance, and the variance is top^2 - (top - bound) * second - bound^2.
        bound = _larger_root(1 + quantile, -2 * mean - quantile * second, mean**2 - quantile * (top**2 - top * second))
        if bound >= low:
            return min(bound, top)

    def excess(logarithm: float) -> float:
        """Above 0 where the mean of the distribution of this tilt is rejected."""
        tilted, variance = _tilted(values, shares, top + math.exp(logarithm))
        return (tilted - mean) ** 2 - quantile * variance

    spread = top - float(values.min())
    # No nearer than what can be told from the largest loss itself.
    nearest = math.log(max(_NEAREST * spread, 4 * float(np.spacing(abs(top)))))
    furthest = math.log(_FURTHEST * spread)
    if excess(nearest) <= 0:
        return top
    tilt = brentq(excess, nearest, furthest, xtol=1e-10) if excess(furthest) < 0 else furthest
    return _tilted(values, shares, top + math.exp(tilt))[0]


def tango_bound(lost: int, gained: int, rows: int, confidence: float) -> float:
    """Tango's upper bound of the share that is lost.

    Args:
        lost: rows that the first model has right and the second has not.
        gained: rows that the second model has right and the first has not.
        rows: all of them; at least one.
        confidence: one-sided.
    """
    return score_bound((1.0, 0.0, -1.0), 1.0, confidence, (lost, rows - lost - gained, gained))


def _tilted(values: Floats, shares: Floats, pole: float) -> tuple[float, float]:
    """The mean and the variance where each loss has the weight share / (pole - loss)."""
    weights = shares / (pole - values)
    weights /= weights.sum()
    mean = float(weights @ values)
    return mean, float(weights @ (values - mean) ** 2)


def _larger_root(square: float, linear: float, constant: float) -> float:
    """Of square * x^2 + linear * x + constant."""
    root = math.sqrt(max(0.0, linear**2 - 4 * square * constant))
    return (root - linear) / (2 * square)
