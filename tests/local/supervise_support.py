"""Workers with programs of a user's own under their supervisors, on this machine's loopback."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from training_support import free_ports

from steelyard.contract.stages import Env, Result

BY_PYTHON = (sys.executable, "-m", "steelyard_trainer", "supervise")
LIMITS = {"backoffLimit": 3, "disruptionLimit": 10, "gangTimeoutSeconds": 20}
GENEROUS_SECONDS = 30


@dataclass
class Workers:
    """The workers of one stage, each with a folder of its own beneath `folder`, which is the workspace, too."""

    folder: Path
    supervise: Sequence[str] = BY_PYTHON
    workers: int = 2
    limits: Mapping[str, float] = field(default_factory=lambda: LIMITS)
    ports: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.ports = free_ports(2 * self.workers)

    def environment(self, worker: int) -> dict[str, str]:
        addresses = [f"127.0.0.1:{port}" for port in self.ports]
        several = {
            Env.WORKERS: ",".join(addresses[: self.workers]),
            Env.SUPERVISORS: ",".join(addresses[self.workers :]),
        }
        return {
            str(name): value
            for name, value in {
                **os.environ,
                **(several if self.workers > 1 else {}),
                Env.WORKSPACE: str(self.folder),
                Env.STAGE_KEY: "k",
                Env.WORKER_INDEX: str(worker),
                Env.RUN_POLICY: json.dumps(self.limits),
                Env.RESULT_FILE: str(self.folder / f"result-{worker}"),
            }.items()
        }

    def start(
        self, command: Sequence[str], only: Sequence[int] | None = None, **variables: str
    ) -> list[subprocess.Popen[bytes]]:
        """Starts the workers, or only some of them, with a program each. Its output goes to `log-WORKER`."""
        started = []
        for worker in range(self.workers) if only is None else only:
            with (self.folder / f"log-{worker}").open("ab") as log:
                started.append(
                    subprocess.Popen(
                        [*self.supervise, "--", *command],
                        env={**self.environment(worker), **variables},
                        cwd=self.folder,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
                )
        return started

    def log(self, worker: int = 0) -> str:
        return (self.folder / f"log-{worker}").read_text()

    def result(self, worker: int = 0) -> Result:
        return Result.from_json(json.loads((self.folder / f"result-{worker}").read_text()))


def ended(processes: Sequence[subprocess.Popen[bytes]]) -> list[int]:
    """Waits for the processes; returns their exit codes."""
    return [process.wait(GENEROUS_SECONDS) for process in processes]


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + GENEROUS_SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
