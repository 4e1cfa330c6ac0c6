"""`pack`: many trials of one search in one go. Imports steelyard.api, the contract and the families' registry.

The data is read once, and the libraries imported once, for all of them (a network's: once in each process); then as
many processes as the environment says work the trials off. Each finished trial is a line of standard output and a file
in the workspace, so that a pack that is started again does none of them twice. A trial that fails is an answer, too:
the pack goes on.
"""

import itertools
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from steelyard.api.errors import ConfigurationError
from steelyard.api.loading import parse_training_job
from steelyard.api.training_job import TrainingJob
from steelyard.contract.stages import Env, TrainerStage
from steelyard.contract.trial_report import TrialReport
from steelyard.search.log_sizes import MOST_TRIALS_OF_A_PACK, REPORTS_LIMIT_BYTES
from steelyard.stores.writable import check_writable
from steelyard.texts.figures import counted
from steelyard_trainer.attempts import Attempt
from steelyard_trainer.contract import Outcome, StageContext
from steelyard_trainer.families.base import TrialsOfPack
from steelyard_trainer.families.registry import family_named
from steelyard_trainer.own_code.arrival import with_code
from steelyard_trainer.reports import Reports, tell

_LOOK_SECONDS = 0.02
"""Between two looks for a further round."""


@dataclass(frozen=True)
class Trials:
    """What a pack's file holds."""

    jobs: Mapping[int, TrainingJob]
    """The valid trials, by number."""
    failed: Mapping[int, str]
    """Why the others are not valid, by number."""
    workspaces: Mapping[int, Path] = field(default_factory=dict)
    """Of networks: where each leaves its model."""


@dataclass(frozen=True)
class PackContext:
    """What a pack is given."""

    stage: StageContext | None
    """Where it works; its job is the first valid trial. None where no trial is valid."""
    trials: Trials
    processes: int

    @classmethod
    def from_environment(cls, stage: TrainerStage) -> "PackContext":
        """Raises ConfigurationError where the environment or the pack's file is not as it must be."""
        if not (name := os.environ.get(Env.PACK_FILE)):
            message = f"the environment variable {Env.PACK_FILE} is not set; the runner of the pack sets it"
            raise ConfigurationError(message)
        trials = _trials_in(name)
        first = next(iter(trials.jobs.values()), None)
        context = None if first is None else StageContext.from_environment(stage, first)
        return cls(context, trials, _processes())


def pack(context: PackContext) -> Outcome:
    """Works the trials off.

    Raises:
        ConfigurationError: the workspace can't be written to.
        SteelyardError: another process was started in this one's place (AttemptSuperseded).
        OSError: the storage was lost.
    """
    reports = _fail(context.trials.failed)
    if context.stage is not None:
        check_writable(context.stage.workspace.root)
        stage = with_code(context.stage)
        stage = replace(stage, attempt=Attempt.take(stage.workspace, stage.stage))
        work = _Pack(Reports(stage), context.processes)
        work.work_off(context.trials)
        for trials in _further_rounds():
            _fail(trials.failed)
            work.work_off(trials)
        work.end()
        reports += work.reports.by_number.values()
    reports.sort(key=lambda report: report.number)
    failed = sum(report.state == "Failed" for report in reports)
    pruned = sum(report.state == "Pruned" for report in reports)
    to_their_end = len(reports) - failed - pruned
    message = f"{counted(len(reports), 'trial')}: {to_their_end} to their end, {pruned} pruned, {failed} failed"
    return Outcome(message, {"trials": fitting(reports)})


@dataclass
class _Pack:
    """What works the trials off, by the name of their family; each imports its library on first use."""

    reports: Reports
    processes: int
    _families: dict[str, TrialsOfPack] = field(default_factory=dict)

    def work_off(self, trials: Trials) -> None:
        """Returns when each valid trial has its report."""
        self.reports.begin(trials.jobs)
        jobs: dict[str, dict[int, TrainingJob]] = {}
        for number, job in trials.jobs.items():
            if self.reports.is_open(number):
                jobs.setdefault(job.spec.capabilities.family.name, {})[number] = job
        for name, those in jobs.items():
            if name not in self._families:
                self._families[name] = family_named(name).pack(self.reports, self.processes)
            self._families[name].work_off(those, trials.workspaces)

    def end(self) -> None:
        """Leaves no process behind."""
        for family in self._families.values():
            family.end()


