"""What the commands for a cluster share: options, the connection, documents, conditions and times. Imports typer, the
api and the report.

The client is imported when it is used: what it needs takes half a second to load, and other commands need none of it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from steelyard.api.errors import SteelyardError
from steelyard.api.status import StatusCondition
from steelyard.api.tuning_status import TuningCondition
from steelyard.contract.stages import Reason
from steelyard.report.blocks import Table

if TYPE_CHECKING:
    from steelyard.client import Client
    from steelyard.client.handle import Handle

PANEL = "On a cluster"
"""The commands' part of the help."""


class DocumentFormat(StrEnum):
    """How a command prints objects of the cluster."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


DocumentOption = Annotated[
    DocumentFormat,
    typer.Option("--output", "-o", help="text is for people, json and yaml are the objects.", show_choices=True),
]

ContextOption = Annotated[
    str | None,
    typer.Option("--context", metavar="NAME", help="The kubeconfig's context. Default: the current one."),
]

NamespaceOption = Annotated[
    str | None,
    typer.Option("--namespace", "-n", metavar="NAME", help="The namespace. Default: the context's."),
]

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The name of a TrainingJob or TuningJob.")]


@contextmanager
def connected(context: str | None, namespace: str | None) -> Iterator["Client"]:
    """A client; an interruption meanwhile is an end like another."""
    from steelyard.client import Client

    try:
        with Client.from_kubeconfig(context, namespace) as client:
            yield client
    except KeyboardInterrupt:
        raise SteelyardError("interrupted", reason=Reason.INTERRUPTED, exit_code=130) from None


def print_object(document: Mapping[str, Any], output: DocumentFormat) -> None:
    """Prints an object, without the server's book-keeping of who set which field."""
    document = _without_managed_fields(document)
    if output is DocumentFormat.YAML:
        print(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), end="")
    else:
        print(json.dumps(document, allow_nan=False), flush=True)


def _without_managed_fields(document: Any) -> Any:
    """The object, or the list of objects."""
    if "items" in document:
        return {**document, "items": [_without_managed_fields(item) for item in document["items"]]}
    metadata = {key: value for key, value in document.get("metadata", {}).items() if key != "managedFields"}
    return {**document, "metadata": metadata}


def conditions_table(conditions: Sequence[StatusCondition | TuningCondition]) -> tuple[Table, ...]:
    """How an object stands, as its conditions say; nothing where it has none."""
    rows = tuple(
        (each.type, each.status, each.reason, age(each.last_transition_time), each.message.replace("\n", " "))
        for each in conditions
    )
    return (Table(("CONDITION", "STATUS", "REASON", "AGE", "MESSAGE"), rows),) if rows else ()


def age(since: str | None, until: str | None = None) -> str:
    """The time from one timestamp to another, or to now: 45s, 3m, 2h, 5d; empty where it is not known."""
    if since is None:
        return ""
    end = datetime.fromisoformat(until) if until else datetime.now(UTC)
    seconds = max(0, int((end - datetime.fromisoformat(since)).total_seconds()))
    for unit, length, limit in (("s", 1, 120), ("m", 60, 7200), ("h", 3600, 172800)):
        if seconds < limit:
            return f"{seconds // length}{unit}"
    return f"{seconds // 86400}d"


def waiting_interrupted(handle: "Handle[Any]") -> SteelyardError:
    """What to say when a user ends the waiting for a job: the job itself goes on."""
    return SteelyardError(
        f"interrupted; the {handle.kind.name} {handle.name} runs on: the same command waits again, "
        f"`steelyard delete {handle.name} --namespace {handle.namespace}` ends it",
        reason=Reason.INTERRUPTED,
        exit_code=130,
    )
