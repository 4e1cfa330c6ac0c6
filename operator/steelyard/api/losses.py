"""How the loss of a metric is written for people: in points, in percent, or as it is. Imports the metrics and the
figures.

Losses are in the unit of `Measure.loss`: of metrics in the target's unit shares, of all others differences.
"""

from steelyard.api.metrics import Measure
from steelyard.texts.figures import number


def size(measure: Measure, loss: float) -> str:
    """A loss without its unit, such as 2.4 of 0.024: of metrics that are at most 1 in points, of those in the target's
    unit in percent."""
    return _digits(loss * (100 if _unit(measure) else 1))


def allowed(measure: Measure, budget: float) -> str:
    """A budget with its unit, such as "1 point", "1%" or "0.01"."""
    return _with_unit(measure, budget)


def fell(measure: Measure, loss: float) -> str:
    """What became of a metric, such as "accuracy fell by 0.6 points" or "rmse grew by 0.3%"."""
    if not float(size(measure, abs(loss)).replace(",", "")):
        return f"{measure.name} stayed as it was"
    word = ("fell", "rose") if measure.info.goal == "Maximize" else ("grew", "shrank")
    return f"{measure.name} {word[loss < 0]} by {_with_unit(measure, abs(loss))}"


def share_of(confidence: float) -> str:
    """A confidence, such as 95%."""
    return f"{number(100 * confidence)}%"


def _unit(measure: Measure) -> str:
    return "point" if measure.info.is_at_most_one else "%" if measure.info.is_in_target_unit else ""


def _with_unit(measure: Measure, loss: float) -> str:
    digits, unit = size(measure, loss), _unit(measure)
    if unit == "%":
        return f"{digits}%"
    plural = "s" if unit == "point" and digits != "1" else ""
    return f"{digits} {unit}{plural}".strip()


def _digits(value: float) -> str:
    """With two significant digits, three from 1 on, and no more than four after the point."""
    return number(round(float(f"{value:.{2 if abs(value) < 1 else 3}g}"), 4), 4)
