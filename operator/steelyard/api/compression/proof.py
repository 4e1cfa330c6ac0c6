"""How many rows a proof needs, and what is said where there are fewer. Imports the standard library and the api."""

import math
from statistics import NormalDist

from steelyard.api.compression import Compression
from steelyard.api.losses import allowed, share_of
from steelyard.api.metrics import Measure

LEAST_ROWS = 30
"""Fewer prove nothing: with very few rows score tests are wrong too often."""


def rows_to_prove(budget: float, worst: float, confidence: float) -> int | None:
    """The fewest rows by which a model that answers as another one does is shown to lose no more than a budget.

    The upper bound of the loss of n rows of which none loses is worst * z^2 / (n + z^2), where z is the quantile of the
    normal distribution (Tango, 1998, with worst 1, is the case of accuracy).

    Args:
        budget: the most that may be lost.
        worst: the most that a row may lose: of accuracy 1.
        confidence: one-sided.

    Returns:
        The number; None where no number is enough.
    """
    if budget >= worst:
        return LEAST_ROWS
    if budget <= 0 or not math.isfinite(worst):
        return None
    return max(LEAST_ROWS, math.ceil(NormalDist().inv_cdf(confidence) ** 2 * (worst / budget - 1) - 1e-9))


def too_few_rows(compression: Compression | None, measure: Measure, rows: int) -> str | None:
    """What is to be said before anything is trained: that the validation set will prove nothing; None where it may.

    Only of accuracy is it known so early how many rows are needed.

    Args:
        compression: the job's, if it has one.
        measure: what decides.
        rows: those of the validation set.
    """
    if compression is None or compression.sure is None or measure != Measure("accuracy"):
        return None
    budget = compression.max_metric_drop
    needed = rows_to_prove(budget, 1.0, compression.sure)
    if needed is not None and rows >= needed:
        return None
    enough = "no number of rows would be enough" if needed is None else f"that takes {needed:,} validation rows"
    follows = {
        "Point": "the two numbers will be compared, and the model called not proved",
        "Baseline": "the model without compression will be published",
        "Fail": "the job will fail",
    }[compression.on_too_few_rows or "Point"]
    return (
        f"not even an equal model can be proved to lose at most {allowed(measure, budget)} of {measure.name} with "
        f"{share_of(compression.sure)}: {enough}, there are {rows:,}; {follows} (compression.onTooFewRows)"
    )
