"""`steelyard run`: a manifest to a published model, on this machine. Imports typer, rich, local, the search and the
api."""

from typing import Annotated

import typer
from rich.console import Console

from steelyard.api.errors import SteelyardError
from steelyard.api.tuning_job import TuningJob
from steelyard.cli.display import display, slow_starts
from steelyard.cli.fitting import say
from steelyard.cli.next_commands import next_commands, next_heading
from steelyard.cli.outcome import outcome_lines, typed
from steelyard.cli.output import (
    ClaimOption,
    ManifestArgument,
    OutputFormat,
    OutputOption,
    SetOption,
    WorkspaceOption,
    print_not_begun,
)
from steelyard.cli.tuning_run import run_search
from steelyard.contract.events import RunEnded
from steelyard.contract.stages import Reason
from steelyard.local.claims import parse_claims
from steelyard.local.job import LocalJob
from steelyard.local.runner import LocalRunner, StageError
from steelyard.local.tuning.job import LocalSearch
from steelyard.planning import plan
from steelyard.search.manifest import load_manifest


def run(
    file: ManifestArgument,
    workspace: WorkspaceOption = None,
    overrides: SetOption = None,
    claims: ClaimOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Do everything again, even what is done or finished already.")
    ] = False,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Prepares the data, trains, compresses and publishes a model; for a TuningJob, the best of many.

    Ctrl-C ends it at any time; the same command goes on where it stopped. A finished job is not done again.
    With -o json every event is one line of JSON; the last one is runEnded.
    """
    try:
        manifest = load_manifest(file, overrides or [])
        folders = parse_claims(claims or [])
        if isinstance(manifest, TuningJob):
            search = LocalSearch.of(manifest, file, workspace, folders)
        else:
            job = LocalJob.of(manifest, file, workspace, folders)
    except SteelyardError as error:
        print_not_begun(error, output)
        raise
    if isinstance(manifest, TuningJob):
        run_search(search, force=force, output=output)
    else:
        run_job(job, force=force, output=output)


def run_job(job: LocalJob, *, force: bool, output: OutputFormat) -> None:
    """Runs a job, shows it, and says what came of it. Raises StageError, SteelyardError."""
    console = Console()
    try:
        stages = [stage.name for stage in plan(job.job, source_digest="", trainer_version="").stages]
        with display(output, console, stages, slow_starts(job.job.spec.capabilities)) as report:
            ended = LocalRunner(job, report).run(force=force)
    except StageError as error:
        raise error.with_log() from None
    if output is OutputFormat.TEXT:
        say(console, "\n" + summary(ended, job))


def summary(ended: RunEnded, job: LocalJob) -> str:
    """What a run achieved, for a person: what was published, what it costs, and what to do next."""
    if ended.reason == Reason.ALREADY_FINISHED:
        head = f"The job {ended.job} is finished already; nothing was done (--force does it all again)."
    else:
        head = f"The job {ended.job} is done."
    found = ended.summary
    folders = [typed(folder) for folder in job.publish_folders]
    lines = [head, "", *outcome_lines(found, folders)]
    if job.job.spec.only_prepare or job.job.spec.trial is not None:
        return f"{head}\n\n{ended.message}"
    if not folders:
        return "\n".join([*lines, "", "Nothing was published, as the manifest asks."])
    commands = next_commands(job, folders[0])
    return "\n".join([*lines, "", next_heading(commands), *commands])
