"""`steelyard plan`: what `steelyard run` would do, without doing it. Imports typer, rich, local, planning, the search,
the api."""

import shlex
from collections.abc import Sequence

from rich.console import Console

from steelyard.api.tuning_job import TuningJob
from steelyard.cli.output import (
    ClaimOption,
    ManifestArgument,
    OutputFormat,
    OutputOption,
    SetOption,
    WorkspaceOption,
    print_json,
)
from steelyard.cli.tuning_plan import plan_search
from steelyard.local.claims import parse_claims
from steelyard.local.code_check import check_own_code, described
from steelyard.local.container import container_notes, program_fault, program_of
from steelyard.local.decisions import Decision, decide, files_present
from steelyard.local.elsewhere import planned
from steelyard.local.job import LocalJob
from steelyard.local.provable import too_few_rows_of
from steelyard.local.source import sources_digest
from steelyard.local.tuning.job import LocalSearch
from steelyard.planning.notes import stall_notes
from steelyard.search.manifest import load_manifest

SET_ASIDE = (
    "a fifth of the training rows, at most 20,000, to steer the search of a smaller model; neither the network nor its "
    "students learn from them"
)


def plan(
    file: ManifestArgument,
    workspace: WorkspaceOption = None,
    overrides: SetOption = None,
    claims: ClaimOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Shows the stages that `run` would start, what it would skip, and why; for a TuningJob, the first trials.

    Starts and writes nothing.
    """
    manifest = load_manifest(file, overrides or [])
    if isinstance(manifest, TuningJob):
        plan_search(LocalSearch.of(manifest, file, workspace, parse_claims(claims or [])), output)
        return
    job = LocalJob.of(manifest, file, workspace, parse_claims(claims or []))
    state = job.load_state()
    dataset = job.job.spec.dataset
    check_own_code(job)
    code = job.job.spec.code
    digest, _ = sources_digest(dataset, job.surroundings, state.source if state else None)
    stages = planned(job, digest)
    records = state.stages if state else {}
    decisions = decide(stages, records, files_present(job, records))
    doubt = too_few_rows_of(job.job.spec, job.surroundings, read_table=False)
    notes = [*container_notes(job), *stall_notes(job.job.spec), *([f"too few rows: {doubt}"] if doubt else [])]
    if output is OutputFormat.JSON:
        print_json(
            {
                "job": stages.job_name,
                "workspace": str(job.workspace.root),
                "searchRows": job.job.spec.sets_rows_aside,
                **({"codeSha256": code.sha256} if code is not None else {}),
                "publish": [str(folder) for folder in job.publish_folders],
                "stages": [
                    {
                        "name": decision.stage.name,
                        "key": decision.stage.key,
                        "workers": decision.stage.workers,
                        "arguments": list(decision.stage.arguments),
                        "result": _result_of(decision, job),
                        "run": decision.is_needed,
                        "why": decision.why,
                    }
                    for decision in decisions
                ],
                "notes": notes,
            }
        )
        return
    lines = [f"job        {stages.job_name}", f"workspace  {job.workspace.root}"]
    if (seconds := job.job.spec.run_policy.stall_timeout_seconds) is not None:
        lines.append(f"stalls     after {seconds:,} s without progress a stage starts again")
    lines += [f"code       {told}"] if (told := described(job)) else []
    lines += [f"note       {note}" for note in notes]
    for decision in decisions:
        stage = decision.stage
        lines += [
            "",
            f"{stage.name}: {'runs' if decision.is_needed else 'skipped'}, {decision.why}",
            f"  processes  {stage.workers} x python {shlex.join(stage.arguments)}",
            f"  result     {_result_of(decision, job)}",
            *_program_of(decision, job),
            *_search_of(decision, job),
            *_students_of(decision, decisions, job),
            f"  key        {stage.key[:16]}",
        ]
        if stage.name == "prepare" and job.job.spec.sets_rows_aside:
            lines.append(f"  set aside  {SET_ASIDE}")
    Console().print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _program_of(decision: Decision, job: LocalJob) -> list[str]:
    """What each process of a program of one's own runs."""
    program = program_of(job) if decision.stage.name == "train" and program_fault(job) is None else None
    return [f"  program    {shlex.join(program.command)}"] if program else []


def _search_of(decision: Decision, job: LocalJob) -> list[str]:
    """What a search of candidates may cost in this stage."""
    compression = job.job.spec.compression
    is_searched = decision.stage.name == "finish" and compression is not None and compression.search_costs
    return [f"  search     {compression.search_costs}"] if is_searched and compression else []


def _students_of(decision: Decision, decisions: Sequence[Decision], job: LocalJob) -> list[str]:
    """Of several workers: how many of them train what is trained of the candidates, where this stage does."""
    spec = job.job.spec
    if spec.training.workers == 1 or not spec.has_candidates_that_learn or not decision.is_needed:
        return []
    together = spec.trains_candidates and any(each.stage.name == "train" and each.is_needed for each in decisions)
    match decision.stage.name:
        case "train" if together:
            return [f"  students   trained by the {spec.training.workers} workers, too"]
        case "finish" if not together:
            return ["  students   those that are not made yet are trained by one worker"]
    return []


def _result_of(decision: Decision, job: LocalJob) -> str:
    """Where a stage's result goes."""
    match decision.stage.name:
        case "prepare":
            return str(job.workspace.prepared)
        case "train":
            container = job.job.spec.container
            return str(
                job.workspace.model_file if container is None else job.workspace.program.model / container.model.name
            )
        case "finish":
            return ", ".join(str(folder) for folder in job.publish_folders) or "judged, published nowhere"
