"""The fields of a manifest, by its JSON schema: finding one, and saying in words what it allows. Imports pydantic only.

Errors and the reference speak through it, so that both say the same, and only what the models check.
"""

from functools import cache
from typing import Any, TypeAlias

from pydantic import BaseModel

Location: TypeAlias = tuple[str | int, ...]
"""Where pydantic found a mistake: fields, indices, keys, and its own marks for a union's branches and a map's keys."""

Node: TypeAlias = dict[str, Any]
"""A part of the schema."""

_LARGEST_SHOWN = 10**15


class Schema:
    """The schema of a model, with its references resolved one step at a time."""

    def __init__(self, root: type[BaseModel]) -> None:
        document = root.model_json_schema(by_alias=True)
        self._definitions: dict[str, Node] = document.get("$defs", {})
        self.root = self.resolve(document)

    def resolve(self, node: Node) -> Node:
        """What a node refers to, null aside; the node's own description and default stay."""
        if "$ref" in node:
            name = node["$ref"].rpartition("/")[2]
            return {**self._definitions[name], "name": name, **{k: v for k, v in node.items() if k != "$ref"}}
        branches = [branch for branch in node.get("anyOf", ()) if branch.get("type") != "null"]
        if len(branches) == 1:
            return {**self.resolve(branches[0]), **{k: v for k, v in node.items() if k != "anyOf"}}
        return {**node, "anyOf": branches} if branches else node

    def definition(self, node: Node) -> Node:
        """The definition that a resolved node referred to, with the model's own description; empty if to none."""
        return self._definitions.get(node.get("name", ""), {})

    def fields(self, node: Node) -> dict[str, Node]:
        """The fields of a map, as the manifest spells them; none for anything else."""
        return {name: self.resolve(field) for name, field in node.get("properties", {}).items()}

    def maps(self, node: Node) -> list[Node]:
        """The maps that a node may be: itself, or, of a union of several forms, those of them that are maps."""
        branches = [self.resolve(branch) for branch in node.get("oneOf", ())] or [node]
        return [branch for branch in branches if self.fields(branch)]

    def find(self, location: Location) -> tuple[str, Node]:
        """The dotted path of a location, and the schema's node there; an empty node where there is no such field."""
        path, holder, node = "", "", self.root
        for part in location:
            if part == "[key]":
                path = holder
            elif isinstance(part, int) and "items" in node:
                path, node = f"{path}[{part}]", self.resolve(node["items"])
            elif node.get("type") == "object" or not node:
                values = node.get("additionalProperties")
                below = self.fields(node).get(str(part)) or (self.resolve(values) if isinstance(values, dict) else {})
                holder, path, node = path, f"{path}.{part}" if path else str(part), below
            elif "oneOf" in node and part in self._definitions:
                node = self.resolve({"$ref": f"#/$defs/{part}"})
            # Anything else is pydantic's mark for the branch of a union.
        return path or "the manifest", node

    def paths(self) -> list[str]:
        """The dotted paths of all fields."""
        return self._paths("", self.root)

    def paths_of(self, name: str) -> list[str]:
        """The dotted paths of all fields of that name."""
        return [path for path in self.paths() if path.rpartition(".")[2] == name]

    def _paths(self, prefix: str, node: Node) -> list[str]:
        found: list[str] = []
        for name, field in self.fields(node).items():
            path = f"{prefix}.{name}" if prefix else name
            found += [path, *self._paths(path, field)]
            for items in self.maps(self.resolve(field["items"])) if "items" in field else ():
                found += self._paths(f"{path}[0]", items)
        return found

    def words(self, node: Node) -> str:
        """What a field allows, such as "a whole number from 1 to 256"."""
        if "discriminator" in node:
            names = ", ".join(node["discriminator"]["mapping"])
            return f"a map with the field {node['discriminator']['propertyName']} ({names}) and what goes with that"
        for union in ("anyOf", "oneOf"):
            if union in node:
                return " or ".join(self.words(self.resolve(branch)) for branch in node[union])
        if "enum" in node:
            return ", ".join(map(str, node["enum"]))
        if "const" in node:
            return str(node["const"])
        match node.get("type"):
            case "boolean":
                return "true or false"
            case "integer":
                return f"a whole number{_range(node)}"
            case "number":
                return f"a number{_range(node)}"
            case "string":
                # A pattern is for programs; whoever writes one says it in the field's description.
                is_described = "pattern" in node and "description" in node
                return one_line(node["description"]) if is_described else f"a text{length(node, 'characters')}"
            case "array":
                items = self.resolve(node["items"])
                each = f"one of {self.words(items)}" if "enum" in items else self.words(items)
                return f"a list{length(node, 'items', 'Items')}, each {each}"
        if fields := self.fields(node):
            which = "exactly one of the fields" if is_union(node) else "the field" if len(fields) == 1 else "the fields"
            return f"a map with {which} {', '.join(fields)}"
        if "additionalProperties" not in node:
            return "any value"
        if node["additionalProperties"] is True:
            return f"a map{length(node, 'entries', 'Properties')}"
        value = self.words(self.resolve(node["additionalProperties"]))
        return f"a map{length(node, 'entries', 'Properties')}, each {value}"


@cache
def schema_of(root: type[BaseModel]) -> Schema:
    """The schema of a model; made once."""
    return Schema(root)


def is_union(node: Node) -> bool:
    """Whether a map holds exactly one of its fields."""
    return node.get("maxProperties") == 1


def one_line(text: str) -> str:
    """A description on one line, without the full stop at its end."""
    return " ".join(text.split()).removesuffix(".")


def _range(node: Node) -> str:
    least, above = node.get("minimum"), node.get("exclusiveMinimum")
    most, below = node.get("maximum"), node.get("exclusiveMaximum")
    if least is not None and most is not None:
        return f" from {_figure(least)} to {_figure(most)}"
    lower = (
        f" of at least {_figure(least)}"
        if least is not None
        else f" above {_figure(above)}"
        if above is not None
        else ""
    )
    upper = f" at most {_figure(most)}" if most is not None else f" below {_figure(below)}" if below is not None else ""
    return f"{lower}{' and' if lower and upper else ''}{upper}"


def length(node: Node, unit: str, of: str = "Length") -> str:
    """The bounds of a text's, a list's or a map's length in words, after a blank; empty where there are none."""
    least, most = node.get(f"min{of}", 0), node.get(f"max{of}")
    if most is None:
        return f" of at least {least} {unit}" if least else ""
    if least == most:
        return f" of {most} {unit}"
    return f" of {least} to {most} {unit}" if least else f" of at most {most} {unit}"


def _figure(value: float) -> str:
    return f"{value:.15g}" if abs(value) < _LARGEST_SHOWN else f"{value:g}"
