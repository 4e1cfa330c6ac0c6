"""Runs the train stage as a runner does: real supervisors, real TensorFlow processes, on this machine's loopback."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from steelyard.api.loading import parse_training_job
from steelyard.api.training_job import TrainingJob
from steelyard.contract.stages import Env, Result
from steelyard.contract.workspace import Workspace
from steelyard.planning import Stage, plan, worker_environment
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.prepare import prepare

GENEROUS_SECONDS = 240


def training_job(source: str = "digits", model: dict[str, Any] | None = None, **training: Any) -> TrainingJob:
    """A job on a set that scikit-learn ships; `spec` is merged into the spec, `run_policy` goes to spec.runPolicy, all
    else to spec.training."""
    run_policy, spec = training.pop("run_policy", {}), training.pop("spec", {})
    return parse_training_job(
        {
            "apiVersion": "steelyard.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {"name": "tested"},
            "spec": {
                "dataset": {"uri": f"sklearn:{source}", "target": "target"},
                "model": model or {"mlp": {"hiddenUnits": [32]}},
                "training": training,
                "runPolicy": run_policy,
                **spec,
            },
        }
    )


@dataclass
class TrainStage:
    """The train stage of a job in a workspace of its own."""

    job: TrainingJob
    workspace: Workspace

    @classmethod
    def new(cls, folder: Path, job: TrainingJob) -> "TrainStage":
        """In a new workspace, which holds nothing but the manifest."""
        stage = cls(job, Workspace(folder))
        folder.mkdir(parents=True)
        stage.workspace.spec_file.write_text(json.dumps(job.to_manifest()))
        return stage

    @classmethod
    def prepared(cls, folder: Path, job: TrainingJob) -> "TrainStage":
        """In a new workspace, its dataset prepared."""
        stage = cls.new(folder, job)
        prepare(stage.context("prepare"))
        return stage

    def context(self, name: str = "train", worker: int = 0) -> StageContext:
        return StageContext(name, self.job, self.workspace, self.workspace.root, self._stage(name).key, worker)

    def _stage(self, name: str) -> Stage:
        stages = plan(self.job, source_digest="tested", trainer_version="tested").stages
        return next(stage for stage in stages if stage.name == name)

    def addresses(self) -> list[str]:
        """Free addresses of this machine: one for each worker's TensorFlow, then one for each worker's supervisor."""
        return [f"127.0.0.1:{port}" for port in free_ports(2 * self.job.spec.training.workers)]

    def start(
        self,
        only: list[int] | None = None,
        addresses: list[str] | None = None,
        command: Sequence[str] = (sys.executable,),
        name: str = "train",
    ) -> list[subprocess.Popen[bytes]]:
        """Starts the stage's workers, or only some of them, with this in place of the interpreter."""
        stage = self._stage(name)
        addresses = addresses or self.addresses()
        tensorflow, supervisors = addresses[: stage.workers], addresses[stage.workers :]
        running = []
        for index in only if only is not None else range(stage.workers):
            environment = {
                **os.environ,
                Env.SPEC_FILE: str(self.workspace.spec_file),
                Env.WORKSPACE: str(self.workspace.root),
                Env.BASE_DIR: str(self.workspace.root),
                Env.RESULT_FILE: str(self._result_file(index)),
                Env.PARENT_PID: str(os.getpid()),
                Env.THREADS: "1",
                **worker_environment(stage, index, workers=tensorflow, supervisors=supervisors),
            }
            with self._log(index).open("ab") as log:
                running.append(
                    subprocess.Popen(
                        [*command, *stage.arguments],
                        env={str(name): value for name, value in environment.items()},
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
                )
        return running

    def run(self) -> list[int]:
        """Runs all workers to their end; returns their exit codes."""
        return wait(self.start())

    def result(self, worker: int = 0) -> Result:
        return Result.from_json(json.loads(self._result_file(worker).read_text()))

    def training(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.workspace.training_file.read_text())
        return document

    def notices(self, worker: int = 0) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log(worker).splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == "notice"]

    def log(self, worker: int = 0) -> str:
        return self._log(worker).read_text()

    def steps(self) -> int:
        """The steps of the newest checkpoint, 0 where there is none."""
        return max((int(path.name.split("-")[1]) for path in self.workspace.checkpoints.glob("*/step-*")), default=0)

    def wait_for_steps(self, steps: int) -> None:
        """Returns once a checkpoint of at least so many steps is there."""
        self.wait_for(lambda: self.steps() >= steps)

    def wait_for_epochs(self, epochs: int) -> None:
        """Returns once so many epochs were reported."""
        self.wait_for(lambda: self.log().count('"unit": "epochs"') >= epochs)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Returns once the condition holds."""
        deadline = time.monotonic() + GENEROUS_SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def _result_file(self, worker: int) -> Path:
        return self.workspace.root / f"result-{worker}.json"

    def _log(self, worker: int) -> Path:
        return self.workspace.root / f"log-{worker}"


def wait(processes: list[subprocess.Popen[bytes]]) -> list[int]:
    try:
        return [process.wait(GENEROUS_SECONDS) for process in processes]
    finally:
        for process in processes:
            process.kill()


def tensorflow_process(supervisor: subprocess.Popen[bytes]) -> psutil.Process:
    """The child in which a supervisor's worker trains."""
    (child,) = psutil.Process(supervisor.pid).children()
    return child


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
