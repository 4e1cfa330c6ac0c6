"""Paths into a TrainingJob's spec, as parameters of a search name its fields: model.mlp.hiddenUnits.0. Imports the api
only."""

from copy import deepcopy
from typing import Any


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
