"""Errors that are a user's to mend: each carries a reason, an exit code and a message that a person can act on.

Imports pydantic and the api only.
"""

import difflib
import errno
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from steelyard.api.fields import Node, Schema, schema_of
from steelyard.contract.errors import StageError
from steelyard.contract.stages import ExitCode, Reason
from steelyard.texts.own_lines import own_lines


class SteelyardError(StageError):
    """A failure that is explained to the user in one message, without a traceback, in a notebook neither."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows, in place of all the source that the error came through."""
        return own_lines(self)


class ConfigurationError(SteelyardError):
    """The manifest or the machine's set-up is at fault (exit code 78)."""

    def __init__(self, message: str, *, reason: str = Reason.INVALID_CONFIGURATION) -> None:
        super().__init__(message, reason=reason, exit_code=ExitCode.CONFIGURATION)


class DataError(SteelyardError):
    """The data is at fault (exit code 65)."""

    def __init__(self, message: str, *, reason: str = Reason.INVALID_DATA) -> None:
        super().__init__(message, reason=reason, exit_code=ExitCode.DATA)


MORE_ROOM_HERE = "free some, or use another --workspace"
MORE_ROOM_ON_A_CLUSTER = "give spec.workspace.storage more, or name a larger claim in spec.workspace.claimName"


def explain_os_error(error: OSError, more_room: str = MORE_ROOM_HERE) -> SteelyardError | None:
    """A full disk or a place that can't be written to, in a user's words; None for what is no user's mistake.

    `more_room` is what to do about a full disk.
    """
    where = f" at {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ConfigurationError(f"there is no room left on the disk{where}: {more_room}", reason=Reason.NO_SPACE)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ConfigurationError(
            f"{error.filename or 'a file'} can't be written or read by user {os.getuid()}: {error.strerror}",
            reason=Reason.NOT_WRITABLE,
        )
    return None


@dataclass(frozen=True)
class Problem:
    """One mistake in a manifest."""

    path: str
    """The field, from the manifest's root, such as spec.training.batchSize."""
    message: str
    """What was given and what is allowed."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class ManifestError(ConfigurationError):
    """A manifest that can't be accepted, with all its mistakes."""

    def __init__(self, problems: list[Problem], *, source: str = "the manifest", advice: Sequence[str] = ()) -> None:
        lines = [f"{source} is not valid:"] + [f"  {problem}" for problem in problems]
        lines += [f"  instead: {each}" for each in advice]
        super().__init__("\n".join(lines), reason=Reason.INVALID_MANIFEST)
        self.problems = problems


def problems_of(error: ValidationError, root: type[BaseModel]) -> list[Problem]:
    """Pydantic's errors in the words of the manifest, one per field."""
    problems: dict[str, list[str]] = {}
    for item in error.errors(include_url=False):
        path, message = _explain(dict(item), schema_of(root))
        messages = problems.setdefault(path, [])
        if message not in messages:
            messages.append(message)
    return [Problem(path, "; ".join(messages)) for path, messages in problems.items()]


def _explain(item: dict[str, Any], schema: Schema) -> tuple[str, str]:
    """The path and the message of one of pydantic's errors."""
    path, node = schema.find(item["loc"])
    context = item.get("ctx") or {}
    match item["type"]:
        case "extra_forbidden":
            return path, _explain_unknown(str(item["loc"][-1]), schema, schema.find(item["loc"][:-1])[1])
        case "missing":
            return path, f"this field is needed, but it is missing; allowed: {schema.words(node)}"
        case "cross_field":
            return f"{path}.{context['field']}" if item["loc"] else context["field"], item["msg"]
        case "exactly_one_of" | "nul":
            return path, item["msg"]
        case "union_tag_invalid" | "union_tag_not_found":
            return _explain_tag(path, node, context)
        case "invalid_key":
            holder = path.rpartition(".")[0] or "the manifest"
            return holder, f"{_shown(item['input'])} is no field's name; a name is a text"
    if item["loc"][-1:] == ("[key]",):
        return path, f"the key {_shown(item['input'])} is not allowed; it must be a text, in quotes"
    hint = "" if "anyOf" in node else _hint(item["type"], item["input"])
    return path, f"{_shown(item['input'])} is not allowed; allowed: {schema.words(node)}{hint}"


def _explain_tag(path: str, node: Node, context: dict[str, Any]) -> tuple[str, str]:
    """What to say of a map whose field that names its form is missing, or names none."""
    field, allowed = node["discriminator"]["propertyName"], ", ".join(node["discriminator"]["mapping"])
    given = (
        f"{_shown(context['tag'])} is not allowed" if "tag" in context else "this field is needed, but it is missing"
    )
    return f"{path}.{field}", f"{given}; allowed: {allowed}"


def _explain_unknown(name: str, schema: Schema, holder: Node) -> str:
    """What to say of a field that is not there: where a field of this name is, or the nearest name here."""
    names = list(schema.fields(holder))
    plain = {_plain(known): known for known in names}
    hint = ""
    if elsewhere := schema.paths_of(name):
        # What only a step of a recipe has is seldom meant where the whole manifest has it too.
        nearest = [path for path in elsewhere if "[" not in path] or elsewhere
        hint = f"did you mean {' or '.join(nearest[:3])}? "
    elif near := difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.6):
        hint = f"did you mean {plain[near[0]]}? "
    return f"there is no such field; {hint}allowed: {', '.join(names)}"


def _plain(name: str) -> str:
    """A name without what people spell differently: learning_rate, LearningRate and learningRate are one."""
    return name.replace("_", "").replace("-", "").lower()


def _hint(error_type: str, value: object) -> str:
    """What a YAML writer may not know about quotes."""
    if error_type == "string_type" and value is not None and not isinstance(value, dict | list):
        return "; put it in quotes"
    if error_type in ("int_type", "float_type") and isinstance(value, str) and value.replace(".", "", 1).isdigit():
        return "; without quotes"
    return ""


def _shown(value: object) -> str:
    """A value as a manifest would have it, shortened."""
    if value is None:
        return "nothing (null)"
    is_json = isinstance(value, str | bool | list | dict)
    text = json.dumps(value, ensure_ascii=False, default=str) if is_json else str(value)
    return text if len(text) <= 80 else text[:77] + "..."
