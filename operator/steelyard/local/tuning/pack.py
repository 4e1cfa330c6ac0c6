"""A round of trials that one process works off, which loads the data once. Imports local, planning and the api."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from steelyard.api.training_job import TrainingJob
from steelyard.contract.stages import Env, Notice, Progress, StageName
from steelyard.contract.trial_report import TrialReport
from steelyard.contract.version import package_version
from steelyard.local.files import write_json
from steelyard.local.follower import Answer, Told
from steelyard.local.job import LocalJob
from steelyard.local.processes import Launch, StageProcess
from steelyard.local.stage_run import StageRun
from steelyard.planning import Stage
from steelyard.planning.verdicts import ProcessEnd


@dataclass
class PackRun:
    """A process that works off trials, and stays for further rounds of them. `start` begins it, `go_on` gives it
    more, `poll` looks, `end` ends it. For the main thread only."""

    job: LocalJob
    """A trial's, in the pack's workspace."""
    processes_at_once: int
    threads: int
    """Of one TensorFlow operation: what a trial has that is a process of its own."""
    trial_root: Callable[[int], Path]
    """The workspace of a trial: networks leave their model there."""
    source_digest: str
    """Of the prepared data."""
    launch: Launch
    tell: Callable[[int, Progress | Notice], None]
    """Is told what it says, with the number of a trial that it works on."""
    crashed: ProcessEnd | None = field(init=False, default=None)
    """How it ended, where trials were left without an answer."""
    is_over: bool = field(init=False, default=False)
    """Whether it has ended."""
    unanswered: dict[int, TrainingJob] = field(init=False, default_factory=dict)
    """The trials that have no answer yet, by number."""
    _run: StageRun = field(init=False)
    _rounds: int = field(init=False, default=0)

    def start(self, trials: Mapping[int, TrainingJob]) -> None:
        """Begins with these trials, by number, all with the same data. Raises OSError."""
        workspace = self.job.workspace
        for folder in (workspace.logs, workspace.results, self._folder):
            folder.mkdir(parents=True, exist_ok=True)
        for left in self._folder.iterdir():
            left.unlink()
        document = self._document(trials)
        pack_file = workspace.root / "pack.json"
        write_json(pack_file, document)
        write_json(workspace.spec_file, self.job.job.to_manifest())
        inputs = [package_version(), self.source_digest, document["trials"]]
        key = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
        # No stage of a job, but started and read like one.
        stage = Stage(name=cast(StageName, "pack"), key=key, workers=1, inputs={})
        extra = {
            Env.PACK_FILE.value: str(pack_file),
            Env.PACK_PROCESSES.value: str(self.processes_at_once),
            Env.PACK_ROUNDS.value: str(self._folder),
        }
        self.unanswered = dict(trials)
        self._run = StageRun(self.job, stage, self.launch, threads=self.threads, extra=extra)
        self._run.start(1)

    def go_on(self, trials: Mapping[int, TrainingJob]) -> None:
        """Gives it these trials, too. Raises OSError."""
        self.unanswered |= trials
        self._rounds += 1
        write_json(self._folder / f"{self._rounds}.json", self._document(trials))

    def poll(self) -> list[TrialReport]:
        """The trials that have ended since the last call. Raises OSError."""
        if not self._run.is_over():
            return self._read()
        ended = self._run.ended()
        self._run.end(lambda: False)
        reports = self._read()
        self.is_over = True
        if self.unanswered:
            self.crashed = self._run.describe(ended)[0]
        return reports

    def end(self, is_hurried: Callable[[], bool]) -> list[TrialReport]:
        """Ends it. Returns what it had answered by then."""
        self._run.end(is_hurried)
        return self._read()

    @property
    def processes(self) -> list[StageProcess]:
        """Those that may run."""
        return self._run.processes

    @property
    def _folder(self) -> Path:
        """Of the further rounds."""
        return self.job.workspace.root / "rounds"

    def _document(self, trials: Mapping[int, TrainingJob]) -> dict[str, Any]:
        """What a pack's file says of these trials."""
        document: dict[str, Any] = {"trials": [job.to_manifest() for job in trials.values()]}
        if not self.job.job.spec.capabilities.is_fitted_anew:
            document["workspaces"] = {str(number): str(self.trial_root(number)) for number in trials}
        return document

    def _read(self) -> list[TrialReport]:
        reports = []
        for event in self._run.follow():
            if isinstance(event, Answer):
                if self.unanswered.pop(event.report.number, None) is not None:
                    reports.append(event.report)
            elif isinstance(event, Told):
                self.tell(event.number, event.event)
            elif self.unanswered:
                self.tell(min(self.unanswered), event)
        return reports
