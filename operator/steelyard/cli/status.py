"""`steelyard status`: how a job on a cluster stands, and what came out. Imports typer, the api and the client."""

from typing import TYPE_CHECKING

from steelyard.api.status import ModelStatus, StageStatus, TrainingJobStatus
from steelyard.cli.cluster import (
    ContextOption,
    DocumentFormat,
    DocumentOption,
    JobArgument,
    NamespaceOption,
    age,
    connected,
    print_object,
    table,
)
from steelyard.cli.fitting import figures
from steelyard.cli.outcome import outcome_lines, summary_of
from steelyard.cli.search_status import describe_search
from steelyard.texts.figures import times

if TYPE_CHECKING:
    from steelyard.client import JobHandle, SearchHandle


def status(
    job: JobArgument,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    output: DocumentOption = DocumentFormat.TEXT,
) -> None:
    """Shows how a job stands: its stages, its conditions, and the model with all candidates.

    For a search: the trials so far, and the best of them.
    """
    with connected(context, namespace) as client:
        handle = client.get(job)
    if output is DocumentFormat.TEXT:
        print("\n".join(_described(handle)))
    else:
        print_object(handle.document, output)


def _described(handle: "JobHandle | SearchHandle") -> list[str]:
    from steelyard.client import SearchHandle

    return describe_search(handle) if isinstance(handle, SearchHandle) else describe(handle)


def describe(handle: "JobHandle") -> list[str]:
    """A job for a person, line by line."""
    from steelyard.client.outcome import condition, standing

    found = handle.status
    created = handle.document["metadata"]["creationTimestamp"]
    lines = [
        f"job         {handle.namespace}/{handle.name}, {age(created)} old",
        f"phase       {standing(found)}",
    ]
    lines += [f"metric      {found.metric}"] if found.metric and found.model is None else []
    lines += [f"disruptions {found.disruptions}"] if found.disruptions else []
    if found.model is not None:
        lines += model_lines(found.model)
    if found.stages:
        lines += ["", *table(["STAGE", "STATE", "WORKERS", "TIME", "FIGURES"], [_stage(each) for each in found.stages])]
    if found.conditions:
        lines += ["", *table(["CONDITION", "STATUS", "REASON", "AGE", "MESSAGE"], _conditions(found))]
    if condition(found, "Complete") is not None and found.model is not None and found.model.published:
        lines += ["", "next:", f"  steelyard fetch {handle.name} DIR --namespace {handle.namespace}"]
    return lines


def model_lines(model: ModelStatus) -> list[str]:
    """What came out, as `steelyard run` shows it."""
    return outcome_lines(summary_of(model), model.published or [])


def _stage(stage: StageStatus) -> list[str]:
    """A row of the stages' table."""
    state = "runs"
    if stage.completion_time is not None:
        state = f"done: {stage.message}" if stage.message else "done"
    elif stage.total:
        state = f"{stage.done or 0:,}/{stage.total:,} {stage.unit or ''}".rstrip()
    if stage.restarts:
        state += f", resumed {times(stage.restarts)}"
    return [
        stage.name,
        state,
        str(stage.workers),
        age(stage.start_time, stage.completion_time),
        figures(stage.values or {}),
    ]


def _conditions(found: TrainingJobStatus) -> list[list[str]]:
    return [
        [each.type, each.status, each.reason, age(each.last_transition_time), each.message.replace("\n", " ")]
        for each in found.conditions
    ]
