"""What the tests of the prepare stage share: tables, manifests, and the stage in this process or as a process."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard.api.loading import parse_training_job
from steelyard.contract.stages import Env, Result
from steelyard.contract.workspace import Workspace
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.prepare import prepare
from steelyard_trainer.data.reading import PreparedDataset

KEY = "5" * 64


def manifest(dataset: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    """A manifest around a dataset; the target's column is `target` unless it says otherwise."""
    return {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "table"},
        "spec": {
            "dataset": {"target": "target", **dataset},
            "model": {"linear": {}},
            "training": {"batchSize": 1},
            **spec,
        },
    }


def context(folder: Path, dataset: Mapping[str, Any], workspace: Path | None = None, **spec: Any) -> StageContext:
    """The prepare stage's context; relative URIs lie in `folder`."""
    job = parse_training_job(manifest(dataset, **spec))
    return StageContext("prepare", job, Workspace(workspace or folder / "workspace"), folder, KEY, 0)


def prepared(
    folder: Path, dataset: Mapping[str, Any], *, shard_rows: int | None = None, **spec: Any
) -> PreparedDataset:
    """Runs the stage in this process and loads what it made."""
    stage = context(folder, dataset, **spec)
    prepare(stage, shard_rows=shard_rows)
    return PreparedDataset.load(stage.workspace, KEY)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """A CSV file with a header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def labelled_rows(count: int = 60) -> list[list[object]]:
    """Rows of a, b and a target of two classes, all different."""
    return [[row + 0.5, (row * 7) % 13, "yes" if row % 3 == 0 else "no"] for row in range(count)]


# The interpreter may lie where only root reads, so what the stage imports is imported before the rights go.
_AS_USER = """
import os, sys
from steelyard_trainer.contract import StageContext, run_stage
from steelyard_trainer.data import csv_source
from steelyard_trainer.data.prepare import prepare
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
run_stage("prepare", prepare, StageContext.from_environment)
"""


@dataclass(frozen=True)
class Ended:
    """How the stage's process ended."""

    exit_code: int
    output: str
    result: Result | None


def run_stage_process(
    folder: Path, dataset: Mapping[str, Any], *, workspace: Path | None = None, user: int | None = None, **spec: Any
) -> Ended:
    """Runs `python -m steelyard_trainer prepare` as a runner does.

    Args:
        folder: what relative URIs are relative to; spec file and result lie there.
        dataset: spec.dataset.
        workspace: where the stage works.
        user: the uid that it runs as.
        spec: other parts of the spec.
    """
    spec_file, result_file = folder / "job.json", folder / "result.json"
    spec_file.write_text(json.dumps(manifest(dataset, **spec)), encoding="utf-8")
    result_file.touch()
    result_file.chmod(0o666)
    environment = {
        **os.environ,
        Env.SPEC_FILE: str(spec_file),
        Env.WORKSPACE: str(workspace or folder / "workspace"),
        Env.BASE_DIR: str(folder),
        Env.STAGE_KEY: KEY,
        Env.RESULT_FILE: str(result_file),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "steelyard_trainer", "prepare"]
        if user is None
        else [sys.executable, "-c", _AS_USER, str(user)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    document = result_file.read_text(encoding="utf-8")
    return Ended(ended.returncode, ended.stdout, Result.from_json(json.loads(document)) if document else None)
