"""`steelyard status`: how a job on a cluster stands, and what came out. Imports typer, the api, the report
and the client."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from steelyard.api.status import StageStatus
from steelyard.cli.cluster import (
    ContextOption,
    DocumentFormat,
    DocumentOption,
    JobArgument,
    NamespaceOption,
    age,
    conditions_table,
    connected,
    print_object,
)
from steelyard.cli.fitting import figures
from steelyard.cli.outcome import standing_section
from steelyard.cli.output import section_lines
from steelyard.cli.search_status import search_section
from steelyard.report.blocks import Section, Table
from steelyard.report.outcome import Row
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
        print("\n".join(section_lines(_section(handle))))
    else:
        print_object(handle.document, output)


def _section(handle: "JobHandle | SearchHandle") -> Section:
    from steelyard.client import SearchHandle

    return search_section(handle) if isinstance(handle, SearchHandle) else job_section(handle)


def job_section(handle: "JobHandle") -> Section:
    """A job for a person."""
    from steelyard.client.outcome import condition, standing

    found = handle.status
    created = handle.document["metadata"]["creationTimestamp"]
    rows: list[Row] = [
        ("job", ((f"{handle.namespace}/{handle.name}", f"{age(created)} old"),)),
        ("phase", ((standing(found),),)),
    ]
    rows += [("metric", ((found.metric,),))] if found.metric and found.model is None else []
    rows += [("disruptions", ((str(found.disruptions),),))] if found.disruptions else []
    tables = [*_stages(found.stages), *conditions_table(found.conditions)]
    is_published = condition(found, "Complete") is not None and found.model is not None and found.model.published
    following = [f"steelyard fetch {handle.name} DIR --namespace {handle.namespace}"] if is_published else []
    return standing_section(rows, found.model, tables, following)


def _stages(stages: Sequence[StageStatus]) -> tuple[Table, ...]:
    rows = tuple(map(_stage, stages))
    return (Table(("STAGE", "STATE", "WORKERS", "TIME", "FIGURES"), rows),) if rows else ()


def _stage(stage: StageStatus) -> tuple[str, ...]:
    """A row of the stages' table."""
    state = "runs"
    if stage.completion_time is not None:
        state = f"done: {stage.message}" if stage.message else "done"
    elif stage.total:
        state = f"{stage.done or 0:,}/{stage.total:,} {stage.unit or ''}".rstrip()
    if stage.restarts:
        state += f", resumed {times(stage.restarts)}"
    return (
        stage.name,
        state,
        str(stage.workers),
        age(stage.start_time, stage.completion_time),
        figures(stage.values or {}),
    )
