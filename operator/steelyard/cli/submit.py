"""`steelyard submit`: a manifest to a job on a cluster. Imports typer, rich, local, planning, api and client."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from steelyard.api.errors import SteelyardError
from steelyard.api.status import TrainingJobStatus
from steelyard.api.tuning_job import TuningJob
from steelyard.cli.cluster import (
    ContextOption,
    DocumentFormat,
    NamespaceOption,
    connected,
    print_object,
    waiting_interrupted,
)
from steelyard.cli.display import display
from steelyard.cli.outcome import model_lines, summary_of
from steelyard.cli.output import ManifestArgument, OutputFormat, OutputOption, SetOption, print_json
from steelyard.cli.search_submit import submit_search
from steelyard.contract.events import RunEnded
from steelyard.contract.stages import ExitCode, Reason, StageName
from steelyard.planning import plan
from steelyard.search.manifest import load_manifest

if TYPE_CHECKING:
    from steelyard.client import JobHandle


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
    """Makes a job on a cluster, after the checks of `validate`. A job that is there already and equal stays as it is.

    With --wait, Ctrl-C ends the waiting only; and with -o json every event is one line of JSON, as in `run`.
    """
    handle = None
    try:
        job = load_manifest(file, overrides or [])
        if isinstance(job, TuningJob):
            submit_search(job, wait, context, namespace, output)
            return
        with connected(context, namespace) as client:
            handle = client.submit(job)
            if wait:
                _wait(handle, [each.name for each in plan(job, source_digest="", trainer_version="").stages], output)
    except SteelyardError as error:
        if wait and output is OutputFormat.JSON:
            _print_end(handle, error.reason, error.message, error.exit_code)
        raise
    if output is OutputFormat.JSON:
        if wait:
            _print_end(handle, Reason.SUCCEEDED, "", ExitCode.DONE)
        else:
            print_object(handle.document, DocumentFormat.JSON)
    else:
        print("\n".join(_done(handle) if wait else _submitted(handle)))


def _wait(handle: "JobHandle", stages: Sequence[StageName], output: OutputFormat) -> None:
    """Shows the job's events until it has ended. Raises SteelyardError where it failed."""
    from steelyard.cli.watching import events_between

    before = TrainingJobStatus()
    try:
        with display(output, Console(), stages) as report:

            def show(after: TrainingJobStatus) -> None:
                nonlocal before
                for event in events_between(before, after, handle.name):
                    report(event)
                before = after

            handle.wait(on_progress=show)
    except KeyboardInterrupt:
        raise waiting_interrupted(handle) from None


def _print_end(handle: "JobHandle | None", reason: str, message: str, exit_code: int) -> None:
    """Prints the last event; without a job where it could not even be submitted."""
    from steelyard.cli.watching import seconds_of

    if handle is None:
        ended = RunEnded("", reason, message, exit_code, 0.0, "")
    else:
        status = handle.status
        summary = summary_of(status.model) if status.model else {}
        ended = RunEnded(handle.name, reason, message, exit_code, seconds_of(status), "", summary)
    print_json(ended.to_json())


def _submitted(handle: "JobHandle") -> list[str]:
    what = "created" if handle.is_new else f"unchanged ({handle.status.phase or 'Pending'})"
    next_commands = [
        f"  steelyard {each} {handle.name} --namespace {handle.namespace}" for each in ("status", "logs -f")
    ]
    return [f"trainingjob {handle.name} {what}", "", "next:", *next_commands]


def _done(handle: "JobHandle") -> list[str]:
    lines = ["", f"The job {handle.name} is done."]
    if (model := handle.status.model) is not None:
        lines += ["", *model_lines(model)]
        if model.published:
            lines += ["", "next:", f"  steelyard fetch {handle.name} DIR --namespace {handle.namespace}"]
    return lines
