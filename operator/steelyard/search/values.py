"""Which values a parameter has, and when it exists. Imports the api and the search
only."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from steelyard.api.tuning import Parameter, same_value
from steelyard.search.paths import get

_TOLERANCE = 1e-9
"""How far from a step a value may lie, in steps, at least: 0.1 + 0.2 is 0.30000000000000004."""


def exists(parameter: Parameter, values: Mapping[str, Any]) -> bool:
    """Whether a parameter exists where the others have these values, all of them as the search has them
    (`with_own_conditions`, `own_value`)."""
    condition = parameter.when
    if condition is None:
        return True
    if condition.path not in values:
        return False
    return any(same_value(values[condition.path], value) for value in condition.values)


def contains(parameter: Parameter, value: Any) -> bool:
    """Whether a parameter may take a value."""
    if parameter.type == "Categorical" or _step_of(parameter) is not None:
        return index_of(parameter, value) is not None
    assert parameter.min is not None and parameter.max is not None
    return _is_number(value) and parameter.min <= value <= parameter.max


def index_of(parameter: Parameter, value: Any) -> int | None:
    """The place of a value among finitely many, from 0; None where it is none of them, or there is no end to them."""
    if parameter.type == "Categorical":
        return next((index for index, choice in enumerate(parameter.values or []) if same_value(choice, value)), None)
    step, count = _step_of(parameter), count_of(parameter)
    if step is None or count is None or not _is_number(value):
        return None
    assert parameter.min is not None and parameter.max is not None
    # The last one may be more than max in its last bit: 0.1 + 2 * 0.1 is more than 0.3.
    if not parameter.min - step < value < parameter.max + step:
        return None
    steps = (value - parameter.min) / step
    index = round(steps)
    return index if 0 <= index < count and abs(steps - index) <= _tolerance(parameter, step) else None


def value_at(parameter: Parameter, index: int) -> Any:
    """The value at a place among finitely many: in the manifest's order, or from min up."""
    if parameter.type == "Categorical":
        return (parameter.values or [])[index]
    step = _step_of(parameter)
    assert parameter.min is not None and step is not None
    if parameter.type == "Int":
        return int(parameter.min) + index * int(step)
    return parameter.min + index * step


def _step_of(parameter: Parameter) -> float | None:
    return parameter.step or (1.0 if parameter.type == "Int" else None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _tolerance(parameter: Parameter, step: float) -> float:
    """How far from a step a value may lie, in steps; of very fine ones as far as the last bits of a value say."""
    assert parameter.min is not None and parameter.max is not None
    return max(_TOLERANCE, 4 * math.ulp(max(abs(parameter.min), abs(parameter.max))) / step)


def own_value(parameter: Parameter, value: Any) -> Any:
    """A value that a parameter may take as the search has it: 16 where a user wrote 16.0 for an Int, and 0.1 + 2 * 0.1
    for 0.3, where there are steps of 0.1 from 0.1 on. Any other value as it is."""
    index = index_of(parameter, value)
    return value if index is None else value_at(parameter, index)


def with_own_conditions(parameters: Sequence[Parameter]) -> list[Parameter]:
    """The parameters with conditions that name the others' values as the search has them."""
    by_path = {parameter.path: parameter for parameter in parameters}
    return [_with_own_condition(parameter, by_path) for parameter in parameters]


def _with_own_condition(parameter: Parameter, others: Mapping[str, Parameter]) -> Parameter:
    if (when := parameter.when) is None:
        return parameter
    values = [own_value(others[when.path], value) for value in when.values]
    return parameter.model_copy(update={"when": when.model_copy(update={"values": values})})


def parents_first(parameters: Sequence[Parameter]) -> list[Parameter]:
    """The parameters in their order, but each after the one that its condition names. Conditions have no cycle."""
    by_path = {parameter.path: parameter for parameter in parameters}
    ordered: dict[str, Parameter] = {}

    def add(parameter: Parameter) -> None:
        if parameter.when is not None:
            add(by_path[parameter.when.path])
        ordered.setdefault(parameter.path, parameter)

    for parameter in parameters:
        add(parameter)
    return list(ordered.values())


def completed(parameters: Sequence[Parameter], given: Mapping[str, Any], template: Any) -> dict[str, Any]:
    """All values of a trial of some of them, as spec.initialTrials has it.

    Args:
        parameters: the space.
        given: the values that are given, by path, each of which its parameter may take; those of parameters that do
            not exist then are left out.
        template: the template's spec as JSON values, its defaults included.
    """
    values: dict[str, Any] = {}
    for parameter in parents_first(with_own_conditions(parameters)):
        if exists(parameter, values):
            is_given = parameter.path in given
            values[parameter.path] = (
                own_value(parameter, given[parameter.path]) if is_given else _templates_value(parameter, template)
            )
    return {parameter.path: values[parameter.path] for parameter in parameters if parameter.path in values}


def _templates_value(parameter: Parameter, template: Any) -> Any:
    """The template's value where it may be taken, else the first."""
    value = get(template, parameter.path)
    if contains(parameter, value):
        return own_value(parameter, value)
    if parameter.type == "Categorical":
        return (parameter.values or [None])[0]
    assert parameter.min is not None
    return int(parameter.min) if parameter.type == "Int" else parameter.min


def count_of(parameter: Parameter) -> int | None:
    """How many values a parameter may take; None where there is no end to them."""
    if parameter.type == "Categorical":
        return len(parameter.values or [])
    assert parameter.min is not None and parameter.max is not None
    step = _step_of(parameter)
    if step is None:
        return None
    return int((parameter.max - parameter.min) / step + _tolerance(parameter, step)) + 1
