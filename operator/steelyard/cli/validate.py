"""`steelyard validate`: all that can be said of a manifest without running it. Imports typer, local, the search and the
api."""

from steelyard.api.errors import ManifestError, Problem, SteelyardError
from steelyard.api.tuning_job import TuningJob
from steelyard.cli.output import ClaimOption, ManifestArgument, OutputFormat, OutputOption, SetOption, print_json
from steelyard.contract.stages import ExitCode, Reason
from steelyard.local.claims import parse_claims
from steelyard.local.code_check import code_fault
from steelyard.local.container import container_notes, program_fault
from steelyard.local.elsewhere import model_fault
from steelyard.local.job import LocalJob
from steelyard.local.provable import too_few_rows_of
from steelyard.local.source import Finding, sources_findings
from steelyard.local.targets import publish_problems
from steelyard.local.tuning.job import LocalSearch
from steelyard.local.tuning.suggestions import load_prior
from steelyard.planning.notes import stall_notes, student_notes
from steelyard.search.manifest import load_manifest


def validate(
    file: ManifestArgument,
    overrides: SetOption = None,
    claims: ClaimOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Checks a manifest, the first rows of its data, and the places where the model goes.

    Reports all mistakes at once. Ends with exit code 78 for the manifest's, 65 where only the data is at fault.
    """
    try:
        manifest = load_manifest(file, overrides or [])
        folders = parse_claims(claims or [])
        if isinstance(manifest, TuningJob):
            search = LocalSearch.of(manifest, file, claims=folders)
            load_prior(search)
            job = search.template
            notes = _check(job, "spec.template.")
        else:
            job = LocalJob.of(manifest, file, claims=folders)
            notes = _check(job)
    except SteelyardError as error:
        if output is OutputFormat.JSON:
            problems = error.problems if isinstance(error, ManifestError | _ProblemsError) else []
            print_json(
                {
                    "valid": False,
                    "reason": error.reason,
                    "message": error.message,
                    "exitCode": error.exit_code,
                    "problems": [{"path": problem.path, "message": problem.message} for problem in problems],
                }
            )
        raise
    spec = job.job.spec
    notes += student_notes(spec, is_of_search=isinstance(manifest, TuningJob))
    if output is OutputFormat.JSON:
        print_json({"valid": True, "problems": [], "notes": notes})
        return
    print(f"{file} is valid")
    for note in notes:
        print(f"note: {note}")
    if (compression := spec.compression) is not None and (costs := compression.search_costs):
        print(f"compression.candidates Auto: {costs}")


class _ProblemsError(SteelyardError):
    """Mistakes that a valid manifest leads to."""

    def __init__(self, problems: list[Problem], *, exit_code: ExitCode) -> None:
        reason = Reason.INVALID_DATA if exit_code == ExitCode.DATA else Reason.INVALID_CONFIGURATION
        super().__init__("\n".join(map(str, problems)), reason=reason, exit_code=exit_code)
        self.problems = problems


def _check(job: LocalJob, holder: str = "spec.") -> list[str]:
    """What is to be known of a job that may run. Raises _ProblemsError with all that is wrong with the data and the
    places to publish to.

    Args:
        job: the job.
        holder: where its spec lies in the manifest.
    """
    dataset = job.job.spec.dataset
    findings = sources_findings(dataset, job.surroundings)
    spec = job.job.spec
    notes = stall_notes(spec)
    if not findings and (doubt := too_few_rows_of(spec, job.surroundings, read_table=True)):
        assert spec.compression is not None
        if spec.compression.on_too_few_rows == "Fail":
            findings = [Finding(Problem("spec.compression", doubt), ExitCode.DATA)]
        else:
            notes.append(f"too few rows: {doubt}")
    targets = publish_problems(job)
    notes = [*container_notes(job), *notes]
    container = spec.container
    # What a cluster can run is valid.
    program = program_fault(job) if container is not None and container.image is None else None
    for fault in filter(None, (model_fault(job), code_fault(job), program)):
        path, _, message = fault.message.partition(": ")
        findings.append(Finding(Problem(path, message), ExitCode(fault.exit_code)))
    problems = [finding.problem for finding in findings] + targets
    problems = [Problem(holder + problem.path.removeprefix("spec."), problem.message) for problem in problems]
    if problems:
        data_only = not targets and all(finding.exit_code == ExitCode.DATA for finding in findings)
        raise _ProblemsError(problems, exit_code=ExitCode.DATA if data_only else ExitCode.CONFIGURATION)
    return notes
