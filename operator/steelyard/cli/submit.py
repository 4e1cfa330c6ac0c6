"""`steelyard submit`: a manifest to a job on a cluster. Imports typer, rich, local, planning, api and client."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from steelyard.api.errors import SteelyardError
from steelyard.api.status import TrainingJobStatus
from steelyard.api.training_job import TrainingJob
from steelyard.api.tuning_job import TuningJob
from steelyard.cli.cluster import ContextOption, NamespaceOption
from steelyard.cli.display import display
from steelyard.cli.outcome import model_lines, summary_of
from steelyard.cli.output import ManifestArgument, OutputFormat, OutputOption, SetOption, print_not_begun
from steelyard.cli.search_submit import SearchSubmission
from steelyard.cli.submission import Submission
from steelyard.contract.events import Event, Report, RunEnded
from steelyard.planning import plan
from steelyard.search.manifest import load_manifest

if TYPE_CHECKING:
    from steelyard.client import Client, JobHandle


def submit(
    file: ManifestArgument,
    overrides: SetOption = None,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Wait for the job's end, show how far it is, and end with the code of `run`."),
    ] = False,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Creates a job on a cluster, after the checks of `validate`. An identical job that is already there is left alone.

    With --wait, Ctrl-C ends the waiting only; and with -o json every event is one line of JSON, as in `run`.
    """
    try:
        job = load_manifest(file, overrides or [])
    except SteelyardError as error:
        if wait:
            print_not_begun(error, output)
        raise
    submission = SearchSubmission(job) if isinstance(job, TuningJob) else JobSubmission(job)
    submission.run(wait, context, namespace, output)


@dataclass
class JobSubmission(Submission["JobHandle"]):
    """A TrainingJob that is submitted; what its methods do says Submission."""

    job: TrainingJob

    then = ("status", "logs -f")

    def made(self, client: "Client") -> "JobHandle":
        return client.submit(self.job)

    def display(self, output: OutputFormat, handle: "JobHandle") -> AbstractContextManager[Report]:  # noqa: ARG002
        stages = [stage.name for stage in plan(self.job, source_digest="", trainer_version="").stages]
        return display(output, Console(), stages)

    def events(
        self, before: TrainingJobStatus | None, after: TrainingJobStatus, handle: "JobHandle"
    ) -> Iterable[Event]:
        from steelyard.cli.watching import events_between

        return events_between(before or TrainingJobStatus(), after, handle.name)

    def ended(self, handle: "JobHandle", reason: str, message: str, exit_code: int) -> RunEnded:
        from steelyard.cli.watching import seconds_of

        status = handle.status
        summary = summary_of(status.model) if status.model else {}
        return RunEnded(handle.name, reason, message, exit_code, seconds_of(status), "", summary)

    def done(self, handle: "JobHandle") -> list[str]:
        lines = ["", f"The job {handle.name} is done."]
        if (model := handle.status.model) is not None:
            lines += ["", *model_lines(model)]
            if model.published:
                lines += ["", "next:", f"  steelyard fetch {handle.name} DIR --namespace {handle.namespace}"]
        return lines
