"""Errors that are a user's to mend: each carries a reason, an exit code and a message that a person can act on.

Imports pydantic and the api only.
"""

import difflib
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from steelyard.api.contract import ExitCode, Reason


class SteelyardError(Exception):
    """A failure that is explained to the user in one message, without a traceback."""

    def __init__(self, message: str, *, reason: str, exit_code: int) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.exit_code = int(exit_code)


class ConfigurationError(SteelyardError):
    """The manifest or the machine's set-up is at fault (exit code 78)."""

    def __init__(self, message: str, *, reason: str = Reason.INVALID_CONFIGURATION) -> None:
        super().__init__(message, reason=reason, exit_code=ExitCode.CONFIGURATION)


class DataError(SteelyardError):
    """The data is at fault (exit code 65)."""

    def __init__(self, message: str, *, reason: str = Reason.INVALID_DATA) -> None:
        super().__init__(message, reason=reason, exit_code=ExitCode.DATA)


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

    def __init__(self, problems: list[Problem], *, source: str = "the manifest") -> None:
        lines = [f"{source} is not valid:"] + [f"  {problem}" for problem in problems]
        super().__init__("\n".join(lines), reason=Reason.INVALID_MANIFEST)
        self.problems = problems


def problems_of(error: ValidationError, root: type[BaseModel]) -> list[Problem]:
    """Pydantic's errors in the words of the manifest, one per field."""
    problems: dict[str, list[str]] = {}
    for item in error.errors(include_url=False):
        path, message = _explain(dict(item), root)
        messages = problems.setdefault(path, [])
        if message not in messages:
            messages.append(message)
    return [Problem(path, "; or ".join(messages)) for path, messages in problems.items()]


def _explain(item: dict[str, Any], root: type[BaseModel]) -> tuple[str, str]:
    location = _without_union_branches(item["loc"], root)
    context = item.get("ctx") or {}
    given = _shown(item["input"])
    match item["type"]:
        case "extra_forbidden":
            names = _field_names(root, location[:-1])
            near = difflib.get_close_matches(str(location[-1]), names, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            return _dotted(location), f"there is no such field; {hint}allowed: {', '.join(names)}"
        case "missing":
            return _dotted(location), "this field is needed, but it is missing"
        case "cross_field":
            return _dotted((*location, context["field"])), item["msg"]
        case "string_pattern_mismatch":
            return _dotted(location), f"{given} is not a valid name; it must match {context['pattern']}"
        case "literal_error":
            return _dotted(
                location
            ), f"{given} is not allowed; allowed: {str(context['expected']).replace(' or ', ', ')}"
        case "model_type" | "dict_type":
            return _dotted(location), f"{given} is not what belongs here; a map of fields is"
    allowed = item["msg"].removeprefix("Input ").replace("should be", "must be")
    return _dotted(location), f"{given} is not allowed; it {allowed}" if allowed.startswith(
        "must"
    ) else f"{given}: {item['msg']}"


def _dotted(location: tuple[str | int, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the manifest"


def _shown(value: object) -> str:
    text = "nothing (null)" if value is None else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _without_union_branches(location: tuple[str | int, ...], root: type[BaseModel]) -> tuple[str | int, ...]:
    """The location less what pydantic adds for a union's branches and a map's keys ('float', 'constrained-str', '[key]')."""
    kept: list[str | int] = []
    for position, part in enumerate(location):
        if position == len(location) - 1 or isinstance(part, int) or _model_at(root, tuple(kept)) is not None:
            kept.append(part)
    if (
        kept
        and _model_at(root, tuple(kept[:-1])) is None
        and not isinstance(kept[-1], int)
        and _is_branch(str(kept[-1]))
    ):
        kept.pop()
    return tuple(kept)


def _is_branch(part: str) -> bool:
    return part in {"int", "float", "str", "bool", "[key]"} or part.startswith(("constrained-", "list[", "dict["))


def _model_at(root: type[BaseModel], location: tuple[str | int, ...]) -> type[BaseModel] | None:
    model: type[BaseModel] | None = root
    for part in location:
        if isinstance(part, int):
            continue
        info = next((i for n, i in model.model_fields.items() if part in (n, i.alias)), None) if model else None
        model = _model_in(info.annotation) if info else None
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for argument in get_args(annotation) if (found := _model_in(argument))), None)


def _field_names(root: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    model = _model_at(root, location)
    return [info.alias or name for name, info in model.model_fields.items()] if model else []
