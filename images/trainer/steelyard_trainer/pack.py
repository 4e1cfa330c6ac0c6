"""`pack`: many trials of one search in one go. Imports the estimators, steelyard.api and the contract.

The data is read once, and scikit-learn imported once, for all of them; then as many processes as the environment says
work the trials off. Each finished trial is a line of standard output and a file in the workspace, so that a pack that
is started again does none of them twice. A trial that fails is an answer, too: the pack goes on.
"""

import itertools
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from steelyard.api.contract import Env, Reason, StageName
from steelyard.api.errors import ConfigurationError, SteelyardError
from steelyard.api.loading import parse_training_job
from steelyard.api.log_sizes import MOST_TRIALS_OF_A_PACK, REPORTS_LIMIT_BYTES
from steelyard.api.search_log import TrialReport
from steelyard.api.training_job import TrainingJob
from steelyard_trainer.attempts import Attempt
from steelyard_trainer.begin import check_writable
from steelyard_trainer.contract import Outcome, StageContext, print_event
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.estimators.pool import LATE, Failure, Pool
from steelyard_trainer.estimators.trial import Rows
from steelyard_trainer.estimators.units import Question, Unit, UnitAnswer, answered_too, report_of, units_of, work_off
from steelyard_trainer.files import write_atomically

_LOOK_SECONDS = 0.02
"""Between two looks for a further round."""


@dataclass(frozen=True)
class PackContext:
    """What a pack is given."""

    stage: StageContext | None
    """Where it works; its job is the first valid trial. None where no trial is valid."""
    jobs: Mapping[int, TrainingJob]
    """The valid trials, by number."""
    failed: Mapping[int, str]
    """Why the others are not valid, by number."""
    processes: int

    @classmethod
    def from_environment(cls, stage: StageName) -> "PackContext":
        """Raises ConfigurationError where the environment or the pack's file is not as it must be."""
        if not (name := os.environ.get(Env.PACK_FILE)):
            message = f"the environment variable {Env.PACK_FILE} is not set; the runner of the pack sets it"
            raise ConfigurationError(message)
        jobs, failed = _trials_in(name)
        first = next(iter(jobs.values()), None)
        context = None if first is None else StageContext.from_environment(stage, first)
        return cls(context, jobs, failed, _processes())


def pack(context: PackContext) -> Outcome:
    """Works the trials off.

    Raises:
        ConfigurationError: the workspace can't be written to.
        SteelyardError: another process was started in this one's place (AttemptSuperseded).
        OSError: the storage was lost.
    """
    reports = _fail(context.failed)
    if context.stage is not None:
        check_writable(context.stage.workspace.root)
        stage = replace(context.stage, attempt=Attempt.take(context.stage.workspace, context.stage.stage))
        work = _Pack(stage, context.jobs, context.processes)
        told = work.run()
        for jobs, failed in _further_rounds():
            _fail(failed)
            work.jobs = {**work.jobs, **jobs}
            told = work.run()
        reports += told
    reports.sort(key=lambda report: report.number)
    failed = sum(report.state == "Failed" for report in reports)
    pruned = sum(report.state == "Pruned" for report in reports)
    message = f"{len(reports)} trials: {len(reports) - failed - pruned} to their end, {pruned} pruned, {failed} failed"
    return Outcome(message, {"trials": fitting(reports)})


