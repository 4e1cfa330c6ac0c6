"""From a model to a structural schema; what none can say is an error."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from steelyard.api.base import ExactlyOneOf, Part
from steelyard.api.tuning import Choice
from steelyard.schema.structural import UnsayableError, structural_schema


class Inner(Part):
    """A part within."""

    size: Annotated[int, Field(ge=0, le=2**40)] = 3
    """How big."""


class Sayable(Part):
    """One field of each kind."""

    fraction: Annotated[float, Field(gt=0, lt=1)]
    """Between 0 and 1."""
    count: Annotated[int, Field(ge=-1, le=10)] = 7
    """How many."""
    large: int | None = None
    """Any number."""
    kind: Literal["A"] = "A"
    """What it is."""
    names: Annotated[list[Annotated[str, Field(max_length=3)]], Field(max_length=2)] = []
    """What they are called."""
    figures: Annotated[dict[Annotated[str, Field(min_length=1, max_length=9)], float], Field(max_length=4)] | None = (
        None
    )
    """By name."""
    anything: Annotated[dict[str, Any], Field(max_length=5)] | None = None
    """Whatever it is."""
    inner: Inner = Inner()
    """What is within."""
    choices: Annotated[list[Choice], Field(max_length=2)] = []
    """Whatever they are."""
    named: Annotated[dict[Annotated[str, Field(max_length=9)], Choice], Field(max_length=3)] | None = None
    """Whatever they are, by name."""
    merged: Annotated[list[Inner], Field(max_length=2, json_schema_extra={"x-kubernetes-list-type": "atomic"})] = []
    """A list with a mark of Kubernetes."""


def test_each_kind_of_field_is_said_as_a_structural_schema_says_it() -> None:
    schema = structural_schema(Sayable, "spec", {})
    fields = schema["properties"]
    assert schema["required"] == ["fraction"]
    assert "additionalProperties" not in schema
    exclusive = {"minimum": 0, "exclusiveMinimum": True, "maximum": 1, "exclusiveMaximum": True}
    assert exclusive.items() <= fields["fraction"].items()
    assert {"minimum": -1, "maximum": 10, "format": "int32", "default": 7}.items() <= fields["count"].items()
    assert fields["large"]["format"] == fields["inner"]["properties"]["size"]["format"] == "int64"
    assert "default" not in fields["large"] and "nullable" not in fields["large"]
    assert (fields["kind"]["type"], fields["kind"]["enum"]) == ("string", ["A"])
    assert fields["names"]["items"] == {"type": "string", "maxLength": 3}
    assert fields["figures"]["additionalProperties"] == {"type": "number"}
    assert (
        fields["figures"]["x-kubernetes-validations"][0]["rule"] == "self.all(key, key.size() >= 1 && key.size() <= 9)"
    )
    assert fields["anything"]["x-kubernetes-preserve-unknown-fields"] is True
    assert fields["choices"]["items"] == {"nullable": True, "x-kubernetes-preserve-unknown-fields": True}
    assert fields["named"] == {
        "description": "Whatever they are, by name.",
        "type": "object",
        "maxProperties": 3,
        "x-kubernetes-preserve-unknown-fields": True,
    }
    assert fields["inner"]["default"] == {"size": 3}
    assert fields["inner"]["description"] == "What is within. A part within."
    assert fields["merged"]["x-kubernetes-list-type"] == "atomic"


class OpenList(Part):
    items: list[Annotated[str, Field(max_length=1)]]
    """Without an end."""


class OpenItem(Part):
    items: Annotated[list[str], Field(max_length=1)]
    """Each without an end."""


class OpenMap(Part):
    values: dict[str, int]
    """Without an end."""


class NamedKeys(Part):
    values: Annotated[dict[Literal["a", "b"], int], Field(max_length=3)]
    """By one of a few names."""


class OpenText(Part):
    text: str
    """Without an end."""


class Mixed(Part):
    value: float | Annotated[str, Field(max_length=3)]
    """A number or a text."""


class Anything(Part):
    value: Any = None
    """Whatever."""


class Silent(Part):
    count: int = 0


class Pair(Part):
    pair: tuple[int, int]
    """Two numbers."""


class Unique(Part):
    names: Annotated[set[Annotated[str, Field(max_length=3)]], Field(max_length=3)]
    """Each once."""


class Even(Part):
    count: Annotated[int, Field(multiple_of=2)]
    """An even number."""


class Defaulted(ExactlyOneOf):
    a: Inner = Inner()
    """Always there."""


class Nested(Part):
    union: Defaulted | None = None
    """A union."""


class Different(Part):
    inner: Inner = Inner(size=4)
    """Not as Inner has it."""


class Endless(Part):
    next: "Endless | None" = None
    """Another one."""


UNSAYABLE = [
    (OpenList, "spec.items: a list needs a largest number of items"),
    (OpenItem, "spec.items[]: a text needs a largest length"),
    (OpenMap, "spec.values: a map needs a largest number of entries"),
    (NamedKeys, "spec.values: no rule is known for enum of a map's keys"),
    (OpenText, "spec.text: a text needs a largest length"),
    (Mixed, "spec.value: a structural schema can't say a union of number and string"),
    (Anything, "spec.value: a structural schema can't say the type None"),
    (Silent, "spec.count: a field needs a description"),
    (Pair, "spec.pair: a structural schema can't say prefixItems of array"),
    (Unique, "spec.names: a structural schema can't say uniqueItems of array"),
    (Even, "spec.count: a structural schema can't say multipleOf of integer"),
    (Nested, "spec.union.a: a member of a union that has a default is always given"),
    (Different, "spec.inner: the default differs from that of its fields"),
    (Endless, "spec.next: Endless lies within itself"),
]


@pytest.mark.parametrize(("model", "problem"), UNSAYABLE, ids=[model.__name__ for model, _ in UNSAYABLE])
def test_what_a_structural_schema_can_not_say_is_an_error(model: type[Part], problem: str) -> None:
    with pytest.raises(UnsayableError) as caught:
        structural_schema(model, "spec", {})
    assert str(caught.value).startswith(problem)
