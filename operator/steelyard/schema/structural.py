"""From a pydantic model to a structural schema, the kind that a CustomResourceDefinition takes. Imports the api and the
schema only.

What a structural schema can't say, and what must not be left open (a list without a bound, a field without a
description), is an error and never passed over: a CRD that says less than the models would let mistakes in.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from steelyard.api.fields import Node, Schema, is_union, schema_of
from steelyard.schema.cel import Rule, exactly_one_of, keys_within

_KEYWORDS = {
    "object": {"properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"enum", "const", "minLength", "maxLength", "pattern", "format"},
    "integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "boolean": set(),
}
# What every node may have: notes for people, and what `Schema.resolve` leaves of a reference.
_COMMON = {"type", "title", "description", "default", "name", "anyOf"}

# A field of any type, as Kubernetes has it; what it says of a text or of a map holds where the value is one.
_OPEN = ("nullable", "x-kubernetes-preserve-unknown-fields", "pattern", "required")

_LARGEST_INT32 = 2**31 - 1


class UnsayableError(TypeError):
    """A model holds what a structural schema can't say, or leaves open what must be bounded."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


def structural_schema(
    model: type[BaseModel], path: str, rules: Mapping[str, Sequence[Rule]], *, says_bounds: bool = True
) -> Node:
    """The schema of a model as a CRD has it: no references, no nulls, CEL rules where they belong.

    Args:
        model: its fields' docstrings become the descriptions.
        path: what to call the model in an error, such as `spec`.
        rules: the CEL rules of each model, by the name of its class.
        says_bounds: whether descriptions say which numbers are allowed; of no use where only a program writes.

    Raises:
        UnsayableError: with the path of the field at fault.
    """
    schema = schema_of(model)
    root = {key: value for key, value in schema.root.items() if key != "$defs"}
    return _Converter(schema, rules, says_bounds).convert({**root, "name": model.__name__}, path)


class _Converter:
    def __init__(self, schema: Schema, rules: Mapping[str, Sequence[Rule]], says_bounds: bool) -> None:
        self._schema = schema
        self._rules = rules
        self._says_bounds = says_bounds
        self._within: list[str] = []

    def convert(self, node: Node, path: str) -> Node:
        """The structural form of a resolved node."""
        kind = node.get("type")
        if _is_open(node):
            return {**self._described(node), **{key: node[key] for key in node if key in _OPEN}}
        if kind not in _KEYWORDS:
            branches = [branch.get("type", "?") for branch in node.get("anyOf", ())]
            said = f"a union of {' and '.join(branches)}" if branches else f"the type {kind}"
            raise UnsayableError(path, f"a structural schema can't say {said}; give each its own field")
        extensions = {key: value for key, value in node.items() if key.startswith("x-kubernetes-")}
        if unknown := set(node) - _COMMON - _KEYWORDS[kind] - set(extensions):
            raise UnsayableError(path, f"a structural schema can't say {', '.join(sorted(unknown))} of {kind}")
        converted = {**self._described(node), "type": kind, **extensions}
        match kind:
            case "object":
                converted |= self._object(node, path)
            case "array":
                converted |= self._array(node, path)
            case "string":
                converted |= _string(node, path)
            case "integer" | "number":
                converted |= _number(node)
        if node.get("default") is not None:
            converted["default"] = _default(node["default"], converted, path)
        return converted

    def _described(self, node: Node) -> Node:
        """What the field is for, then what its type is, once where one says it all; then what `kubectl explain` does
        not show of a schema: bounds and default."""
        texts = [node.get("description"), self._schema.definition(node).get("description")]
        said = list(dict.fromkeys(" ".join(text.split()) for text in texts if text))
        if len(said) == 2 and said[1].startswith(said[0].removesuffix(".")):
            said = said[1:]
        if said and node.get("type") in ("integer", "number") and self._says_bounds:
            said.append(f"Allowed: {self._schema.words(node)}.")
        if said and node.get("default") is not None and not isinstance(node["default"], dict):
            said.append(f"Default: {json.dumps(node['default'])}.")
        return {"description": " ".join(said)} if said else {}

    def _object(self, node: Node, path: str) -> Node:
        if "properties" in node:
            return self._fields(node, path)
        if "maxProperties" not in node:
            raise UnsayableError(path, "a map needs a largest number of entries (max_length)")
        bounds = _kept(node, "minProperties", "maxProperties")
        # Rules see neither the keys nor the values of a map of values of any type.
        if node["additionalProperties"] is True or _is_open(node["additionalProperties"]):
            return {**bounds, "x-kubernetes-preserve-unknown-fields": True}
        values = self.convert(self._schema.resolve(node["additionalProperties"]), f"{path}.*")
        return {**bounds, "additionalProperties": values, **_validations(_keys(node, path))}

    def _fields(self, node: Node, path: str) -> Node:
        name = str(node["name"])
        if name in self._within:
            raise UnsayableError(path, f"{name} lies within itself; a structural schema ends somewhere")
        self._within.append(name)
        fields = {field: self._field(value, f"{path}.{field}") for field, value in self._schema.fields(node).items()}
        self._within.pop()
        rules = list(self._rules.get(name, ()))
        converted: Node = {"properties": fields, **_kept(node, "required")}
        if is_union(node):
            for field, value in fields.items():
                if "default" in value:
                    raise UnsayableError(f"{path}.{field}", "a member of a union that has a default is always given")
            rules = [*exactly_one_of(list(fields)), *rules]
        return {**converted, **_validations(rules, node.get("required", ()))}

    def _field(self, node: Node, path: str) -> Node:
        converted = self.convert(node, path)
        if "description" not in converted:
            raise UnsayableError(path, "a field needs a description (a docstring below it)")
        return converted

    def _array(self, node: Node, path: str) -> Node:
        if "maxItems" not in node:
            raise UnsayableError(path, "a list needs a largest number of items (max_length)")
        bounds = _kept(node, "minItems", "maxItems")
        return {**bounds, "items": self.convert(self._schema.resolve(node["items"]), f"{path}[]")}