@dataclass
class _Pack:
    """The valid trials, from what is finished already to what is not."""

    stage: StageContext
    jobs: Mapping[int, TrainingJob]
    processes: int
    _reports: dict[int, TrialReport] = field(default_factory=dict)
    _scores: dict[int, dict[int, float]] = field(default_factory=dict)
    """By trial and part."""
    _seconds: dict[int, float] = field(default_factory=dict)
    _rows: dict[Path, Rows] = field(default_factory=dict)
    """By the prepared dataset's folder."""

    @property
    def folder(self) -> Path:
        """The finished trials, a file each."""
        return self.stage.workspace.root / "packs" / self.stage.key

    def run(self) -> list[TrialReport]:
        """Returns when every trial has its report."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in self.jobs:
            if number not in self._reports and (report := self._finished(number)) is not None:
                self._note(report)
        questions = {number: question for number in self.jobs if (question := self._question(number)) is not None}
        units = units_of(list(questions.values()))
        pool: Pool[Unit, UnitAnswer] = Pool(units, self._work, self.processes, self._is_wanted, self._seconds_left)
        for unit, answer in pool.run():
            answers = [(unit, answer)]
            if isinstance(answer, UnitAnswer):
                answers += answered_too(unit, answer, units)
            for answered, found in answers:
                for question in answered.questions:
                    if self._is_open(question.number, answered.part):
                        self._take(question, answered, found)
        return list(self._reports.values())

    def _question(self, number: int) -> Question | None:
        """A trial that is to be worked off; None where its report is there."""
        if number in self._reports:
            return None
        try:
            dataset = PreparedDataset.of(replace(self.stage, job=self.jobs[number]))
            rows = self._rows.setdefault(dataset.folder, Rows(dataset))
            question = Question(number, self.jobs[number].spec, dataset)
            # Read here, before there are processes, which then share it.
            rows.load(question.folds)
        except SteelyardError as error:
            self._finish(TrialReport(number, "Failed", reason=error.message))
            return None
        return question

    def _work(self, unit: Unit) -> UnitAnswer:
        return work_off(unit, self._rows[unit.questions[0].dataset.folder])

    def _is_wanted(self, unit: Unit) -> bool:
        return any(self._is_open(number, unit.part) for number in unit.numbers)

    def _is_open(self, number: int, part: int | None) -> bool:
        """Whether a trial has no report yet, and no score of this part."""
        return number not in self._reports and part not in self._scores.get(number, {})

    def _seconds_left(self, unit: Unit) -> float:
        """How long a unit may take, by its trial's deadline; one of several trials has none."""
        return min(question.deadline - self._seconds.get(question.number, 0.0) for question in unit.questions)

    def _take(self, question: Question, unit: Unit, answer: UnitAnswer | Failure) -> None:
        number = question.number
        if answer is LATE:
            # As a trial in a pod has it. It took as long as it may: a part is given what those before it have left.
            reason = f"{Reason.DEADLINE_EXCEEDED}: it still ran after {question.deadline:g} s (trialDeadlineSeconds)"
            self._finish(TrialReport(number, "Failed", seconds=question.deadline, reason=reason))
        elif isinstance(answer, Failure):
            self._finish(TrialReport(number, "Failed", reason=answer.reason))
        elif answer.report is not None:
            self._finish(answer.report)
        else:
            assert unit.part is not None
            scores = self._scores.setdefault(number, {})
            scores[unit.part] = answer.scores[number]
            self._seconds[number] = self._seconds.get(number, 0.0) + answer.seconds[number]
            if len(scores) == max(1, question.folds):
                self._finish(report_of(question, scores, self._seconds[number]))

    def _finish(self, report: TrialReport) -> None:
        self.stage.check_attempt()
        write_atomically(self.folder / f"{report.number}.json", json.dumps(report.to_json()))
        self._note(report)

    def _note(self, report: TrialReport) -> None:
        self._reports[report.number] = report
        _tell(report)
        self.stage.progress(len(self._reports), len(self.jobs), "trials")

    def _finished(self, number: int) -> TrialReport | None:
        """The report of an attempt before."""
        try:
            return TrialReport.from_json(json.loads((self.folder / f"{number}.json").read_bytes()))
        except (FileNotFoundError, ValueError):
            return None


def _tell(report: TrialReport) -> None:
    print_event({"event": "trial", "trial": report.to_json()})


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
        _tell(report)
    return reports


def _further_rounds() -> Iterator[tuple[dict[int, TrainingJob], dict[int, str]]]:
    """The valid and the other trials of each further file, for as long as the runner lets the process live; none where
    there is no folder for them."""
    if not (folder := os.environ.get(Env.PACK_ROUNDS)):
        return
    for count in itertools.count(1):
        file = Path(folder) / f"{count}.json"
        while not file.exists():
            time.sleep(_LOOK_SECONDS)
        yield _trials_in(str(file))


def _trials_in(name: str) -> tuple[dict[int, TrainingJob], dict[int, str]]:
    """The valid trials of a file, by number, and why the others are none. Raises ConfigurationError."""
    jobs: dict[int, TrainingJob] = {}
    failed: dict[int, str] = {}
    for number, manifest in _manifests(name).items():
        try:
            jobs[number] = _trial(number, manifest)
        except ConfigurationError as error:
            failed[number] = error.message
    return jobs, failed


def _manifests(name: str) -> dict[int, Any]:
    """The trials' manifests in a file, by number. Raises ConfigurationError where there are none."""
    try:
        manifests = json.loads(Path(name).read_text(encoding="utf-8"))["trials"]
        return {int(manifest["spec"]["trial"]["number"]): manifest for manifest in manifests}
    except FileNotFoundError:
        raise ConfigurationError(f"{Env.PACK_FILE}: there is no {name}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{Env.PACK_FILE}: {name} holds no trials ({type(error).__name__}: {error}); it must be a JSON object "
            '{"trials": [...]} of TrainingJobs, each with a spec.trial.number'
        ) from None


def _trial(number: int, manifest: Any) -> TrainingJob:
    """Raises ConfigurationError where the manifest is not valid, or no trial of a model of scikit-learn."""
    job = parse_training_job(manifest, source=f"trial {number}")
    if not job.spec.model.is_estimator:
        raise ConfigurationError(
            f"spec.model: {job.spec.model.kind} is trained by TensorFlow; a pack takes scikit-learn's models"
        )
    return job


def _processes() -> int:
    given = os.environ.get(Env.PACK_PROCESSES, "1")
    if not given.isdecimal() or int(given) < 1:
        raise ConfigurationError(f"{Env.PACK_PROCESSES} is {given!r}; allowed: a whole number from 1")
    return int(given)
