"""One trial as processes of its own: started, looked at again and again, in the end its report. Imports local, planning
and the api."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from steelyard.contract.stages import Notice, Progress, Reason, Result
from steelyard.contract.trial_report import TrialReport
from steelyard.contract.version import package_version
from steelyard.local.files import write_json
from steelyard.local.job import LocalJob
from steelyard.local.processes import Launch, StageProcess
from steelyard.local.stage_run import StageRun
from steelyard.planning import Stage, plan
from steelyard.planning.verdicts import Attempts, Done, Failed, judge

MOST_REASON = 300
"""Characters of a failure's reason that are kept."""

Tell = Callable[[int, Progress | Notice], None]
"""Is told what a trial says, with its number."""


@dataclass
class TrialRun:
    """A trial that runs. `start` begins it, `poll` carries it on, `end` interrupts it. For the main thread only."""

    number: int
    job: LocalJob
    source_digest: str
    """Of the prepared data."""
    launch: Launch
    threads: int
    tell: Tell
    pause_factor: float = 1.0
    """What the pauses between two attempts are multiplied by."""
    _stage: Stage = field(init=False)
    _run: StageRun | None = field(init=False, default=None)
    _attempts: Attempts = field(init=False, default_factory=Attempts)
    _attempt: int = field(init=False, default=0)
    _began: float = field(init=False, default_factory=time.monotonic)
    _pauses_until: float = field(init=False, default=0.0)

    def start(self) -> TrialReport | None:
        """Begins the trial, where a run before has left no report of these very values.

        Returns:
            The report, if there is one already.

        Raises:
            OSError: its workspace can't be written, or no process be started.
        """
        workspace = self.job.workspace
        workspace.logs.mkdir(parents=True, exist_ok=True)
        workspace.results.mkdir(exist_ok=True)
        stages = plan(self.job.job, source_digest=self.source_digest, trainer_version=package_version()).stages
        self._stage = stages[-1]
        found = StageRun(self.job, self._stage, self.launch).read_result()
        if found is not None and (report := _report_in(found, self.number)) is not None:
            return report
        write_json(workspace.spec_file, self.job.job.to_manifest())
        self._start_attempt()
        return None

    def poll(self) -> TrialReport | None:
        """Carries the trial on. Returns its report once it has ended, however that was. Raises OSError."""
        self._follow()
        limit = self.job.job.spec.run_policy.active_deadline_seconds
        is_over = self._run is not None and self._run.is_over()
        # One that has ended is not late, whenever somebody looks.
        if not is_over and limit is not None and time.monotonic() - self._began > limit:
            self.end(lambda: False)
            return self._failed(f"{Reason.DEADLINE_EXCEEDED}: it still ran after {limit} s (trialDeadlineSeconds)")
        if self._run is None:
            if time.monotonic() >= self._pauses_until:
                self._start_attempt()
            return None
        if not is_over:
            return None
        run, ended = self._run, self._run.ended()
        self.end(lambda: False)
        match judge(self._stage.name, run.describe(ended), self._attempts, self.job.job.spec.run_policy):
            case Done(result):
                report = _report_in(result, self.number)
                return report or self._failed(f"its result holds no report: {result.message}")
            case Failed() as failed:
                return self._failed(f"{failed.reason}: {failed.message}")
            case again:
                self._pauses_until = time.monotonic() + again.pause_seconds * self.pause_factor
                self.tell(self.number, Notice(self._stage.name, f"{again.message}; it starts again", again.reason))
                return None

    def end(self, is_hurried: Callable[[], bool]) -> None:
        """Ends its processes, if any run; what they have checkpointed stays."""
        if self._run is not None:
            self._run.end(is_hurried)
            self._follow()
            self._run = None

    @property
    def processes(self) -> list[StageProcess]:
        """Those that may run."""
        return self._run.processes if self._run else []

    def _start_attempt(self) -> None:
        self._attempt += 1
        self._run = StageRun(self.job, self._stage, self.launch, threads=self.threads)
        self._run.start(self._attempt)

    def _follow(self) -> None:
        for event in self._run.follow() if self._run else ():
            if isinstance(event, Progress | Notice):
                self.tell(self.number, event)

    def _failed(self, reason: str) -> TrialReport:
        seconds = round(time.monotonic() - self._began, 2)
        return TrialReport(self.number, "Failed", seconds=seconds, reason=shortened(reason))


def shortened(reason: str) -> str:
    """A reason on one line, of at most MOST_REASON characters."""
    line = " ".join(reason.split())
    return line if len(line) <= MOST_REASON else line[: MOST_REASON - 4] + " ..."


def _report_in(result: Result, number: int) -> TrialReport | None:
    """The report that a result holds; None where it holds none of this trial's."""
    try:
        report = TrialReport.from_json(result.summary.get("trial"))
    except ValueError:
        return None
    return report if report.number == number else None
