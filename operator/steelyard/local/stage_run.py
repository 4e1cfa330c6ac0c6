"""One attempt at a stage: its processes started, followed and ended, without waiting for them.

Whoever runs a job looks in again and again; so one thread can watch several stages at once. Imports planning, the api
and the other parts of local.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from steelyard.api.errors import MORE_ROOM_HERE
from steelyard.contract.stages import EndKind, Env, ExitCode, Reason, Result
from steelyard.local.container import remove_containers
from steelyard.local.follower import LogEvent, tail_of
from steelyard.local.job import LocalJob
from steelyard.local.processes import (
    Launch,
    StageProcess,
    end_all,
    free_addresses,
    inherited_environment,
    usable_cpus,
)
from steelyard.planning import Stage, worker_environment
from steelyard.planning.verdicts import ProcessEnd

SETTLE_SECONDS = 1.0
"""How long the others may take to end by themselves after one has failed: the cause of it all may be among them."""
_QUOTED_LINES = 5
_FULL_DISK_BYTES = 64 * 1024


@dataclass
class StageRun:
    """The processes of one attempt at a stage. For the main thread only, as its children end with their thread."""

    job: LocalJob
    stage: Stage
    launch: Launch
    threads: int | None = None
    """Of one TensorFlow operation. Default: the CPUs of this process, shared among the workers."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Variables beside those of the contract that every stage is given."""
    _processes: list[StageProcess] = field(init=False, default_factory=list)
    _settled_at: float = field(init=False, default=float("inf"))

    def start(self, attempt: int) -> None:
        """Starts the processes. Raises OSError; `end` is to be called all the same."""
        stage = self.stage
        addresses = free_addresses(2 * stage.workers) if stage.workers > 1 else []
        for index in range(stage.workers):
            self.result_file(index).unlink(missing_ok=True)
        if stage.name == "train":
            # It is needed again, whatever an earlier program has said.
            self.job.workspace.program.contained_file.unlink(missing_ok=True)
        for index in range(stage.workers):
            own = worker_environment(
                stage, index, workers=addresses[: stage.workers], supervisors=addresses[stage.workers :]
            )
            environment = inherited_environment() | self._environment(index) | own | dict(self.extra)
            self._processes.append(StageProcess(self.launch, stage, index, environment, self.log(index), attempt))

    def is_over(self) -> bool:
        """Whether all have ended, or one has in such a way that the rest is to be ended."""
        codes = [process.poll() for process in self._processes]
        if all(code is not None for code in codes):
            return True
        if any(code is not None and EndKind.of(code) is EndKind.PERMANENT for code in codes):
            return True
        if any(codes) and self._settled_at == float("inf"):
            self._settled_at = time.monotonic() + SETTLE_SECONDS
        return time.monotonic() >= self._settled_at

    def follow(self) -> list[LogEvent]:
        """What the processes have told since the last call, in order of workers."""
        return [event for process in self._processes for event in process.follower.read()]

    def ended(self) -> list[tuple[StageProcess, int]]:
        """The processes that have ended by themselves, with their exit codes; to be asked before `end`."""
        return [(process, code) for process in self._processes if (code := process.poll()) is not None]

    def end(self, is_hurried: Callable[[], bool]) -> None:
        """Ends what still runs."""
        end_all(self._processes, is_hurried)
        if self.stage.name == "train":
            remove_containers(self.job)

    @property
    def processes(self) -> list[StageProcess]:
        """For whoever ends several runs at once."""
        return self._processes

    def describe(self, ended: list[tuple[StageProcess, int]]) -> list[ProcessEnd]:
        """How processes ended."""
        return [self._describe_end(process, code) for process, code in ended]

    def log(self, index: int) -> Path:
        """What a worker writes."""
        return self.job.workspace.logs / f"{self.stage.name}-{index}.log"

    def result_file(self, index: int) -> Path:
        """Where a worker's result goes."""
        return self.job.workspace.results / f"{self.stage.name}-{index}.json"

    def read_result(self, index: int = 0) -> Result | None:
        """The result that a worker left; None where it left none, or that of something else."""
        try:
            result = Result.from_json(json.loads(self.result_file(index).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return result if (result.stage, result.key) == (self.stage.name, self.stage.key) else None

    def _environment(self, index: int) -> dict[str, str]:
        workspace = self.job.workspace
        code = {} if self.job.code is None else {Env.CODE.value: str(self.job.code)}
        return code | {
            Env.SPEC_FILE.value: str(workspace.spec_file),
            Env.WORKSPACE.value: str(workspace.root),
            Env.BASE_DIR.value: str(self.job.base_dir),
            Env.CLAIMS.value: json.dumps({claim: str(folder) for claim, folder in self.job.claims.items()}),
            Env.RESULT_FILE.value: str(self.result_file(index)),
            Env.PARENT_PID.value: str(os.getpid()),
            Env.THREADS.value: str(self.threads or max(1, usable_cpus() // self.stage.workers)),
        }

    def _describe_end(self, process: StageProcess, code: int) -> ProcessEnd:
        """The disk may be so full that the process could not even say so."""
        result = self.read_result(process.index)
        if result is None and code != 0 and shutil.disk_usage(self.job.workspace.root).free < _FULL_DISK_BYTES:
            message = f"there is no room left on the disk of {self.job.workspace.root}: {MORE_ROOM_HERE}"
            result = Result(self.stage.name, self.stage.key, Reason.NO_SPACE, message)
            code = ExitCode.CONFIGURATION
        last_lines = "" if result else tail_of(process.log, _QUOTED_LINES)
        return ProcessEnd(process.index, code, result, last_lines)
