"""The local runner: one stage after another, each as processes of this machine, until the job is done or has failed.

Imports planning, the api and the other parts of local.
"""

import importlib.util
import itertools
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from steelyard.api.errors import ConfigurationError, SteelyardError
from steelyard.contract.events import Report, RunEnded, StageEnded, StageRetried, StageSkipped, StageStarted
from steelyard.contract.stages import Env, ExitCode, Notice, Progress, Reason, Result, StageName
from steelyard.local.beginning import failures_reported, make_workspace
from steelyard.local.code_check import check_own_code, put_own_code
from steelyard.local.container import container_notes, program_of
from steelyard.local.decisions import Decision, decide, files_present, with_search
from steelyard.local.elsewhere import planned
from steelyard.local.files import write_json
from steelyard.local.job import LocalJob
from steelyard.local.lock import locked
from steelyard.local.processes import (
    POLL_SECONDS,
    Launch,
    launch_trainer,
)
from steelyard.local.signals import Signals
from steelyard.local.source import sources_digest
from steelyard.local.stage_run import StageRun
from steelyard.local.state import StageRecord, State
from steelyard.local.targets import check_publish_targets, replaced_models
from steelyard.planning import Stage
from steelyard.planning.conditions import after_all, after_failure, after_redo, after_start, after_success
from steelyard.planning.verdicts import Attempts, Done, Failed, ProcessEnd, judge
from steelyard.texts.installing import install_command

TRAINER_MODULES = ("steelyard_trainer", "tensorflow", "keras", "pandas", "pyarrow", "sklearn")


class StageError(SteelyardError):
    """A stage failed for good."""

    def __init__(self, failed: Failed, log: Path) -> None:
        super().__init__(failed.message, reason=failed.reason, exit_code=failed.exit_code)
        self.log = log
        """Of the process whose end says why."""

    def with_log(self) -> SteelyardError:
        """The same with the log's place in its message, for who is told no more than that."""
        return SteelyardError(f"{self.message}\nlog: {self.log}", reason=self.reason, exit_code=self.exit_code)


