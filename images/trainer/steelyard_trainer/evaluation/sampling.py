"""The metrics' standard errors: how much a value would vary with another sample of as many rows.

Imports numpy, SciPy and the metrics' formulas.

By bootstrap over the cells of the confusion matrix where a metric is a function of it, or over sums of groups of rows;
else by what each row contributes to the value (the infinitesimal jackknife: Efron, 1982, chapter 6; of rocAuc that is
DeLong et al., 1988). So no cost grows with resamples of the rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betainc

from steelyard.api.metrics import Metric
from steelyard_trainer.evaluation.formulas import (
    Floats,
    Labels,
    clipped,
    of_labels,
    of_numbers,
    ranked,
)

_RESAMPLES = 200
_GROUPS = 4096
_SEED = 0
_MEDIAN_DEVIATIONS = 12
"""A resample's median lies no further from the middle, in deviations of its place."""

_ROUNDING = 1e-12

Counts = npt.NDArray[np.int64]


def error_of_labels(metric: Metric, targets: Labels, predicted: Labels, classes: int, class_index: int | None) -> float:
    """Of a metric of `of_labels`. A sample of rows with replacement is a multinomial sample of the confusion matrix's
    cells, so that the cost does not grow with the rows."""
    if metric == "accuracy":
        value = of_labels(metric, targets, predicted)
        return float(np.sqrt(value * (1 - value) / len(targets)))
    cells, counts = np.unique(targets.astype(np.int64) * classes + predicted, return_counts=True)
    truth, guess = np.divmod(cells, classes)
    is_hit = truth == guess

    def of_sample(sample: Counts) -> float:
        hits = np.bincount(truth, sample * is_hit, classes)
        there, given = np.bincount(truth, sample, classes), np.bincount(guess, sample, classes)
        match metric:
            case "balancedAccuracy":
                return float((hits[there > 0] / there[there > 0]).mean())
            case "precision":
                above, below = hits, given
            case "recall":
                above, below = hits, there
            case _:
                above, below = 2 * hits, there + given
        each = np.divide(above, below, out=np.zeros(classes), where=below > 0)
        return float(each[there + given > 0].mean() if class_index is None else each[class_index])

    return _bootstrap_error(counts, of_sample)


def error_of_ranking(metric: Metric, targets: Labels, probabilities: Floats, class_index: int | None) -> float:
    """Of a metric of `of_ranking`."""
    error = error_of_mean(Ranking.of(metric, targets, probabilities, class_index).shares)
    # What is left of rounding, where every row contributes the same.
    return error if error > _ROUNDING else 0.0


@dataclass(frozen=True)
class Ranking:
    """A metric of `of_ranking`, row by row."""

    value: float
    shares: Floats
    """What each row contributes beyond the value, shape (rows,): the mean is 0."""
    worst: float
    """What is lost where one row's answer turns, times the rows: it comes last in its own class and first in another
    one; in averagePrecision, whose first places have no bound, where that class's rows come."""

    @classmethod
    def of(cls, metric: Metric, targets: Labels, probabilities: Floats, class_index: int | None) -> "Ranking":
        """Of the classes that `of_ranking` tells of."""
        shares, values, falls, rises = np.zeros(len(targets)), [], [0.0], [0.0]
        for is_positive, scores in ranked(metric, targets, probabilities, class_index):
            of_class = _AT_PLACES[metric](is_positive, scores)
            shares += of_class.shares
            values.append(of_class.value)
            falls.append(float(of_class.if_positive.max() - of_class.if_positive.min()))
            rises.append(float(of_class.if_not.max() - of_class.first))
        count = max(len(values), 1)
        worst = max(falls) + max(rises) if count > 1 else max(*falls, *rises)
        return cls(float(np.mean(values)) if values else 0.0, shares / count, worst / count)


@dataclass(frozen=True)
class _AtPlaces:
    """What rows contribute to a metric of one class's ranking, by where they come."""

    value: float
    is_positive: npt.NDArray[np.bool_]
    place: npt.NDArray[np.int64]
    """Of each row."""
    if_positive: Floats
    """By place: of a row that is of the class."""
    if_not: Floats
    first: float
    """The least that a row that is not of the class contributes."""

    @property
    def shares(self) -> Floats:
        """What each row contributes."""
        return np.where(self.is_positive, self.if_positive[self.place], self.if_not[self.place])


def _in_roc_auc(is_positive: npt.NDArray[np.bool_], scores: Floats) -> _AtPlaces:
    """To the area under the curve (DeLong et al., 1988)."""
    rows, positives = len(is_positive), int(is_positive.sum())
    negatives = rows - positives
    places, place = np.unique(scores, return_inverse=True)
    high, low = np.sort(scores[is_positive]), np.sort(scores[~is_positive])
    below = (np.searchsorted(low, places, "left") + np.searchsorted(low, places, "right")) / (2 * negatives)
    above = 1 - (np.searchsorted(high, places, "left") + np.searchsorted(high, places, "right")) / (2 * positives)
    area = float(below[place[is_positive]].mean())
    if_positive, if_not = rows / positives * (below - area), rows / negatives * (above - area)
    return _AtPlaces(area, is_positive, place, if_positive, if_not, float(if_not.min()))


