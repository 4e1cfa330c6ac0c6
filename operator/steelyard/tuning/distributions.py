"""A range as Optuna's distribution. Imports the search, the api and Optuna."""

from decimal import Decimal

from optuna.distributions import FloatDistribution, IntDistribution

from steelyard.api.tuning import Parameter
from steelyard.search.values import count_of


def distribution_of_range(parameter: Parameter) -> FloatDistribution | IntDistribution:
    """The values of an Int or a Double. Optuna wants the highest to be one of them."""
    assert parameter.min is not None and parameter.max is not None
    if parameter.type == "Int":
        step = int(parameter.step or 1)
        low, high = int(parameter.min), int(parameter.max)
        return IntDistribution(low, high - (high - low) % step, log=parameter.log, step=step)
    last = (count_of(parameter) or 1) - 1
    high_value = parameter.max if parameter.step is None else value_of_step(parameter, last)
    return FloatDistribution(parameter.min, high_value, log=parameter.log, step=parameter.step)


def value_of_step(parameter: Parameter, index: int) -> float:
    """A value of a Double with steps as Optuna reckons it, in decimals: the third from 0.1 on is 0.3, and 0.1 + 2 * 0.1
    is none of its values."""
    assert parameter.min is not None and parameter.step is not None
    return float(Decimal(str(parameter.min)) + index * Decimal(str(parameter.step)))
