"""A round of questions that one process works off, which loads the data once. Imports local, planning and the api."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from steelyard import __version__
from steelyard.api.contract import Env, Notice, Progress, StageName
from steelyard.api.search_log import TrialReport
from steelyard.api.training_job import TrainingJob
from steelyard.local.files import write_json
from steelyard.local.follower import Answer
from steelyard.local.job import LocalJob
from steelyard.local.processes import Launch, StageProcess
from steelyard.local.retries import ProcessEnd
from steelyard.local.stage_run import StageRun
from steelyard.planning import Stage

MOST_TRIALS = 40
"""Of one pack: its result document has no room for more."""


@dataclass
class PackRun:
    """A pack that runs. `start` begins it, `poll` carries it on, `end` interrupts it. For the main thread only."""

    trials: Mapping[int, TrainingJob]
    """By number, each with the same data."""
    job: LocalJob
    """The first of them, in the pack's workspace."""
    processes_at_once: int
    launch: Launch
    tell: Callable[[Progress | Notice], None]
    crashed: ProcessEnd | None = field(init=False, default=None)
    """How it ended, where trials were left without an answer."""
    _run: StageRun = field(init=False)
    _open: set[int] = field(init=False)
    _is_over: bool = field(init=False, default=False)

    def start(self) -> None:
        """Begins the pack. Raises OSError."""
        workspace = self.job.workspace
        workspace.logs.mkdir(parents=True, exist_ok=True)
        workspace.results.mkdir(exist_ok=True)
        manifests = [job.to_manifest() for job in self.trials.values()]
        pack_file = workspace.root / "pack.json"
        write_json(pack_file, {"trials": manifests})
        write_json(workspace.spec_file, self.job.job.to_manifest())
        key = hashlib.sha256(json.dumps([__version__, manifests], sort_keys=True).encode()).hexdigest()
        # No stage of a job, but started and read like one.
        stage = Stage(name=cast(StageName, "pack"), key=key, workers=1, inputs={})
        extra = {
            Env.PACK_FILE.value: str(pack_file),
            Env.PACK_PROCESSES.value: str(self.processes_at_once),
        }
        self._open = set(self.trials)
        self._run = StageRun(self.job, stage, self.launch, threads=1, extra=extra)
        self._run.start(1)

    def poll(self) -> list[TrialReport]:
        """The trials that have ended since the last call. Raises OSError."""
        is_over = self._run.is_over()
        ended = self._run.ended()
        if is_over:
            self._run.end(lambda: False)
        reports = self._read()
        if is_over:
            self._is_over = True
            if self._open and ended:
                self.crashed = self._run.describe(ended)[0]
        return reports

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._is_over

    @property
    def unanswered(self) -> list[int]:
        """The trials that have no answer yet."""
        return sorted(self._open)

    def end(self, is_hurried: Callable[[], bool]) -> list[TrialReport]:
        """Ends it. Returns what it had answered by then."""
        self._run.end(is_hurried)
        return self._read()

    @property
    def processes(self) -> list[StageProcess]:
        """Those that may run."""
        return self._run.processes

    def _read(self) -> list[TrialReport]:
        reports = []
        for event in self._run.follow():
            if not isinstance(event, Answer):
                self.tell(event)
            elif event.report.number in self._open:
                self._open.discard(event.report.number)
                reports.append(event.report)
        return reports
