"""What a compressed model loses against the model that it was made of, on the same rows, and what it loses at most.
Pure; imports numpy, steelyard.api, the bounds and the metrics.

Each metric's loss is a mean of what each row contributes to it, its infinitesimal jackknife (Efron, 1982, chapter 6),
and the mean's bound is `score_bound`. What a row that was not seen may lose is the most that any answer loses, where
answers are labels or their ranks, as those have an end; and where they are probabilities or numbers, which have none,
what answers lose that belong to other rows (`_typical`). medianAe goes by the numbers of rows whose errors are below
its median, with Tango's bound of their difference. benchmarks/bounds.py shows how often each bound is wrong.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from steelyard.api.compression.proof import LEAST_ROWS, rows_to_prove
from steelyard.api.metrics import Measure
from steelyard_trainer.compression.bounds import score_bound, tango_bound
from steelyard_trainer.evaluation.formulas import Floats, Labels, clipped
from steelyard_trainer.evaluation.metrics import class_index_of
from steelyard_trainer.evaluation.sampling import Ranking

_LEAST_ERROR = 1e-300
_LEAST_RATIO = 1e-6
_OTHERS = 8
"""So many other rows' answers are tried for each row."""
_AROUND = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
"""Where the median is looked for, in quantiles of its error."""
_CLOSE = 1e-6
"""How near a bound of the median is found."""


@dataclass(frozen=True)
class Bound:
    """What a model loses of a metric against another one, in the unit of `Measure.loss`."""

    drop: float
    """As these rows have it; below 0 where it gains."""
    upper: float
    """At most, with the confidence; infinite where the rows can't tell."""
    rows: int
    """How many rows told."""
    worst: float
    """The most that a row may lose, which says how many rows are needed."""

    def rows_to_prove(self, budget: float, confidence: float) -> int | None:
        """The fewest rows by which a model that answers alike could be proved; None where no number is enough."""
        return rows_to_prove(budget, self.worst, confidence)


@dataclass(frozen=True)
class _Losses:
    """A loss that is a mean."""

    drop: float
    each: Floats
    """What each row contributes; the mean may be another one."""
    worst: float
    """The most that a row may lose; infinite where there is no telling."""


_UNKNOWN = _Losses(0.0, np.zeros(1), np.inf)


def bound(
    measure: Measure,
    targets: npt.NDArray[Any],
    before: npt.NDArray[Any],
    after: npt.NDArray[Any],
    confidence: float,
    classes: Sequence[str] | None = None,
) -> Bound:
    """The loss of a metric and its upper bound.

    Args:
        measure: the metric.
        targets: shape (rows,), class indices or numbers; at least one row.
        before: the first model's outputs, shape (rows, classes): probabilities; of a regression (rows, 1); finite.
        after: those of the model that was made of it.
        confidence: one-sided, between 0.5 and 1.
        classes: the labels, by class index; needed where the measure is of one class.
    """
    label = class_index_of(measure, classes)
    old, new = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if measure.metric == "medianAe":
        return _of_median(np.abs(targets - old[:, 0]), np.abs(targets - new[:, 0]), confidence)
    if measure.metric == "recall" and label is not None:
        # The rows of the class alone tell, and how many there are says nothing of the model.
        told = targets == label
        right = [(each[told].argmax(axis=1) == label).astype(np.float64) for each in (old, new)]
        losses = _mean_of(right[0] - right[1], 1.0) if told.any() else _UNKNOWN
    else:
        losses = _losses(measure, targets, old, new, label)
    rows = len(losses.each)
    if not 0 < losses.worst < np.inf or rows < LEAST_ROWS:
        # Where no row can lose anything, these rows can't tell the metric: that of a class that is not there.
        return Bound(losses.drop, np.inf, rows, losses.worst or np.inf)
    # A label's losses take few values: the same bound by fewer numbers.
    values, counts = np.unique(losses.each + (losses.drop - losses.each.mean()), return_counts=True)
    upper = max(losses.drop, score_bound(values, losses.worst, confidence, counts))
    return Bound(losses.drop, upper, rows, losses.worst)


