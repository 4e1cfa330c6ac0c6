"""Paths into a TrainingJob's spec, as parameters of a search name its fields (model.mlp.hiddenUnits.0): what one leads
to, and whether the template lets it be set. Imports the api only."""

import difflib
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError

from steelyard.api.base import refuse
from steelyard.api.fields import Node, is_union, schema_of
from steelyard.api.training_job import TrainingJobSpec


def put(spec: dict[str, Any], path: str, value: Any) -> None:
    """Puts a value where a path leads; maps that are not there yet, or are null, are made; null removes the field.

    Args:
        spec: JSON values; changed.
        path: names with dots between; an item of a list by its index, from 0.
        value: JSON values; a copy of it is put in.

    Raises:
        KeyError: the path leads through something that has no such field; the message says where.
    """
    *holders, last = path.split(".")
    target: Any = spec
    for position, name in enumerate(holders):
        index = _index(target, name, path, position)
        if isinstance(target, dict) and target.get(name) is None:
            target[name] = {}
        target = target[index]
    index = _index(target, last, path, len(holders))
    if value is None and isinstance(target, dict):
        target.pop(last, None)
    else:
        target[index] = deepcopy(value)


def _index(target: Any, name: str, path: str, position: int) -> Any:
    where = ".".join(path.split(".")[:position]) or "the spec"
    if isinstance(target, list):
        if not (name.isascii() and name.isdigit()) or int(name) >= len(target):
            raise KeyError(f"{where} is a list of {len(target)}; {name!r} is no index of it")
        return int(name)
    if not isinstance(target, dict):
        raise KeyError(f"{where} is {target!r}, which has no field {name!r}")
    return name


def get(spec: Any, path: str) -> Any:
    """The value where a path leads; None where there is none."""
    for name in path.split("."):
        if isinstance(spec, dict):
            spec = spec.get(name)
        elif isinstance(spec, list) and name.isascii() and name.isdigit() and int(name) < len(spec):
            spec = spec[int(name)]
        else:
            return None
    return spec


SEARCHED = ("model", "training")
"""The parts of a template that may be searched: all trials share what is prepared by the rest."""


@dataclass(frozen=True)
class Found:
    """Where a path leads: the schema's node, or why it leads nowhere."""

    node: Node
    error: PydanticCustomError | None = None


def find(path: str, template: dict[str, Any], field: str) -> Found:
    """What a path leads to.

    Args:
        path: as a parameter has it.
        template: the template's spec, as JSON values.
        field: what the error names.
    """
    names = path.split(".")
    if names[:3] == ["model", "entrypoint", "code"]:
        return Found({}, refuse(field, "'{path}' can't be searched, as all trials share the search's code", path=path))
    if names[0] not in SEARCHED or len(names) == 1:
        return Found({}, _outside(path, field))
    schema = schema_of(TrainingJobSpec)
    node: Node = schema.root
    given: Any = template
    for position, name in enumerate(names):
        holder = ".".join(names[:position])
        if "items" in node:
            if (error := _no_item(given, holder, name, field)) is not None:
                return Found({}, error)
            node, given = schema.resolve(node["items"]), given[int(name)]
            continue
        if is_union(node) and (error := _other_member(node, given, holder, name, field)) is not None:
            return Found({}, error)
        below = schema.fields(node).get(name)
        values = node.get("additionalProperties")
        if below is None and isinstance(values, dict):
            below = schema.resolve(values)
        if below is None:
            return Found({}, _unknown(path, template, field))
        node, given = below, given.get(name) if isinstance(given, dict) else None
    return Found(node)


def paths_of(template: dict[str, Any]) -> list[str]:
    """All paths that a parameter may have with this template, list items and maps' entries aside."""
    schema = schema_of(TrainingJobSpec)
    found: list[str] = []

    def add(prefix: str, node: Node, given: Any) -> None:
        given = given if isinstance(given, dict) else {}
        for name, below in schema.fields(node).items():
            if is_union(node) and given and given.get(name) is None:
                continue
            found.append(f"{prefix}.{name}")
            add(found[-1], below, given.get(name))

    for part in SEARCHED:
        add(part, schema.fields(schema.root)[part], template.get(part))
    return found


def _outside(path: str, field: str) -> PydanticCustomError:
    inner = path.removeprefix("spec.").removeprefix("template.")
    if inner != path and inner.partition(".")[0] in SEARCHED:
        return refuse(
            field, "'{path}' is to begin inside of the template; did you mean {inner}?", path=path, inner=inner
        )
    return refuse(
        field,
        "'{path}' can't be searched, as all trials share their data and their pods' shape; allowed: fields below model "
        "and training, such as training.optimizer.learningRate",
        path=path,
    )


def _no_item(given: Any, holder: str, name: str, field: str) -> PydanticCustomError | None:
    """What is wrong with an index; None where the template has such an item."""
    count = len(given) if isinstance(given, list) else 0
    if name in map(str, range(count)):
        return None
    if not count:
        return refuse(
            field, "the template gives no {holder}, so it has no item {name}; give it there", holder=holder, name=name
        )
    return refuse(
        field,
        "'{name}' is no item of {holder}, of which the template gives {count}; allowed: an index from 0 to {last}",
        name=name,
        holder=holder,
        count=count,
        last=count - 1,
    )


def _other_member(node: Node, given: Any, holder: str, name: str, field: str) -> PydanticCustomError | None:
    """What is wrong with a member of a union; None where it is the template's, or the template has none."""
    if not isinstance(given, dict) or name not in schema_of(TrainingJobSpec).fields(node):
        return None
    own = [member for member, value in given.items() if value is not None]
    if not own or name in own:
        return None
    return refuse(
        field,
        "the template has {holder}.{own}, so there is no {holder}.{name}; allowed: fields of {holder}.{own}",
        holder=holder,
        own=own[0],
        name=name,
    )


def _unknown(path: str, template: dict[str, Any], field: str) -> PydanticCustomError:
    """What to say of a path that leads nowhere: the fields of this name, else those that look most like it."""
    paths = paths_of(template)
    last = path.rpartition(".")[2].replace("_", "").lower()
    near = [known for known in paths if known.rpartition(".")[2].lower() == last]
    if near := near or difflib.get_close_matches(path, paths, n=3, cutoff=0.6):
        return refuse(field, "there is no field '{path}'; did you mean {near}?", path=path, near=" or ".join(near[:3]))
    return refuse(field, "there is no field '{path}'; allowed: {paths}", path=path, paths=", ".join(paths))
