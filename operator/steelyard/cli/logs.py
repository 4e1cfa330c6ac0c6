"""`steelyard logs`: what the workers of a job on a cluster wrote. Imports typer and the client."""

from typing import Annotated, Literal

import typer

from steelyard.api.errors import ConfigurationError
from steelyard.cli.cluster import ContextOption, JobArgument, NamespaceOption, connected


def logs(
    job: JobArgument,
    stage: Annotated[
        Literal["prepare", "train", "finish"] | None,
        typer.Option("--stage", help="Default: the last one that began; with -f all that begin from then on as well."),
    ] = None,
    worker: Annotated[
        int, typer.Option("--worker", metavar="N", min=0, help="Which of the stage's workers, from 0.")
    ] = 0,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job has ended, over all pods that carry it on.")
    ] = False,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Prints the log of a job on a cluster: its events as lines of JSON, and whatever else its program writes.

    A search has none itself: its trials are the jobs JOB-0, JOB-1 ..., beside JOB-data and JOB-best.
    """
    with connected(context, namespace) as client:
        from steelyard.client import SearchHandle

        handle = client.get(job)
        if isinstance(handle, SearchHandle):
            raise ConfigurationError(
                f"{job} is a search, which has no log itself; name one of its jobs: {job}-data, {job}-0, {job}-1 ..., "
                f"{job}-best, such as: steelyard logs {job}-0",
                reason="NoLog",
            )
        for line in handle.logs(stage, worker, follow=follow):
            print(line, flush=follow)
