"""`steelyard list`: the TrainingJobs of a namespace and how they stand. Imports typer and the client."""

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
    table,
)

if TYPE_CHECKING:
    from steelyard.client import JobHandle


def list_jobs(
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="The jobs of all namespaces.")] = False,
    output: DocumentOption = DocumentFormat.TEXT,
) -> None:
    """Lists the jobs on a cluster: how far they are, how good and how small their models."""
    with connected(context, namespace) as client:
        jobs = client.list(all_namespaces=all_namespaces)
        where = "all namespaces" if all_namespaces else f"the namespace {client.namespace}"
    if output is not DocumentFormat.TEXT:
        print_object({"apiVersion": "v1", "kind": "List", "items": [job.document for job in jobs]}, output)
    elif not jobs:
        print(f"There are no TrainingJobs in {where}.")
    else:
        header = ["NAME", "PHASE", "PROGRESS", "METRIC", "SIZE", "AGE"]
        rows = [_row(job) for job in jobs]
        if all_namespaces:
            header.insert(0, "NAMESPACE")
            rows = [[job.namespace, *row] for job, row in zip(jobs, rows, strict=True)]
        print("\n".join(table(header, rows)))


def _row(job: "JobHandle") -> list[str]:
    status = job.status
    created = job.document["metadata"]["creationTimestamp"]
    return [
        job.name,
        status.phase or "Pending",
        status.progress or "",
        status.metric or "",
        status.size or "",
        age(created),
    ]
