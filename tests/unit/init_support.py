"""Tables, and the manifests that `steelyard init` writes for them."""

import csv
from collections.abc import Sequence
from pathlib import Path

from typer.testing import CliRunner

from steelyard.api.loading import load_training_job
from steelyard.api.training_job import TrainingJob
from steelyard.cli.main import app


def write(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def init(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["init", *map(str, arguments)], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.stdout


def job_for(path: Path, *arguments: object) -> TrainingJob:
    init(path, "--to", path.parent / "job.yaml", "--force", *arguments)
    return load_training_job(path.parent / "job.yaml")
