"""A network in place of a model of scikit-learn: published in LiteRT, with the preprocessing and the estimator of the
trained model."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn_support import EstimatorJob

from steelyard.cli.output import OutputFormat
from steelyard.cli.predict import predict
from steelyard.serving.published import PublishedModel
from steelyard.stores.integrity import verify
from steelyard_trainer.compression import timing


def test_an_mlp_learns_from_gradient_boosting_and_is_served_in_litert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Features of any scale, with gaps, which boosting takes as they are."""
    monkeypatch.setattr(timing, "TURNS", 2)
    random = np.random.default_rng(0)
    sizes, ages = random.normal(1e5, 3e4, 600), random.normal(0, 1e-3, 600)
    price = sizes / 1e4 + ages * 3e3 + random.normal(0, 0.3, 600)
    with (tmp_path / "flats.csv").open("w", newline="") as file:
        cells = [
            (size if row % 20 else "", age, y)
            for row, (size, age, y) in enumerate(zip(sizes, ages, price, strict=True))
        ]
        csv.writer(file).writerows([("size", "age", "price"), *cells])
    dataset = {"uri": "flats.csv", "target": "price", "missingValues": {"strategy": "Median"}}
    mlp = {"name": "mlp", "steps": [{"technique": "DistillMlp", "epochs": 150}, {"technique": "DynamicRange"}]}
    compression = {"objective": "Size", "proof": "Point", "maxMetricDrop": 0.1, "candidates": [mlp]}
    job = EstimatorJob.on(tmp_path, dataset, compression=compression)
    folder, outcome = job.publish({"gradientBoosting": {"maxIterations": 100}}, compression=compression)
    assert outcome.summary["chosen"] == "mlp", outcome.message
    assert {path.name for path in folder.iterdir()} >= {"model.tflite", "model.keras", "model.skops"}
    assert verify(folder) == []
    report = json.loads((folder / "steelyard.json").read_text())
    assert (report["serving"]["runtime"], report["output"]) == ("LiteRT", "standardizedTarget")
    assert report["choice"]["candidates"][1]["bytes"] < report["choice"]["candidates"][0]["bytes"] / 10
    assert "another model than the one that was trained" in (folder / "README.md").read_text()

    capsys.readouterr()
    predict(folder, job.test_rows(), output=OutputFormat.JSON)
    found = json.loads(capsys.readouterr().out)
    assert found["metric"]["value"] == pytest.approx(report["metrics"]["test"]["rmse"]["value"], rel=1e-6)
    gap = PublishedModel.load(folder).predict({"size": [None], "age": [0.0]})
    assert np.isfinite(gap.outputs).all()