def _mean_of(losses: Floats, worst: float) -> _Losses:
    return _Losses(float(losses.mean()), losses, worst)


def _losses(measure: Measure, targets: npt.NDArray[Any], old: Floats, new: Floats, label: int | None) -> _Losses:
    metric = measure.metric
    match measure.info.reads:
        case "Labels":
            return _of_labels(metric, targets, old.argmax(axis=1), new.argmax(axis=1), old.shape[1], label)
        case "Ranking":
            before, after = (Ranking.of(metric, targets, each, label) for each in (old, new))
            return _Losses(before.value - after.value, before.shares - after.shares, before.worst)
        case "Probabilities":
            logs = [-np.log(clipped(each)) for each in (old, new)]
            right = np.arange(len(targets)), targets
            lost = _exchanged(lambda rows: logs[0][rows, targets] - logs[0][right], len(targets))
            return _mean_of(logs[1][right] - logs[0][right], _typical(lost))
        case "Numbers":
            return _of_numbers(metric, np.asarray(targets, np.float64), old[:, 0], new[:, 0])


def _exchanged(lost: Callable[[npt.NDArray[np.int64]], Floats], rows: int) -> Floats:
    """What is lost where rows have other rows' answers, which `lost` is given: of each row some."""
    order, shift = np.arange(rows), max(1, rows // (_OTHERS + 1))
    return np.concatenate([lost(np.roll(order, shift * count)) for count in range(1, _OTHERS + 1)])


def _typical(lost: Floats) -> float:
    """What stands for the losses of rows that differ: rows that each lose it, rarely, lose together with the same
    skewness, and so are missed as often, as rows that lose one of these each."""
    above = np.maximum(lost, 0.0)
    scale = float(above.max())
    return scale * float(((above / scale) ** 3).mean() / ((above / scale) ** 2).mean()) if scale > 0 else np.inf


def _of_labels(metric: str, targets: Labels, old: Labels, new: Labels, classes: int, label: int | None) -> _Losses:
    """Of accuracy and of what is a mean over classes of ratios of counts, or such a ratio of one class."""
    if metric == "accuracy":
        return _mean_of((old == targets).astype(np.float64) - (new == targets), 1.0)
    before, after = (_Ratios.of(metric, targets, each, classes, label) for each in (old, new))
    return _Losses(before.value - after.value, before.shares(targets, old) - after.shares(targets, new), before.worst)


@dataclass(frozen=True)
class _Ratios:
    """A model's ratio of counts for each class: what an answer adds to their mean.

    f1 is 2 * hits / (there + given), precision hits / given, recall hits / there; a ratio of sums of rows varies with a
    row's (numerator - ratio * denominator) / mean denominator. What does not depend on the answer is left out.
    """

    value: float
    hit: Floats
    """By class: of a row of the class that is given it."""
    given: Floats
    """Of any row that is given it."""

    @classmethod
    def of(cls, metric: str, targets: Labels, predicted: Labels, classes: int, label: int | None) -> "_Ratios":
        """Of one class where there is a label, else of the mean over the classes that count."""
        there, given = (np.bincount(each, minlength=classes).astype(np.float64) for each in (targets, predicted))
        hits = np.bincount(targets[targets == predicted], minlength=classes).astype(np.float64)
        counts = there > 0 if metric == "balancedAccuracy" else there + given > 0
        weights = counts / counts.sum() if label is None else (np.arange(classes) == label).astype(np.float64)
        is_f1 = metric in ("f1", "macroF1")
        of_there, of_given = (float(is_f1 or metric != "precision"), float(is_f1 or metric == "precision"))
        below, times = of_there * there + of_given * given, 1.0 + is_f1
        ratios = np.divide(times * hits, below, out=np.zeros(classes), where=below > 0)
        scale = np.divide(weights * len(targets), below, out=np.zeros(classes), where=below > 0)
        return cls(float(weights @ ratios), scale * times, -scale * ratios * of_given)

    def shares(self, targets: Labels, predicted: Labels) -> Floats:
        """What each row's answer adds."""
        return self.given[predicted] + np.where(targets == predicted, self.hit[targets], 0.0)

    @property
    def worst(self) -> float:
        """The most that is lost where a row is given another class."""
        right, takes = self.hit + self.given, -self.given
        order = np.argsort(takes)
        most = np.full(len(takes), takes[order[-1]])
        most[order[-1]] = takes[order[-2]] if len(takes) > 1 else 0.0
        return float((right + most).max())


def _of_numbers(metric: str, targets: Floats, old: Floats, new: Floats) -> _Losses:
    def off(answers: Floats) -> Floats:
        """What each row adds to the error."""
        errors = np.abs(targets - answers)
        if metric == "mape":
            return errors / np.maximum(np.abs(targets), np.finfo(np.float64).eps)
        return errors if metric == "mae" else errors**2

    was, now = off(old), off(new)
    before, after = float(was.mean()), float(now.mean())
    worst = _typical(_exchanged(lambda rows: off(old[rows]) - was, len(targets)))
    match metric:
        case "mape":
            return _mean_of(now - was, worst)
        case "r2":
            deviations = (targets - targets.mean()) ** 2
            variance = float(deviations.mean())
            if variance <= 0:
                return _UNKNOWN
            lost = (after - before) / variance
            return _Losses(lost, (now - was - lost * deviations) / variance, worst / variance)
    if before <= _LEAST_ERROR:
        return _UNKNOWN
    ratio = after / before
    each = (now - ratio * was) / before
    if metric == "mae":
        return _Losses(ratio - 1, each, worst / before)
    # The delta method: d sqrt(x) = dx / (2 sqrt(x)); of a ratio of 0 nothing is lost, whatever the slope.
    slope = 1 / (2 * max(ratio, _LEAST_RATIO) ** 0.5)
    return _Losses(ratio**0.5 - 1, slope * each, max(slope, 0.5) * worst / before)


def _of_median(old: Floats, new: Floats, confidence: float) -> Bound:
    """The median error grows by a share of no more than x where more of the new errors are below (1 + x) times the old
    median than of the old ones are below that median: a difference of paired proportions. As the rows know the old
    median only about, it is to be so at several places around it."""
    rows, middle = len(old), float(np.median(old))
    if middle <= _LEAST_ERROR or rows < LEAST_ROWS:
        return Bound(0.0, np.inf, rows, np.inf)
    drop, quantile = float(np.median(new)) / middle - 1, float(ndtri(confidence))
    places = np.quantile(old, 0.5 + _AROUND * quantile / (2 * rows**0.5))
    if places[0] <= _LEAST_ERROR:
        return Bound(drop, np.inf, rows, np.inf)

    def excess(share: float, errors: Floats) -> float:
        """Above 0 where the median may have grown by more."""
        found = []
        for place in places:
            was_below, is_below = old <= place, errors <= (1 + share) * place
            lost, gained = int((was_below & ~is_below).sum()), int((is_below & ~was_below).sum())
            found.append(tango_bound(lost, gained, rows, confidence))
        return max(found)

    def smallest(errors: Floats) -> float:
        low, high = max(-1.0, drop), float(errors.max()) / float(places[0])
        if excess(high, errors) >= 0:
            return np.inf
        while high - low > _CLOSE * (1 + abs(high)):
            half = (low + high) / 2
            low, high = (half, high) if excess(half, errors) >= 0 else (low, half)
        return high

    return Bound(drop, max(drop, smallest(new)), rows, smallest(old) * (rows + quantile**2) / quantile**2)
