"""What a search searches: the values that each parameter may take, which of them exist together, and every combination.

Pure. Imports the api and the search only.
"""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from steelyard.api.tuning import Parameter
from steelyard.search.log import Values
from steelyard.search.values import (
    contains,
    count_of,
    exists,
    index_of,
    own_value,
    parents_first,
    value_at,
    with_own_conditions,
)

Key: TypeAlias = Hashable
"""The identity of a trial's values."""

DIGITS = 8
"""Digits of a range that a Double's value has: more say nothing about a model, make the log long, and differ between
kinds of CPU."""


@dataclass(frozen=True)
class Dimension:
    """One parameter's values, laid out between 0 and 1."""

    parameter: Parameter

    @property
    def path(self) -> str:
        """The parameter's."""
        return self.parameter.path

    @property
    def is_categorical(self) -> bool:
        """Whether its values have no order."""
        return self.parameter.type == "Categorical"

    @property
    def low(self) -> float:
        """The least value of a range. Raises TypeError of a Categorical."""
        return _given(self.parameter.min)

    @property
    def high(self) -> float:
        """The largest value of a range. Raises TypeError of a Categorical."""
        return _given(self.parameter.max)

    @cached_property
    def size(self) -> int | None:
        """How many values there are; None where it is any number of a range."""
        return count_of(self.parameter)

    def item(self, index: int) -> Any:
        """The value at a place among finitely many."""
        return value_at(self.parameter, index)

    def index(self, value: Any) -> int | None:
        """The place of a value; None where it is no value of this parameter, or one of a range without steps."""
        return index_of(self.parameter, value)

    def normal(self, value: Any) -> Any:
        """The value as a trial has it: 3 for an Int of 3.0; None-like `NOTHING` where it is out of the range."""
        if not contains(self.parameter, value):
            return NOTHING
        return float(value) if self.size is None else own_value(self.parameter, value)

    def at(self, unit: float) -> Any:
        """The value at a point from 0 to 1. Each of finitely many has a stretch of its own; all are of one length, but
        on a logarithmic scale."""
        unit = min(max(unit, 0.0), 1.0)
        if self.size is not None and not self.parameter.log:
            return self.item(min(int(unit * self.size), self.size - 1))
        low, high = self._ends
        if not self.parameter.log:
            value = round(low + unit * (high - low), DIGITS - math.floor(math.log10(high - low)))
        else:
            value = math.exp(low + unit * (high - low))
            if self.size is not None:
                return min(max(round(value), int(self.low)), int(self.high))
            digits = DIGITS + max(0, -math.floor(math.log10(high - low)))
            value = float(f"{value:.{digits}g}")
        return min(max(value, self.low), self.high)

    def unit(self, value: Any) -> float:
        """Where a value lies between 0 and 1: `at` of it is the value."""
        if self.size is not None and not self.parameter.log:
            index = self.index(value)
            return 0.5 if index is None else (index + 0.5) / self.size
        low, high = self._ends
        place = math.log(value) if self.parameter.log else value
        return float(min(max((place - low) / (high - low), 0.0), 1.0))

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """The ends of the range on its scale; half a step wider for whole numbers on a logarithmic one."""
        margin = 0.5 if self.size is not None else 0.0
        if self.parameter.log:
            return math.log(self.low - margin), math.log(self.high + margin)
        return self.low, self.high


NOTHING: Any = object()
"""No value, where null is one."""


