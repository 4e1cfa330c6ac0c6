"""The digits example keeps its promise whatever the seed: a small model that is as good."""

import csv
import json
from pathlib import Path

import pytest
from examples_support import EXAMPLES, run_example, steelyard
from local_results import keep
from seeds import seeds

from steelyard.api.training_job import TrainingJobSpec


@pytest.mark.parametrize("seed", seeds(3, few=1))
def test_digits_is_small_and_accurate_for_any_seed(tmp_path: Path, seed: int, request: pytest.FixtureRequest) -> None:
    report = run_example("digits", tmp_path, f"training.seed={seed}")
    if seed == TrainingJobSpec.model_fields["training"].default.seed:
        manifest = (EXAMPLES / "digits" / "training-job.yaml").read_text()
        keep("digits-example", manifest, report["metrics"]["test"], request.config.cache)
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
