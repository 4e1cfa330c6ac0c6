"""The trials of a pack that are networks: given to TensorFlow processes that stay for one trial after the other.

This process itself is without TensorFlow, which can't be forked: each of the others imports it once, and reads the
data once (pack_worker). One that dies fails its trial, and another is started. Imports the pool, the reports,
the gang and the contract.
"""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from pathlib import Path
from types import FrameType
from typing import ClassVar

from steelyard.api.errors import SteelyardError
from steelyard.api.training_job import TrainingJob
from steelyard.contract.stages import Env, ExitCode, Notice, Progress, Reason
from steelyard.contract.trial_report import TrialReport
from steelyard.contract.workspace import Workspace
from steelyard_trainer.contract import StageContext, print_event
from steelyard_trainer.families.keras.program import TENSORFLOW_PROCESS, quiet_and_alone
from steelyard_trainer.files import write_atomically
from steelyard_trainer.gang.memory import OutOfMemoryWatch, own_group
from steelyard_trainer.gang.stall import StallWatch
from steelyard_trainer.gang.supervisor import LEAVE_SECONDS
from steelyard_trainer.pool import Failure, Pool, Worker
from steelyard_trainer.reports import Reports

MOST_BEGINNINGS = 2
"""A pack that was ended as often in the middle of a trial, and not asked to end, does not begin that trial again: where
memory runs out, the whole container may be killed, again and again."""
_ENDED_THE_PACK = Failure(
    f"the pack was killed {MOST_BEGINNINGS} times while it worked on this trial ({Reason.OUT_OF_MEMORY}?)"
)


@dataclass(frozen=True)
class PackedTrial(StageContext):
    """A trial of a pack: in its own workspace, as one with a process of its own. What it says has its number."""

    number: int = 0

    def progress(self, done: int, total: int, unit: str, **values: float) -> None:
        """Prints how far the trial is."""
        self._say(Progress(self.stage, done, total, unit, values).to_json())

    def notice(self, message: str, reason: str = "") -> None:
        """Prints something that a person should know."""
        self._say(Notice(self.stage, message, reason).to_json())

    def _say(self, line: dict[str, object]) -> None:
        print_event({**line, "trial": self.number})

    @property
    def deadline(self) -> float:
        """Seconds that it may take."""
        seconds = self.job.spec.run_policy.active_deadline_seconds
        return math.inf if seconds is None else float(seconds)

    @property
    def stall_seconds(self) -> float:
        """Without progress, after which it has stalled."""
        seconds = self.job.spec.run_policy.stall_timeout_seconds
        return math.inf if seconds is None else float(seconds)


@dataclass
class NetworksOfPack:
    """Its processes stay from one round to the next."""

    reports: Reports
    processes: int
    _pool: "_Pool" = field(init=False)

    def __post_init__(self) -> None:
        self._pool = _Pool(self.processes, seconds=self._begin, stall_seconds=lambda trial: trial.stall_seconds)
        self._pool.end_with_sigterm(self._forget_beginnings)

    def work_off(self, jobs: Mapping[int, TrainingJob], workspaces: Mapping[int, Path]) -> None:
        """Returns when every one of these trials, which have no report, has one.

        Raises:
            SteelyardError: the workspace was lost, or another process was started in this one's place: it may go on
                another time (exit code 75).
        """
        # The longest first would tell its answers last; they are wanted in the order of numbers.
        trials = [self._trial(number, jobs[number], workspaces[number]) for number in sorted(jobs)]
        for trial in [trial for trial in trials if self._begun(trial.number) >= MOST_BEGINNINGS]:
            trials.remove(trial)
            self.reports.fail(trial.number, _ENDED_THE_PACK, trial.deadline)
            self._mark(trial.number).unlink(missing_ok=True)
        for trial, answer in self._pool.run(trials):
            self._mark(trial.number).unlink(missing_ok=True)
            if isinstance(answer, TrialReport):
                self.reports.finish(answer)
            elif answer.is_to_try_again:
                raise SteelyardError(answer.reason, reason=Reason.INTERRUPTED, exit_code=ExitCode.TRY_AGAIN)
            else:
                self.reports.fail(trial.number, answer, trial.deadline)

    def end(self) -> None:
        """Ends the processes, which wait for further trials."""
        self._pool.close()

    def _begin(self, trial: PackedTrial) -> float:
        """How long it may take. Notes that it begins, for the case that this process itself does not see its end."""
        write_atomically(self._mark(trial.number), str(self._begun(trial.number) + 1))
        return trial.deadline

    def _forget_beginnings(self) -> None:
        """Whoever is asked to end begins again."""
        for mark in self.reports.folder.glob("*.begun"):
            mark.unlink(missing_ok=True)

    def _begun(self, number: int) -> int:
        """How often a trial was begun in a pack that was ended with it."""
        try:
            return int(self._mark(number).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _mark(self, number: int) -> Path:
        return self.reports.folder / f"{number}.begun"

    def _trial(self, number: int, job: TrainingJob, workspace: Path) -> PackedTrial:
        of_pack = {name: getattr(self.reports.stage, name) for name in ("base_dir", "claims", "code", "code_digest")}
        # The process that works on it gives it its key, by the data.
        return PackedTrial("train", job, Workspace(workspace), key="", worker=0, number=number, **of_pack)


@dataclass
class _Started:
    """A process that was started anew, as the pool sees it."""

    process: "subprocess.Popen[bytes]"

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def exitcode(self) -> int | None:
        return self.process.poll()

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def terminate(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        self.process.kill()

    def join(self, timeout: float | None = None) -> None:
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout)


@dataclass
class _Pool(Pool[PackedTrial, TrialReport]):
    """Processes `python -m steelyard_trainer.families.keras pack`."""

    keeps_processes: ClassVar[bool] = True
    _memory: OutOfMemoryWatch = field(default_factory=lambda: OutOfMemoryWatch(own_group()))

    def start(self) -> Worker:
        ours, theirs = Pipe()
        environment = {name: value for name, value in quiet_and_alone(os.environ).items() if name != Env.RESULT_FILE}
        environment[Env.PARENT_PID] = str(os.getpid())
        watch = StallWatch()
        environment[Env.PULSE] = str(watch.folder)
        # In this process's group, so that whoever ends the group ends all.
        process = subprocess.Popen(
            [sys.executable, "-m", "steelyard_trainer.families.keras", "pack", str(theirs.fileno())],
            env={str(name): value for name, value in environment.items()},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
        # So that the end of the process is the end of the pipe.
        theirs.close()
        return Worker(_Started(process), ours, is_ready=False, watch=watch)

    def message(self, pieces: Sequence[PackedTrial], index: int) -> object:
        return pieces[index]

    def explain(self, code: int) -> str | None:
        if code != -signal.SIGKILL or (what := self._memory.explain(TENSORFLOW_PROCESS)) is None:
            return None
        self._memory = OutOfMemoryWatch(own_group())
        return f"{Reason.OUT_OF_MEMORY}: {what}"

    def end_with_sigterm(self, at_last: Callable[[], None]) -> None:
        """Has the processes write their checkpoints before this one ends; then does what there is to do at last."""
        before = signal.getsignal(signal.SIGTERM)

        def leave(number: int, frame: FrameType | None) -> None:
            for worker in self.workers:
                worker.process.terminate()
            until = time.monotonic() + LEAVE_SECONDS
            for worker in self.workers:
                worker.process.join(max(0.0, until - time.monotonic()))
            with suppress(OSError):
                at_last()
            if callable(before):
                before(number, frame)

        signal.signal(signal.SIGTERM, leave)
