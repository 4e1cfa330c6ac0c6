"""A job on two columns of numbers, and programs of a few lines in place of the trainer."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from steelyard.api.errors import SteelyardError
from steelyard.contract.events import Event
from steelyard.local.job import LocalJob
from steelyard.local.processes import Launch
from steelyard.local.runner import LocalRunner
from steelyard.local.state import State
from steelyard.planning import Stage

# What every program begins with. `end` is what steelyard_trainer does in the end.
PRELUDE = """
import hashlib, json, os, pathlib, signal, subprocess, sys, time
workspace = pathlib.Path(os.environ["STEELYARD_WORKSPACE"])
base_dir = pathlib.Path(os.environ["STEELYARD_BASE_DIR"])
key = os.environ["STEELYARD_STAGE_KEY"]
stage = sys.argv[1]
worker = int(os.environ["STEELYARD_WORKER_INDEX"])
def say(**event):
    print(json.dumps(event), flush=True)
def end(code, reason="Succeeded", message="well done", **summary):
    document = dict(stage=stage, key=key, reason=reason, message=message, summary=summary)
    pathlib.Path(os.environ["STEELYARD_RESULT_FILE"]).write_text(json.dumps(document))
    sys.exit(code)
def made(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
"""
PREPARE = 'made(workspace / "prepared/dataset.json", json.dumps({"key": key})); end(0)'
TRAIN = """
if worker == 0:
    made(workspace / "trained/model.keras", "a model")
    made(workspace / "trained/training.json", json.dumps({"key": key}))
end(0)
"""
FINISH = """
made(base_dir / "models/tiny/model.tflite", "")
made(base_dir / "models/tiny/SHA256SUMS", key)
end(0, digest="sha256:" + hashlib.sha256(key.encode()).hexdigest(), chosen="Int8", bytes=1, baselineBytes=4)
"""


@dataclass
class Programs:
    """Launches a program for each stage: Python text that comes after PRELUDE."""

    prepare: str = PREPARE
    train: str = TRAIN
    finish: str = FINISH
    started: list[tuple[str, int]] = field(default_factory=list)
    environments: list[Mapping[str, str]] = field(default_factory=list)

    def __call__(
        self, stage: Stage, index: int, environment: Mapping[str, str], log: IO[bytes]
    ) -> "subprocess.Popen[bytes]":
        """See steelyard.local.processes.Launch."""
        self.started.append((stage.name, index))
        self.environments.append(environment)
        return subprocess.Popen(
            [sys.executable, "-S", "-c", PRELUDE + getattr(self, stage.name), stage.name],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,
        )


def write_job(folder: Path, **spec: Any) -> Path:
    """Writes a table and a manifest into a folder; `spec` replaces parts of the default one."""
    rows = "\n".join(f"{n},{n % 7},{'yes' if n % 2 else 'no'}" for n in range(60))
    (folder / "table.csv").write_text(f"a,b,label\n{rows}\n")
    manifest = {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "tiny"},
        "spec": {"dataset": {"uri": "table.csv", "target": "label"}, "model": {"linear": {}}, **spec},
    }
    path = folder / "job.yaml"
    path.write_text(json.dumps(manifest))
    return path


@dataclass
class Run:
    """How one call of the runner went."""

    events: list[Event]
    error: SteelyardError | None
    state: State | None

    def of(self, kind: type) -> list[Any]:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def true_conditions(self) -> dict[str, str]:
        """The types of the conditions that are true, with their reasons."""
        assert self.state is not None
        return {each.type: each.reason for each in self.state.conditions if each.status == "True"}


def run_job(
    folder: Path,
    programs: Launch,
    *,
    force: bool = False,
    watch: Callable[[Event], None] | None = None,
    overrides: tuple[str, ...] = (),
) -> Run:
    """Runs the job that lies in a folder, with pauses a hundredth of their length."""
    job = LocalJob.load(folder / "job.yaml", overrides)
    events: list[Event] = []

    def report(event: Event) -> None:
        events.append(event)
        if watch is not None:
            watch(event)

    error = None
    try:
        LocalRunner(job, report, launch=programs, pause_factor=0.01).run(force=force)
    except SteelyardError as raised:
        error = raised
    return Run(events, error, State.load(job.workspace))
