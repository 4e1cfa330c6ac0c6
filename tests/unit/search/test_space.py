"""The space of a search: its values, its combinations and their order, and when two trials' values are the same."""

import itertools
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import ParameterGrid

from steelyard.api.tuning import Parameter
from steelyard.search.log import Entry, Values
from steelyard.search.space import Space
from steelyard.search.values import contains


def space_of(*parameters: dict[str, Any]) -> Space:
    return Space([Parameter.model_validate(parameter) for parameter in parameters])


def every(space: Space) -> list[Values]:
    assert space.combinations is not None
    return [space.combination(place) for place in range(space.combinations)]


def test_combinations_come_in_the_order_of_parameter_grid() -> None:
    grid = {"model.c": [True, None, "a"], "model.a": [1, 2], "training.b": [0.5, 0.25, 4]}
    space = space_of(*({"path": path, "type": "Categorical", "values": values} for path, values in grid.items()))

    assert every(space) == list(ParameterGrid(grid))


def test_the_order_of_the_manifest_does_not_matter_to_grid() -> None:
    one, other = ({"path": path, "type": "Int", "min": 1, "max": 3} for path in ("x", "y"))

    assert every(space_of(one, other)) == every(space_of(other, one))


def test_combinations_that_a_condition_makes_equal_are_one() -> None:
    space = space_of(
        {"path": "b", "type": "Categorical", "values": ["SGD", "Adam"]},
        {"path": "a", "type": "Int", "min": 1, "max": 2, "when": {"path": "b", "values": ["SGD"]}},
    )

    assert every(space) == [{"a": 1, "b": "SGD"}, {"b": "Adam"}, {"a": 2, "b": "SGD"}]