def _in_average_precision(is_positive: npt.NDArray[np.bool_], scores: Floats) -> _AtPlaces:
    """To the average precision."""
    rows, positives = len(is_positive), int(is_positive.sum())
    # By distinct score, from the highest: the rows that are at least so high, and those of them that are of the class.
    _, place = np.unique(-scores, return_inverse=True)
    hits = np.bincount(place, is_positive)
    reached = np.cumsum(np.bincount(place))
    precision = np.cumsum(hits) / reached
    # With one more row at least as high as a hit the precision there moves by (is of the class - precision) / reached.
    if_positive = np.cumsum((hits / reached)[::-1])[::-1]
    always = np.cumsum((hits * precision / reached)[::-1])[::-1]
    value, weight = float(hits @ precision / positives), rows / positives
    own, if_not = weight * (precision + if_positive - value - always), -weight * always
    at_hits = if_not[place[is_positive]]
    return _AtPlaces(value, is_positive, place, own, if_not, float((at_hits**3).mean() / (at_hits**2).mean()))


_AT_PLACES = {"rocAuc": _in_roc_auc, "averagePrecision": _in_average_precision}


def error_of_probabilities(metric: Metric, targets: Labels, probabilities: Floats) -> float:
    """Of a metric of `of_probabilities`: logLoss is a mean over the rows."""
    if metric != "logLoss":
        raise ValueError(f"{metric} is no metric of probabilities")
    return error_of_mean(-np.log(clipped(probabilities)[np.arange(len(targets)), targets]))


def error_of_numbers(metric: Metric, targets: Floats, predicted: Floats) -> float:
    """Of a metric of `of_numbers`."""
    errors = targets - predicted
    match metric:
        case "r2":
            return _r2_error(targets, errors)
        case "rmse":
            # The delta method: d sqrt(x) = dx / (2 sqrt(x)).
            rmse = of_numbers("rmse", targets, predicted)
            return error_of_mean(errors**2) / (2 * rmse) if rmse > 0 else 0.0
        case "mape":
            return error_of_mean(np.abs(errors) / np.maximum(np.abs(targets), np.finfo(np.float64).eps))
        case "medianAe":
            return _error_of_median(np.abs(errors))
    return error_of_mean(np.abs(errors))


def error_of_mean(values: Floats) -> float:
    """The standard error of a mean; 0 of a single value."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def _error_of_median(values: Floats) -> float:
    """What the bootstrap gives with infinitely many resamples (Maritz and Jarrett, 1978)."""
    rows = len(values)
    half, reach = (rows + 1) / 2, int(_MEDIAN_DEVIATIONS * np.sqrt(rows))
    first, last = max(0, rows // 2 - reach), min(rows, rows // 2 + reach + 1)
    weights = np.diff(betainc(half, half, np.arange(first, last + 1) / rows))
    ordered = np.sort(values)[first:last]
    mean = float(weights @ ordered)
    return float(np.sqrt(max(0.0, float(weights @ (ordered - mean) ** 2))))


def _r2_error(targets: Floats, errors: Floats) -> float:
    """By bootstrap over the sums of at most _GROUPS groups of rows, so that the cost does not grow with the rows, which
    are in random order."""
    rows = len(targets)
    if rows < 2:
        return 0.0
    centered = targets - targets.mean()
    bounds = np.linspace(0, rows, min(rows, _GROUPS), endpoint=False).astype(np.int64)
    columns = np.stack([np.ones(rows), centered, centered**2, errors**2])
    sums = np.add.reduceat(columns, bounds, axis=1)

    def r2(sample: Counts) -> float:
        count, linear, square, residual = sums @ sample
        total = square - linear**2 / count
        return float(1 - residual / total) if total > 0 else np.nan

    return _bootstrap_error(np.ones(len(bounds), dtype=np.int64), r2)


def _bootstrap_error(counts: Counts, statistic: Callable[[Counts], float]) -> float:
    """The standard deviation of a statistic of resampled counts; the same for the same input."""
    generator = np.random.default_rng(_SEED)
    size = int(counts.sum())
    values = [statistic(generator.multinomial(size, counts / size)) for _ in range(_RESAMPLES)]
    # A resample of very few rows may be one row many times, whose r2 is not defined.
    defined = np.array(values)[np.isfinite(values)]
    return float(defined.std(ddof=1)) if len(defined) > 1 else 0.0
