"""`steelyard list`: the jobs and searches of a namespace and how they stand. Imports typer, the report and the
client."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.cluster import (
    ContextOption,
    DocumentFormat,
    DocumentOption,
    NamespaceOption,
    age,
    connected,
    print_object,
)
from steelyard.cli.output import section_lines
from steelyard.report.blocks import Section, Table

if TYPE_CHECKING:
    from steelyard.client import JobHandle, SearchHandle


def list_jobs(
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="The jobs of all namespaces.")] = False,
    trials: Annotated[bool, typer.Option("--trials", help="Also the jobs of searches: their trials.")] = False,
    output: DocumentOption = DocumentFormat.TEXT,
) -> None:
    """Lists the jobs and searches on a cluster: their progress, how good and how small their models are."""
    with connected(context, namespace) as client:
        jobs = client.list("TrainingJob", all_namespaces=all_namespaces)
        searches = client.list("TuningJob", all_namespaces=all_namespaces)
        where = "all namespaces" if all_namespaces else f"the namespace {client.namespace}"
    if not trials:
        jobs = [job for job in jobs if not job.is_of_a_search]
    if output is not DocumentFormat.TEXT:
        items = [job.document for job in jobs] + [search.document for search in searches]
        print_object({"apiVersion": "v1", "kind": "List", "items": items}, output)
        return
    tables = [_table(first, each, all_namespaces) for first, each in (("NAME", jobs), ("SEARCH", searches)) if each]
    print("\n".join(section_lines(Section("", tuple(tables)))) or f"There are no TrainingJobs in {where}.")


def _table(first: str, jobs: "Sequence[JobHandle | SearchHandle]", all_namespaces: bool) -> Table:
    header = (first, "PHASE", "PROGRESS", "METRIC", "SIZE", "AGE")
    if not all_namespaces:
        return Table(header, tuple(map(_row, jobs)))
    return Table(("NAMESPACE", *header), tuple((job.namespace, *_row(job)) for job in jobs))


def _row(job: "JobHandle | SearchHandle") -> tuple[str, ...]:
    status = job.status
    created = job.document["metadata"]["creationTimestamp"]
    return (
        job.name,
        status.phase or "Pending",
        status.progress or "",
        status.metric or "",
        status.size or "",
        age(created),
    )
