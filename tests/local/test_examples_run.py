"""The shipped examples, run as their users run them: what they promise is what comes out."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from steelyard.contract.package import REPORT_FILE

EXAMPLES = Path(__file__).parents[2] / "examples"
GENEROUS_SECONDS = 400


def steelyard(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "steelyard.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=GENEROUS_SECONDS,
        check=False,
    )


def run_example(name: str, folder: Path, *settings: str) -> dict[str, Any]:
    """Runs an example with a workspace and a model of its own; returns the model's report."""
    overrides = [part for setting in settings for part in ("--set", setting)]
    places = ["--workspace", folder / "workspace"]
    if name == "digits":
        # As it is: to the folder `digits` on its claim.
        (folder / "model").mkdir()
        places += ["--claim", f"models={folder / 'model'}"]
    else:
        places += ["--set", f"publish={json.dumps([{'uri': str(folder / 'model' / name)}])}"]
    model = folder / "model" / name
    done = steelyard("run", EXAMPLES / name / "training-job.yaml", *places, *overrides)
    assert done.returncode == 0, done.stderr
    verified = steelyard("verify", model)
    assert verified.returncode == 0, verified.stderr
    report: dict[str, Any] = json.loads((model / REPORT_FILE).read_bytes())
    return report


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_digits_is_small_and_accurate_for_any_seed(tmp_path: Path, seed: int) -> None:
    report = run_example("digits", tmp_path, f"training.seed={seed}")
    weighed = {candidate["name"]: candidate for candidate in report["choice"]["candidates"]}
    chosen, float32 = weighed[report["choice"]["chosen"]], weighed["Baseline"]
    assert report["metrics"]["test"]["accuracy"]["value"] >= 0.96
    assert chosen["bytes"] <= 0.3 * float32["bytes"]
    model = tmp_path / "model/digits"
    assert chosen["bytes"] == (model / "model.tflite").stat().st_size
    assert chosen["drop"] <= 0.01
    # Raw rows in: the whole table that it was made from.
    predicted = steelyard("predict", model, "--input", EXAMPLES / "digits" / "digits.csv", "-o", "json")
    document = json.loads(predicted.stdout)
    with (EXAMPLES / "digits" / "digits.csv").open(newline="") as file:
        labels = [row["target"] for row in csv.DictReader(file)]
    right = sum(label == row["prediction"] for label, row in zip(labels, document["predictions"], strict=True))
    assert right / len(labels) >= 0.96
    assert document["medianMicroseconds"] > 0


@pytest.mark.parametrize(("name", "metric", "least"), [("diabetes", "r2", 0.35), ("wine", "accuracy", 0.9)])
def test_the_smaller_examples_do_their_job(tmp_path: Path, name: str, metric: str, least: float) -> None:
    report = run_example(name, tmp_path)
    assert report["metrics"]["test"][metric]["value"] >= least