@dataclass
class LocalRunner:
    """Runs one job in its workspace. `run` is for the main thread only, for the sake of signals and children."""

    job: LocalJob
    report: Report
    launch: Launch = launch_trainer
    """How a process is started."""
    pause_factor: float = 1.0
    """What the pauses between two attempts are multiplied by."""
    search: Path | None = None
    """The file of a search whose best model this job publishes: the last stage is given it and depends on it."""
    ends_at: float | None = None
    """The time (monotonic) at which the search that this job belongs to must have ended."""
    _state: State = field(init=False)
    _signals: Signals = field(init=False, default_factory=Signals)
    _began: float = field(init=False, default=0.0)

    def run(self, *, force: bool = False) -> RunEnded:
        """Does what is left to do; nothing where the job is finished.

        Args:
            force: do everything again, even if the job is finished.

        Returns:
            The last event, which was reported too.

        Raises:
            StageError: a stage failed for good.
            SteelyardError: the job could not begin, or was interrupted (reason Interrupted, exit code 128 + signal).
                Either way no process of it is left, and the end was reported too.
        """
        self._began = time.monotonic()
        with failures_reported(self._report_end):
            self._prepare_workspace()
            with locked(self.job.workspace):
                self._state = self.job.load_state() or State(self.job.job.metadata.name)
                return self._run(force)

    def _prepare_workspace(self) -> None:
        """The checks that need no lock come before anything is written."""
        self.job.load_state()
        make_workspace(self.job.workspace)

    def _run(self, force: bool) -> RunEnded:
        spec = self.job.job.spec
        check_publish_targets(self.job)
        program_of(self.job)
        if self.job.search_code is None:
            check_own_code(self.job)
        digest, self._state.source = sources_digest(spec.dataset, self.job.surroundings, self._state.source)
        stages = planned(self.job, digest)
        if self.search is not None:
            stages = with_search(stages, self.search)
        # The memory first: a folder with anything else in it and no memory is nobody's workspace.
        self._state.save(self.job.workspace)
        self.job.workspace.logs.mkdir(exist_ok=True)
        self.job.workspace.results.mkdir(exist_ok=True)
        decisions = decide(stages, self._state.stages, files_present(self.job, self._state.stages), force=force)
        needed = [decision for decision in decisions if decision.is_needed]
        if needed:
            check_trainer_is_installed(self.launch)
            if self.job.search_code is None:
                put_own_code(self.job)
            self._forget(decisions, force)
            write_json(self.job.workspace.spec_file, self.job.job.to_manifest())
            for told in container_notes(self.job):
                self.report(Notice(needed[0].stage.name, told, "ImageNotUsed"))
            for told in replaced_models(self.job):
                self.report(Notice(needed[-1].stage.name, told, "Replaces"))
        else:
            self._state.save(self.job.workspace)
        with self._signals:
            for decision in decisions:
                if decision.is_needed:
                    self._run_stage(decision)
                else:
                    self.report(StageSkipped(decision.stage.name, decision.why))
        result = self._result_of(decisions[-1].stage.name)
        if not needed:
            return self._report_end(Reason.ALREADY_FINISHED, result.message, ExitCode.DONE, result)
        self._state.conditions = after_all(self._state.conditions, result.reason, result.message, _now())
        self._state.save(self.job.workspace)
        return self._report_end(result.reason, result.message, ExitCode.DONE, result)

    def _forget(self, decisions: list[Decision], force: bool) -> None:
        """Takes back what is no longer true before the work begins."""
        conditions = after_start(self._state.conditions)
        for decision in decisions:
            if decision.is_redone:
                conditions = after_redo(conditions, [decision.stage.name], self.job.job, decision.why, _now())
        self._state.conditions = conditions
        if force:
            self._state.stages = {}
        # First the memory, then the files: killed between the two, the next run does it all again as well.
        self._state.save(self.job.workspace)
        if force:
            workspace = self.job.workspace
            for folder in (workspace.prepared, workspace.trained, workspace.finished):
                if folder.exists():
                    shutil.rmtree(folder)

    def _result_of(self, stage: StageName) -> Result:
        result = self._state.stages[stage].result
        assert result is not None
        return result

    def _run_stage(self, decision: Decision) -> None:
        """Starts a stage as often as it may be, until it is done. Raises SteelyardError."""
        stage = decision.stage
        self._state.stages[stage.name] = StageRecord(stage.key, stage.inputs)
        self._state.save(self.job.workspace)
        began = time.monotonic()
        attempts = Attempts()
        why = decision.why
        for attempt in itertools.count(1):
            self._check_time_and_signals(stage)
            self.report(StageStarted(stage.name, attempt, stage.workers, why))
            ends = self._attempt(stage, attempt)
            match judge(stage.name, ends, attempts, self.job.job.spec.run_policy):
                case Done(result):
                    self._succeed(stage, result, time.monotonic() - began)
                    return
                case Failed() as failed:
                    self._fail(stage, failed, time.monotonic() - began)
                case again:
                    pause = again.pause_seconds * self.pause_factor
                    self.report(StageRetried(stage.name, again.reason, again.message, pause))
                    self._pause(pause, stage)
                    why = f"again after: {again.reason}"

    def _succeed(self, stage: Stage, result: Result, seconds: float) -> None:
        self._state.stages[stage.name] = StageRecord(stage.key, stage.inputs, result)
        self._state.conditions = after_success(
            self._state.conditions, stage.name, self.job.job, result.reason, result.message, _now()
        )
        self._state.save(self.job.workspace)
        self.report(StageEnded(stage.name, result.reason, result.message, ExitCode.DONE, seconds, result.summary))

    def _fail(self, stage: Stage, failed: Failed, seconds: float) -> NoReturn:
        """Records the end of the job and raises StageError."""
        self._state.conditions = after_failure(
            self._state.conditions, stage.name, self.job.job, failed.reason, failed.message, _now()
        )
        with suppress(OSError):  # The failure itself is what must be said, a full disk or not.
            self._state.save(self.job.workspace)
        self.report(StageEnded(stage.name, failed.reason, failed.message, failed.exit_code, seconds))
        raise StageError(failed, self._stage_run(stage).log(failed.worker))

    def _attempt(self, stage: Stage, attempt: int) -> list[ProcessEnd]:
        """Starts all processes of a stage and waits: until all have ended, or one has failed and the rest is ended.

        Returns:
            How those processes ended that ended by themselves.

        Raises:
            SteelyardError: interrupted, or out of time.
        """
        run = self._stage_run(stage)
        try:
            run.start(attempt)
            while not run.is_over():
                self._follow(run)
                self._check_time_and_signals(stage)
                time.sleep(POLL_SECONDS)
            ended = run.ended()
        finally:
            run.end(lambda: self._signals.hurried)
            self._follow(run)
        return run.describe(ended)

    def _stage_run(self, stage: Stage) -> StageRun:
        extra = {Env.SEARCH_FILE.value: str(self.search)} if self.search and stage.name == "finish" else {}
        return StageRun(self.job, stage, self.launch, extra=extra)

    def _follow(self, run: StageRun) -> None:
        for event in run.follow():
            if isinstance(event, Progress | Notice):
                self.report(event)

    def _check_time_and_signals(self, stage: Stage) -> None:
        """Raises SteelyardError where the run must end now."""
        self._signals.check(f"during {stage.name}")
        limit = self.job.job.spec.run_policy.active_deadline_seconds
        if limit is not None and time.monotonic() - self._began > limit:
            message = f"{stage.name} still ran after {limit} s (spec.runPolicy.activeDeadlineSeconds)"
            self._fail(stage, Failed(Reason.DEADLINE_EXCEEDED, message, 1, 0), time.monotonic() - self._began)
        if self.ends_at is not None and time.monotonic() > self.ends_at:
            message = f"{stage.name} still ran at the search's deadline (spec.runPolicy.activeDeadlineSeconds)"
            self._fail(stage, Failed(Reason.DEADLINE_EXCEEDED, message, 1, 0), time.monotonic() - self._began)

    def _pause(self, seconds: float, stage: Stage) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._check_time_and_signals(stage)
            time.sleep(min(POLL_SECONDS, seconds))

    def _report_end(self, reason: str, message: str, exit_code: int, result: Result | None = None) -> RunEnded:
        ended = RunEnded(
            job=self.job.job.metadata.name,
            reason=reason,
            message=message,
            exit_code=int(exit_code),
            seconds=time.monotonic() - self._began,
            workspace=str(self.job.workspace.root),
            summary=result.summary if result else {},
        )
        self.report(ended)
        return ended


def check_trainer_is_installed(launch: Launch) -> None:
    """Raises ConfigurationError where the trainer program that is to be launched is not there."""
    if launch is not launch_trainer:
        return
    if absent := [name for name in TRAINER_MODULES if importlib.util.find_spec(name) is None]:
        raise ConfigurationError(
            f"the trainer program is not installed here (there is no {', '.join(absent)}); {install_command('trainer')}"
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
