"""`steelyard run`: a manifest to a published model, on this machine. Imports typer, rich, local and the api."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from steelyard.api.contract import Reason
from steelyard.api.errors import SteelyardError
from steelyard.cli.display import display
from steelyard.cli.output import ManifestArgument, OutputFormat, OutputOption, SetOption, WorkspaceOption, print_json
from steelyard.local.events import RunEnded
from steelyard.local.job import LocalJob
from steelyard.local.runner import LocalRunner, StageError


def run(
    file: ManifestArgument,
    workspace: WorkspaceOption = None,
    overrides: SetOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Do everything again, even what is done or finished already.")
    ] = False,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Prepares the data, trains, compresses and publishes a model, as a manifest says.

    Ctrl-C ends it at any time; the same command goes on where it stopped. A finished job is not done again.
    With -o json every event is one line of JSON; the last one is runEnded.
    """
    try:
        job = LocalJob.load(file, overrides or [], workspace)
    except SteelyardError as error:
        if output is OutputFormat.JSON:
            print_json(RunEnded("", error.reason, error.message, error.exit_code, 0.0, "").to_json())
        raise
    console = Console()
    try:
        with display(output, console) as report:
            ended = LocalRunner(job, report).run(force=force)
    except StageError as error:
        raise SteelyardError(
            f"{error.message}\nlog: {error.log}", reason=error.reason, exit_code=error.exit_code
        ) from None
    if output is OutputFormat.TEXT:
        console.print("\n" + summary(ended, job), markup=False, highlight=False, soft_wrap=True)


def summary(ended: RunEnded, job: LocalJob) -> str:
    """What a run achieved, for a person: what was published, what it costs, and what to do next."""
    if ended.reason == Reason.ALREADY_FINISHED:
        head = f"The job {ended.job} is finished already; nothing was done (--force does it all again)."
    else:
        head = f"The job {ended.job} is done."
    found = ended.summary
    folders = [_shown(folder) for folder in job.publish_folders]
    lines = [head, "", *(f"published   {folder}" for folder in folders)]
    lines += [f"digest      {found['digest']}"] if "digest" in found else []
    lines += [f"chosen      {_chosen(found)}"]
    metrics = [f"{name} {value:.4g} ± {error:.2g}" for name, (value, error) in found.get("metrics", {}).items()]
    lines += [f"test        {', '.join(metrics)}"]
    lines += _candidate_lines(found)
    model = shlex.quote(folders[0])
    digest = f" --digest {found['digest']}" if "digest" in found else ""
    lines += ["", "next:", f"  steelyard verify {model}{digest}", f"  steelyard predict {model} --input ROWS.csv"]
    return "\n".join(lines)


def _chosen(found: dict[str, Any]) -> str:
    """The chosen candidate against float32. A result document that was too long may lack any part of this."""
    name, size, baseline, drop = (found.get(key) for key in ("chosen", "bytes", "baselineBytes", "metricDrop"))
    if name is None or not size or not baseline:
        return str(name)
    if name == "None":
        return f"float32, {size:,} bytes"
    cost = "at the same" if not drop else f"{abs(drop):.4g} {'less' if drop > 0 else 'more'}"
    return (
        f"{name}, {size:,} bytes: {size / baseline:.3f} of float32 ({baseline:,} bytes), "
        f"{cost} {found.get('metric', 'metric')} on the validation part"
    )


def _candidate_lines(found: dict[str, Any]) -> list[str]:
    """A table of the candidates that were weighed; nothing for float32 alone."""
    candidates = found.get("candidates", [])
    if len(candidates) < 2:
        return []
    lines = ["", f"{'candidate':<14}{'bytes':>12}{found.get('metric', 'metric'):>12}{'us/row':>10}"]
    for each in candidates:
        name = "float32" if each["name"] == "None" else each["name"]
        metric = "-" if each["metric"] is None else f"{each['metric']:.4g}"
        note = "" if each["withinBudget"] else "  loses too much"
        lines.append(f"{name:<14}{each['bytes']:>12,}{metric:>12}{each['latencyMicroseconds']:>10.1f}{note}")
    return lines


def _shown(folder: Path) -> str:
    """The folder as the user can type it here: relative if it lies below."""
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)
