"""Whether the values of a search's parameters make valid TrainingJobs, alone and together. Imports the api and the
search only."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from steelyard.api.base import refuse
from steelyard.api.errors import Problem, problems_of
from steelyard.api.fields import Node, schema_of
from steelyard.api.training_job import TrainingJobSpec
from steelyard.api.tuning import Parameter
from steelyard.search.paths import SEARCHED, put
from steelyard.search.values import completed, contains, count_of, exists, own_value, parents_first, with_own_conditions

_TRIED_TOGETHER = 64
"""How many combinations are tried: enough to meet one that a few values of two parameters make."""


def with_values(template: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The template's spec, as JSON values, with other values at some paths. Raises KeyError, as `paths.put`."""
    spec = {**template, **{part: deepcopy(template[part]) for part in SEARCHED if part in template}}
    for path, value in values.items():
        put(spec, path, value)
    return spec


def problem_with(template: dict[str, Any], values: Mapping[str, Any]) -> Problem | None:
    """Why the template is no valid spec with these values; None where it is one."""
    try:
        TrainingJobSpec.model_validate(with_values(template, values))
    except ValidationError as error:
        return problems_of(error, TrainingJobSpec)[0]
    except KeyError as error:
        return Problem("", str(error.args[0]))
    return None


def check_type(parameter: Parameter, node: Node, field: str) -> Iterator[PydanticCustomError]:
    """Whether the parameter's type is that of its field, and its range lies within the field's bounds.

    Args:
        parameter: a parameter whose path leads somewhere.
        node: what it leads to.
        field: the parameter's place, such as parameters[0].
    """
    allowed = schema_of(TrainingJobSpec).words(node)
    if parameter.type == "Categorical":
        return
    kind = node.get("type")
    if kind is None and node.get("x-kubernetes-preserve-unknown-fields"):
        return  # What a parameter of one's own takes is known to its function alone.
    if kind not in ("integer", "number"):
        yield refuse(
            f"{field}.type",
            "{type} gives numbers, but {path} takes {allowed}; allowed: Categorical",
            type=parameter.type,
            path=parameter.path,
            allowed=allowed,
        )
        return
    if parameter.type == "Double" and kind == "integer":
        yield refuse(
            f"{field}.type",
            "Double gives numbers that are not whole, but {path} takes {allowed}; allowed: Int, Categorical",
            path=parameter.path,
            allowed=allowed,
        )
        return
    for bound, number in (("min", parameter.min), ("max", parameter.max)):
        if number is not None and not _is_within(number, node):
            yield refuse(
                f"{field}.{bound}",
                "{number} is outside of what {path} takes; allowed: {allowed}",
                number=f"{number:.15g}",
                path=parameter.path,
                allowed=allowed,
            )


def check_alone(
    parameter: Parameter, parameters: Mapping[str, Parameter], template: dict[str, Any], field: str
) -> Iterator[PydanticCustomError]:
    """Whether each value of a Categorical parameter, and the ends of a range, make a valid TrainingJob.

    Args:
        parameter: a parameter of the right type.
        parameters: all, by path; their conditions have no cycle.
        template: the template's spec, as JSON values.
        field: the parameter's place, such as parameters[0].
    """
    around = _surroundings(parameter, parameters)
    for place, value in _tried(parameter):
        problem = problem_with(template, {**around, parameter.path: value})
        if problem is None:
            continue
        if problem.path.replace("[", ".").replace("]", "") == parameter.path:
            cure = _cure(parameter, parameters, {**around, parameter.path: value}, template)
            yield refuse(f"{field}.{place}", "{problem}", problem=problem.message + cure)
        else:
            yield refuse(
                f"{field}.{place}",
                "{value} makes no valid TrainingJob: {problem}",
                value=_shown(value),
                problem=str(problem),
            )
        return


def _cure(
    parameter: Parameter, parameters: Mapping[str, Parameter], values: Mapping[str, Any], template: dict[str, Any]
) -> str:
    """What to say of a parameter without a condition, where it would be right with a value of another; else nothing."""
    for other in parameters.values():
        if parameter.when is not None or other is parameter or other.type != "Categorical" or other.when is not None:
            continue
        right = [
            choice for choice in other.values or [] if problem_with(template, {**values, other.path: choice}) is None
        ]
        if right:
            shown = json.dumps(right, ensure_ascii=False)
            return f"; to search it where it exists give it when: {{path: {other.path}, values: {shown}}}"
    return ""