def _is_open(node: Node) -> bool:
    """Whether it may be of any type."""
    return "type" not in node and bool(node.get("x-kubernetes-preserve-unknown-fields"))


def _keys(node: Node, path: str) -> list[Rule]:
    """The rule for a map's keys, where the model bounds them."""
    keys = node.get("propertyNames", {})
    if unknown := set(keys) - {"minLength", "maxLength"}:
        raise UnsayableError(path, f"no rule is known for {', '.join(sorted(unknown))} of a map's keys")
    return [keys_within(keys.get("minLength", 0), keys["maxLength"])] if "maxLength" in keys else []


def _string(node: Node, path: str) -> Node:
    if "enum" in node or "const" in node:
        return {"enum": node.get("enum", [node.get("const")])}
    if "maxLength" not in node:
        raise UnsayableError(path, "a text needs a largest length (max_length)")
    return _kept(node, "minLength", "maxLength", "pattern", "format")


def _number(node: Node) -> Node:
    """OpenAPI 3.0 has a bound and a mark that it is itself excluded; JSON Schema has two kinds of bounds."""
    converted: Node = {}
    for bound in ("minimum", "maximum"):
        exclusive = f"exclusive{bound.capitalize()}"
        if exclusive in node:
            converted |= {bound: node[exclusive], exclusive: True}
        elif bound in node:
            converted[bound] = node[bound]
    if node["type"] == "integer":
        fits = {"minimum", "maximum"} <= set(converted) and converted["maximum"] <= _LARGEST_INT32
        converted["format"] = "int32" if fits and converted["minimum"] >= -_LARGEST_INT32 - 1 else "int64"
    return converted


def _default(default: Any, converted: Node, path: str) -> Any:
    """A default as the API server wants it: without nulls, and whole, as rules are tried on it alone. What a map's
    default does not say, its fields' own defaults would add: so both must be the same."""
    default = _without_nulls(default)
    if isinstance(default, dict) and default != _own_default(converted):
        raise UnsayableError(path, "the default differs from that of its fields; say it at the fields")
    return default


def _own_default(converted: Node) -> Any:
    """What the API server makes of an empty map."""
    if converted["type"] != "object":
        return converted["default"]
    fields = converted.get("properties", {})
    return {name: _own_default(field) for name, field in fields.items() if "default" in field}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return value


def _kept(node: Node, *keywords: str) -> Node:
    return {key: node[key] for key in keywords if key in node}


def _validations(rules: Sequence[Rule], required: Sequence[str] = ()) -> Node:
    return {"x-kubernetes-validations": [rule.to_json(required) for rule in rules]} if rules else {}