class Space:
    """All values that a search's trials may have together."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        """The space of these parameters, whose conditions have no cycle."""
        self.dimensions: tuple[Dimension, ...] = tuple(map(Dimension, with_own_conditions(parameters)))
        """In the order of the manifest."""
        self.by_path: dict[str, Dimension] = {dimension.path: dimension for dimension in self.dimensions}
        self.in_order = tuple(self.by_path[parameter.path] for parameter in parents_first(parameters))
        """Each after the one that its condition looks at."""
        self.has_conditions: bool = any(dimension.parameter.when is not None for dimension in self.dimensions)
        self._grid: _Grid | None = None
        self._listed: list[Values] = []

    @property
    def combinations(self) -> int | None:
        """How many combinations there are; None where they are not finitely many."""
        if any(dimension.size is None for dimension in self.dimensions):
            return None
        return self._counting.total

    def combination(self, index: int) -> Values:
        """A combination by its place in Grid's order: that of scikit-learn's ParameterGrid, by the names of the
        parameters, the last one's value changing fastest. Raises IndexError where there is none."""
        if self.combinations is None or not 0 <= index < self.combinations:
            raise IndexError(f"there is no combination {index}; there are {self.combinations}")
        if index == len(self._listed) < _MOST_LISTED:
            self._listed.append(self._in_manifest_order(self._counting.combination(index)))
        if index < len(self._listed):
            return dict(self._listed[index])
        return self._in_manifest_order(self._counting.combination(index))

    def active(self, values: Mapping[str, Any]) -> frozenset[str]:
        """The paths of the parameters that exist where the others have these values."""
        existing: Values = {}
        for dimension in self.in_order:
            if exists(dimension.parameter, existing):
                given = values.get(dimension.path, NOTHING)
                existing[dimension.path] = dimension.normal(given)
        return frozenset(existing)

    def contains(self, values: Mapping[str, Any]) -> bool:
        """Whether these are values of this space: each parameter that exists has one of its values, no other has."""
        if values.keys() != (self.active(values) if self.has_conditions else self.by_path.keys()):
            return False
        return all(self.by_path[path].normal(value) is not NOTHING for path, value in values.items())

    def key(self, values: Mapping[str, Any]) -> Key:
        """What two trials' values have in common only where they are the same. true is not 1; 1 is 1.0."""
        return key_of(values)

    def at(self, units: Sequence[float]) -> Values:
        """The values at a point of the unit cube, whose sides are the parameters in the order of the manifest."""
        places = {dimension.path: unit for dimension, unit in zip(self.dimensions, units, strict=True)}
        values: Values = {}
        for dimension in self.in_order:
            if exists(dimension.parameter, values):
                values[dimension.path] = dimension.at(places[dimension.path])
        return self._in_manifest_order(values)

    def units(self, values: Mapping[str, Any]) -> list[float]:
        """The point of the unit cube where values lie; 0.5 for parameters that do not exist."""
        return [
            dimension.unit(values[dimension.path]) if dimension.path in values else 0.5 for dimension in self.dimensions
        ]

    def normal(self, values: Mapping[str, Any]) -> Values:
        """Values, all of a trial or some, that a user wrote or another search had, as this space has them: 3 for an Int
        of 3.0; 0.1 + 2 * 0.1 for 0.3, where it has steps of 0.1 from 0.1 on. Raises ValueError where a parameter never
        has its value."""
        normal = {path: self.by_path[path].normal(value) for path, value in values.items()}
        for path, value in normal.items():
            if value is NOTHING:
                raise ValueError(f"{path} never has the value {values[path]!r:.100}")
        return normal

    def _in_manifest_order(self, values: Values) -> Values:
        return {dimension.path: values[dimension.path] for dimension in self.dimensions if dimension.path in values}

    @property
    def _counting(self) -> "_Grid":
        if self._grid is None:
            self._grid = _Grid(self)
        return self._grid


_MOST_LISTED = 20_000
"""Combinations that are kept when they are asked for one after the other."""