@st.composite
def forests(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Parameters that may depend on each other, in any order."""
    parameters: list[dict[str, Any]] = []
    for name in draw(st.permutations("abcde"))[: draw(st.integers(1, 5))]:
        parameter = {"path": name, "type": "Categorical", "values": [0, 1, 2][: draw(st.integers(1, 3))]}
        if parameters and draw(st.booleans()):
            parent = draw(st.sampled_from(parameters))
            values = draw(st.lists(st.sampled_from(parent["values"]), min_size=1, unique=True))
            parameter["when"] = {"path": parent["path"], "values": values}
        parameters.append(parameter)
    return draw(st.permutations(parameters))


@settings(max_examples=150)
@given(forests())
def test_combinations_are_the_product_without_what_does_not_exist(parameters: list[dict[str, Any]]) -> None:
    space = space_of(*parameters)
    names = sorted(parameter["path"] for parameter in parameters)
    choices = {parameter["path"]: parameter["values"] for parameter in parameters}
    expected: list[Values] = []
    for row in itertools.product(*(choices[name] for name in names)):
        whole = dict(zip(names, row, strict=True))
        values = {path: whole[path] for path in whole if path in space.active(whole)}
        if values not in expected:
            expected.append(values)

    assert every(space) == expected
    assert len(expected) == space.combinations
    assert all(space.contains(values) for values in expected)


def test_a_large_space_is_counted_and_not_listed() -> None:
    numbers = [{"path": f"x{place:02}", "type": "Int", "min": 0, "max": 99_999} for place in range(30)]
    flag = {"path": "flag", "type": "Categorical", "values": [True, False]}
    last = {"path": "y", "type": "Int", "min": 1, "max": 9, "when": {"path": "flag", "values": [True]}}

    assert space_of(*numbers).combinations == 100_000**30
    assert space_of(*numbers).combination(100_000**30 - 1) == {f"x{place:02}": 99_999 for place in range(30)}
    assert space_of(*numbers, flag, last).combinations == 100_000**30 * 10
    assert space_of({"path": "x", "type": "Double", "min": 0, "max": 1}, flag).combinations is None


@pytest.mark.parametrize("size", (6, 11))
@pytest.mark.parametrize("named", ([0], [3], [2, 5], [0, 1, 4]))
def test_values_that_no_condition_names_are_counted_together(size: int, named: list[int]) -> None:
    for names in itertools.permutations("abc"):
        parameters = [
            {"path": names[0], "type": "Int", "min": 0, "max": size - 1},
            {"path": names[1], "type": "Int", "min": 1, "max": 4, "when": {"path": names[0], "values": named}},
            {"path": names[2], "type": "Int", "min": 1, "max": 3, "when": {"path": names[1], "values": [3, 1]}},
        ]
        space = space_of(*parameters)
        expected: list[Values] = []
        choices = {names[0]: range(size), names[1]: range(1, 5), names[2]: range(1, 4)}
        for row in itertools.product(*(choices[name] for name in "abc")):
            whole = dict(zip("abc", row, strict=True))
            values = {path: whole[path] for path in whole if path in space.active(whole)}
            if values not in expected:
                expected.append(values)

        assert every(space) == expected
        assert len(expected) == size - len(named) + len(named) * (2 + 2 * 3)


@pytest.mark.parametrize("child", ("a", "z"))
def test_a_condition_on_millions_of_values_visits_those_that_it_names(child: str) -> None:
    most = 2**32 - 1
    space = space_of(
        {"path": "seed", "type": "Int", "min": 0, "max": most},
        {"path": child, "type": "Int", "min": 1, "max": 3, "when": {"path": "seed", "values": [7, most]}},
        {"path": "c", "type": "Int", "min": 1, "max": 2, "when": {"path": child, "values": [3]}},
    )
    last = {"seed": most, child: 3, "c": 2}

    assert space.combinations == most - 1 + 2 * (2 + 2)
    asked = [space.combination(place) for place in (0, 7, 8, 2**31, space.combinations - 1)]
    assert all(space.contains(values) for values in asked)
    assert asked[-1] == last
    assert len({space.key(values) for values in asked}) == 5


@pytest.mark.parametrize(
    ("parameter", "choices"),
    (
        ({"type": "Int", "min": -3, "max": 12}, list(range(-3, 13))),
        ({"type": "Int", "min": 1, "max": 64, "log": True}, list(range(1, 65))),
        ({"type": "Int", "min": 16, "max": 120, "step": 16}, [16, 32, 48, 64, 80, 96, 112]),
        ({"type": "Double", "min": 0.1, "max": 0.95, "step": 0.1}, [0.1 + index * 0.1 for index in range(9)]),
        (
            {"type": "Categorical", "values": [None, True, 1, "1", [1, 2], {"a": 1}]},
            [None, True, 1, "1", [1, 2], {"a": 1}],
        ),
    ),
)
def test_finitely_many_values_are_those_of_the_manifest_and_each_has_its_place(
    parameter: dict[str, Any], choices: list[Any]
) -> None:
    space = space_of({"path": "x", **parameter})

    assert [values["x"] for values in every(space)] == choices
    assert [space.at(space.units(values))["x"] for values in every(space)] == choices
    assert {repr(space.at([place / 5000])["x"]) for place in range(5001)} == set(map(repr, choices))


@pytest.mark.parametrize("is_log", (False, True))
@given(unit=st.floats(0, 1))
def test_a_range_is_covered_to_its_ends_and_no_further(is_log: bool, unit: float) -> None:
    space = space_of({"path": "x", "type": "Double", "min": 0.0003, "max": 0.7, "log": is_log})
    value = space.at([unit])["x"]

    assert 0.0003 <= value <= 0.7
    assert space.at(space.units({"x": value})) == {"x": value}
    assert space.units({"x": value})[0] == pytest.approx(unit, abs=1e-7)
    assert len(repr(value)) <= 14, "the log has little room"
    assert (space.at([0.0])["x"], space.at([1.0])["x"]) == (0.0003, 0.7)


def test_a_range_far_from_zero_and_narrow_keeps_its_values_apart() -> None:
    for is_log in (False, True):
        space = space_of({"path": "x", "type": "Double", "min": 1000.0, "max": 1000.001, "log": is_log})
        assert len({space.at([place / 1000])["x"] for place in range(1001)}) == 1001


def test_true_is_not_1_and_1_is_1_0() -> None:
    space = space_of({"path": "x", "type": "Categorical", "values": [1, True, "1", [1], [2], None]})
    keys = [space.key(values) for values in every(space)]

    assert len(set(keys)) == 6
    assert space.key({"x": 1.0}) == keys[0]
    assert space.key({}) not in keys
    assert space.by_path["x"].index(True) == 1


def test_values_survive_the_log() -> None:
    parameters = [
        Parameter(path="a", type="Double", min=1e-5, max=1, log=True),
        Parameter(path="b", type="Double", min=0.1, max=0.9, step=0.1),
        Parameter(path="c", type="Categorical", values=[None, True, 1]),
    ]
    space = Space(parameters)
    for place in range(200):
        values = space.at([place / 199, (place * 7 % 100) / 99, (place * 13 % 100) / 99])
        assert Entry.decode(Entry(0, values, "Complete", 0.5).encode(parameters), parameters).values == values


def test_a_value_as_a_user_wrote_it_is_the_space_s_own() -> None:
    space = space_of(
        {"path": "a", "type": "Double", "min": 0.1, "max": 0.3, "step": 0.1},
        {"path": "b", "type": "Int", "min": 0, "max": 2_000_000, "step": 1_000_000},
    )
    own = space.normal({"a": 0.3, "b": 1_000_000.0})

    assert own == {"a": 0.1 + 2 * 0.1, "b": 1_000_000}
    assert type(own["b"]) is int
    assert space.contains(own)
    # As far from its step as the manifest's rule allows.
    far = Parameter(path="c", type="Double", min=0, max=2e6, step=1e6)
    assert contains(far, 1e-4)
    assert Space([far]).normal({"c": 1e-4}) == {"c": 0}


@pytest.mark.parametrize("value", (0.35, 0.4, "0.1", True, None, [0.1]))
def test_a_value_that_is_none_is_refused(value: Any) -> None:
    space = space_of({"path": "a", "type": "Double", "min": 0.1, "max": 0.3, "step": 0.1})

    with pytest.raises(ValueError, match=f"a never has the value {re.escape(repr(value))}"):
        space.normal({"a": value})


def test_a_condition_counts_the_combinations_that_the_manifest_s_rule_counts() -> None:
    parameters = [
        Parameter.model_validate(parameter)
        for parameter in (
            {"path": "a", "type": "Double", "min": 0.1, "max": 0.3, "step": 0.1},
            {"path": "b", "type": "Int", "min": 1, "max": 2, "when": {"path": "a", "values": [0.3]}},
        )
    ]
    space = Space(parameters)

    assert len(every(space)) == space.combinations == 4
    assert space.contains({"a": 0.3, "b": 1})
    assert space.contains({"a": 0.1 + 2 * 0.1, "b": 1})
    assert not space.contains({"a": 0.2, "b": 1})


@pytest.mark.parametrize(
    "values",
    (
        {"a": 1},
        {"a": 1, "b": 2, "c": 3},
        {"b": 2},
        {"a": 1.5, "b": 2},
        {"a": True, "b": 2},
        {"a": 9, "b": 2},
        {"a": 2, "b": 2},
    ),
)
def test_values_outside_of_the_space(values: Values) -> None:
    space = space_of(
        {"path": "a", "type": "Int", "min": 0, "max": 2},
        {"path": "b", "type": "Int", "min": 0, "max": 2, "when": {"path": "a", "values": [0, 1]}},
    )

    assert space.contains({"a": 1, "b": 2})
    assert space.contains({"a": 2})
    assert not space.contains(values)


@pytest.mark.parametrize("value", (10**400, -(10**400), float("nan"), float("inf"), True, "0.2", None, [0.2]), ids=repr)
@pytest.mark.parametrize(
    "parameter",
    ({"type": "Int", "min": 0, "max": 9}, {"type": "Double", "min": 0.1, "max": 0.3, "step": 0.1}),
    ids=("Int", "Double"),
)
def test_what_is_no_number_of_a_range_has_no_place_in_it(parameter: dict[str, Any], value: Any) -> None:
    (dimension,) = space_of({"path": "x", **parameter}).dimensions
    assert dimension.index(value) is None and not contains(dimension.parameter, value)


def test_the_last_step_is_one_though_it_is_more_than_max_in_its_last_bit() -> None:
    (dimension,) = space_of({"path": "x", "type": "Double", "min": 0.1, "max": 0.3, "step": 0.1}).dimensions
    assert dimension.item(2) == 0.1 + 2 * 0.1 > 0.3
    assert dimension.index(dimension.item(2)) == dimension.index(0.3) == 2 and contains(dimension.parameter, 0.3)
    assert contains(dimension.parameter, dimension.item(2)) and dimension.index(0.4) is None