def check_together(parameters: Sequence[Parameter], template: dict[str, Any]) -> Iterator[PydanticCustomError]:
    """Whether values that are each fine make a valid TrainingJob together, as far as a sample shows."""
    draw = random.Random(0)
    ordered = parents_first(with_own_conditions(parameters))
    for _ in range(_TRIED_TOGETHER if len(ordered) > 1 else 0):
        values: dict[str, Any] = {}
        for parameter in ordered:
            if exists(parameter, values):
                values[parameter.path] = own_value(parameter, draw.choice([value for _, value in _tried(parameter)]))
        if (problem := problem_with(template, values)) is not None:
            yield refuse(
                "parameters",
                "{values} make no valid TrainingJob together: {problem}; a parameter that goes with some values of "
                "another only needs a condition (when)",
                values=", ".join(f"{path} {_shown(value)}" for path, value in values.items()),
                problem=str(problem),
            )
            return


def check_initial_trials(
    trials: Sequence[Mapping[str, Any]], parameters: Sequence[Parameter], template: Any, most: int
) -> Iterator[PydanticCustomError]:
    """Whether the first trials lie in the space.

    Args:
        trials: as spec.initialTrials has them.
        parameters: the space.
        template: the template's spec as JSON values, its defaults included.
        most: spec.maxTrials.
    """
    if len(trials) > most:
        yield refuse(
            "initialTrials",
            "{count} are given, but maxTrials is {most}; allowed: at most as many",
            count=len(trials),
            most=most,
        )
    for index, trial in enumerate(trials):
        field = f"initialTrials[{index}]"
        yield from [*_check_values(trial, parameters, field)] or _check_existence(trial, parameters, template, field)


def _check_values(
    trial: Mapping[str, Any], parameters: Sequence[Parameter], field: str
) -> Iterator[PydanticCustomError]:
    by_path = {parameter.path: parameter for parameter in parameters}
    for path, value in trial.items():
        if path not in by_path:
            yield refuse(
                field,
                "there is no parameter '{path}'; allowed: {paths}",
                path=path,
                paths=", ".join(by_path),
            )
        elif not contains(by_path[path], value):
            yield refuse(
                field,
                "{value} is not allowed for {path}; allowed: {allowed}",
                value=_shown(value),
                path=path,
                allowed=words_of(by_path[path]),
            )


def _check_existence(
    trial: Mapping[str, Any], parameters: Sequence[Parameter], template: Any, field: str
) -> Iterator[PydanticCustomError]:
    """Of values each of which is allowed: whether what is given exists then."""
    whole = completed(parameters, trial, template)
    for parameter in parameters:
        if parameter.path in trial and parameter.path not in whole and (condition := parameter.when) is not None:
            yield refuse(
                field,
                "{path} exists only where {other} is {values}, but here it is {value}; leave it out, or give the other",
                path=parameter.path,
                other=condition.path,
                values=" or ".join(map(_shown, condition.values)),
                value=_shown(whole[condition.path]) if condition.path in whole else "absent as well",
            )


def words_of(parameter: Parameter) -> str:
    """What a parameter takes, such as "a whole number from 10 to 100 in steps of 10"."""
    if parameter.type == "Categorical":
        return ", ".join(map(_shown, parameter.values or []))
    assert parameter.min is not None and parameter.max is not None
    kind = "a whole number" if parameter.type == "Int" else "a number"
    step = f" in steps of {parameter.step:.15g}" if parameter.step is not None else ""
    return f"{kind} from {parameter.min:.15g} to {parameter.max:.15g}{step}"


def _is_within(number: float, node: Node) -> bool:
    least, most = node.get("minimum"), node.get("maximum")
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    return not (
        (least is not None and number < least)
        or (most is not None and number > most)
        or (above is not None and number <= above)
        or (below is not None and number >= below)
    )


def _surroundings(parameter: Parameter, parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """Values of other parameters with which this one exists."""
    if parameter.when is None:
        return {}
    parent = parameters[parameter.when.path]
    return {**_surroundings(parent, parameters), parent.path: own_value(parent, parameter.when.values[0])}


def _tried(parameter: Parameter) -> list[tuple[str, Any]]:
    """All values of a Categorical parameter, the ends of a range; each with the field that gives it."""
    if parameter.type == "Categorical":
        return [(f"values[{index}]", value) for index, value in enumerate(parameter.values or [])]
    assert parameter.min is not None and parameter.max is not None
    last = parameter.max
    if parameter.step is not None:
        last = parameter.min + parameter.step * ((count_of(parameter) or 1) - 1)
    ends = [("min", parameter.min), ("max", min(last, parameter.max))]
    return [(place, int(end)) for place, end in ends] if parameter.type == "Int" else [*ends]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