class _Grid:
    """The combinations of a finite space, one of each, in the order of ParameterGrid.

    A combination is a row of indices by path. A parameter that does not exist has index 0: so the first of all rows
    of the same values stands for them.
    """

    def __init__(self, space: Space) -> None:
        self._has_conditions = space.has_conditions
        self._sorted = sorted(space.dimensions, key=lambda dimension: dimension.path)
        self._children: dict[str, list[Dimension]] = {dimension.path: [] for dimension in space.dimensions}
        for dimension in self._sorted:
            if dimension.parameter.when is not None:
                self._children[dimension.parameter.when.path].append(dimension)
        self._roots = [dimension for dimension in self._sorted if dimension.parameter.when is None]
        self._named = {dimension.path: self._named_of(dimension) for dimension in space.dimensions}
        self._free: dict[str, int] = {}
        self.total = self._count({})

    def combination(self, index: int) -> Values:
        """The combination at that place."""
        if not self._has_conditions:
            return self._of_product(index)
        fixed: dict[str, int] = {}
        for dimension in self._sorted:
            for first, many in self._alike(dimension):
                fixed[dimension.path] = first
                count = self._count(fixed)
                if index < count * many:
                    fixed[dimension.path] += index // count
                    index %= count
                    break
                index -= count * many
        values: Values = {}
        waiting = list(self._roots)
        while waiting:
            dimension = waiting.pop()
            values[dimension.path] = value = dimension.item(fixed[dimension.path])
            waiting += [child for child in self._children[dimension.path] if _is_met(child, dimension, value)]
        return values

    def _named_of(self, dimension: Dimension) -> list[int]:
        """The indices of the values that conditions name, ascending. What depends on the parameter is the same for all
        the others: so no loop goes over them, who may be millions."""
        whens = [child.parameter.when for child in self._children[dimension.path]]
        indices = {dimension.index(value) for when in whens if when is not None for value in when.values}
        return sorted(index for index in indices if index is not None)

    def _alike(self, dimension: Dimension) -> Iterator[tuple[int, int]]:
        """All indices of a parameter as stretches (first, how many): of each one's, as many combinations have them. The
        first stands for a parameter that does not exist, too, and is one of its own."""
        begin, size = 0, dimension.size or 0
        for index in sorted({0, *self._named[dimension.path]}):
            if begin < index:
                yield begin, index - begin
            yield index, 1
            begin = index + 1
        if begin < size:
            yield begin, size - begin

    def _of_product(self, index: int) -> Values:
        values: Values = {}
        for dimension in reversed(self._sorted):
            index, choice = divmod(index, dimension.size or 1)
            values[dimension.path] = dimension.item(choice)
        return values

    def _count(self, fixed: Mapping[str, int]) -> int:
        """How many combinations have these indices."""
        return math.prod(self._below(root, fixed) for root in self._roots)

    def _below(self, dimension: Dimension, fixed: Mapping[str, int]) -> int:
        """How many combinations of an existing parameter and those that depend on it have these indices."""
        path, children = dimension.path, self._children[dimension.path]
        is_free = not any(name in fixed for name in self._family(dimension))
        if is_free and path in self._free:
            return self._free[path]
        if path in fixed:
            count = self._of_children(dimension, dimension.item(fixed[path]), fixed)
        elif not children:
            count = dimension.size or 0
        else:
            stretches = self._alike(dimension)
            count = sum(many * self._of_children(dimension, dimension.item(first), fixed) for first, many in stretches)
        if is_free:
            self._free[path] = count
        return count

    def _of_children(self, dimension: Dimension, value: Any, fixed: Mapping[str, int]) -> int:
        """How many combinations of those that depend on a parameter of this value have these indices."""
        count = 1
        for child in self._children[dimension.path]:
            if _is_met(child, dimension, value):
                count *= self._below(child, fixed)
            elif any(fixed.get(name) for name in self._family(child)):
                return 0
        return count

    def _family(self, dimension: Dimension) -> list[str]:
        """A parameter and all that depend on it."""
        family, waiting = [], [dimension]
        while waiting:
            one = waiting.pop()
            family.append(one.path)
            waiting += self._children[one.path]
        return family


def _is_met(child: Dimension, parent: Dimension, value: Any) -> bool:
    """Whether a parameter exists where the one that its condition looks at has this value."""
    return exists(child.parameter, {parent.path: value})


def key_of(values: Mapping[str, Any]) -> Key:
    """What two trials' values have in common only where they are the same, both as a space has them."""
    return frozenset((path, _identity(value)) for path, value in values.items())


def _identity(value: Any) -> Hashable:
    """What two JSON values have in common only where they are the same."""
    if isinstance(value, bool):
        return "true" if value else "false", None
    if isinstance(value, dict):
        return "map", frozenset((name, _identity(item)) for name, item in value.items())
    if isinstance(value, list):
        return "list", tuple(_identity(item) for item in value)
    return value if value is None or isinstance(value, int | float | str) else repr(value)


def _given(number: float | None) -> float:
    if number is None:
        raise TypeError("a Categorical parameter has values, no range")
    return number
