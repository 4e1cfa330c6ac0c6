"""`steelyard submit`: a manifest to a job on a cluster. Imports typer, rich, local, planning, api and client."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
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
from steelyard.local.code_check import check_own_code
from steelyard.local.job import LocalJob
from steelyard.local.tuning.job import LocalSearch
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
        check_code_to_pack(job, file)
    except SteelyardError as error:
        if wait:
            print_not_begun(error, output)
        raise
    submission = SearchSubmission(job, file) if isinstance(job, TuningJob) else JobSubmission(job, file)
    submission.run(wait, context, namespace, output)


def check_code_to_pack(job: TrainingJob | TuningJob, file: Path) -> None:
    """Refuses a folder of code that is not there, or does not hold what the manifest names. Raises
    ConfigurationError."""
    spec = job.spec.template if isinstance(job, TuningJob) else job.spec
    if spec.code is not None and spec.code.path is not None:
        check_own_code(LocalSearch.of(job, file).template if isinstance(job, TuningJob) else LocalJob.of(job, file))


@dataclass
class JobSubmission(Submission["JobHandle"]):
    """A TrainingJob that is submitted; what its methods do says Submission."""

    job: TrainingJob
    file: Path

    then = ("status", "logs -f")

    def made(self, client: "Client") -> "JobHandle":
        return client.submit(self.job, self.file.parent)

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