def fitting(reports: Sequence[TrialReport]) -> list[list[Any]]:
    """Reports as JSON as far as a result document has room: first the reasons of failures are cut, then steps are left
    out, which happens only where a pack has more trials than a runner gives it."""
    told = list(reports[:MOST_TRIALS_OF_A_PACK])
    shortened = [
        told,
        *([replace(report, reason=report.reason[:length]) for report in told] for length in (120, 60, 30, 0)),
        [replace(report, reason="", steps=()) for report in told],
    ]
    for candidate in shortened:
        documents = [report.to_json() for report in candidate]
        if len(json.dumps(documents, separators=(",", ":"))) <= REPORTS_LIMIT_BYTES:
            break
    return documents


def _fail(reasons: Mapping[int, str]) -> list[TrialReport]:
    """Tells of trials that are not valid."""
    reports = [TrialReport(number, "Failed", reason=reason) for number, reason in reasons.items()]
    for report in reports:
        tell(report)
    return reports


def _further_rounds() -> Iterator[Trials]:
    """The trials of each further file, for as long as the runner lets the process live; none where there is no folder
    for them."""
    if not (folder := os.environ.get(Env.PACK_ROUNDS)):
        return
    for count in itertools.count(1):
        file = Path(folder) / f"{count}.json"
        while not file.exists():
            time.sleep(_LOOK_SECONDS)
        yield _trials_in(str(file))


def _trials_in(name: str) -> Trials:
    """The trials of a file. Raises ConfigurationError."""
    jobs: dict[int, TrainingJob] = {}
    failed: dict[int, str] = {}
    manifests, workspaces = _content_of(name)
    for number, manifest in manifests.items():
        try:
            jobs[number] = _trial(number, manifest, has_workspace=number in workspaces)
        except ConfigurationError as error:
            failed[number] = error.message
    return Trials(jobs, failed, workspaces)


def _content_of(name: str) -> tuple[dict[int, Any], dict[int, Path]]:
    """The trials' manifests in a file and their workspaces, by number. Raises ConfigurationError where there are no
    trials."""
    try:
        document = json.loads(Path(name).read_text(encoding="utf-8"))
        workspaces = {int(number): Path(folder) for number, folder in document.get("workspaces", {}).items()}
        return {int(manifest["spec"]["trial"]["number"]): manifest for manifest in document["trials"]}, workspaces
    except FileNotFoundError:
        raise ConfigurationError(f"{Env.PACK_FILE}: there is no {name}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{Env.PACK_FILE}: {name} holds no trials ({type(error).__name__}: {error}); it must be a JSON object "
            '{"trials": [...]} of TrainingJobs, each with a spec.trial.number'
        ) from None


def _trial(number: int, manifest: Any, *, has_workspace: bool) -> TrainingJob:
    """Raises ConfigurationError where the manifest is not valid, or no trial that a pack takes."""
    job = parse_training_job(manifest, source=f"trial {number}")
    if job.spec.capabilities.is_fitted_anew:
        return job
    if (workers := job.spec.training.workers) > 1:
        raise ConfigurationError(f"spec.training.workers is {workers}; a pack takes trials of one worker")
    if not has_workspace:
        raise ConfigurationError(f"the pack's file names no workspace for trial {number}, where its model would go")
    return job


def _processes() -> int:
    given = os.environ.get(Env.PACK_PROCESSES, "1")
    if not given.isdecimal() or int(given) < 1:
        raise ConfigurationError(f"{Env.PACK_PROCESSES} is {given!r}; allowed: a whole number from 1")
    return int(given)
