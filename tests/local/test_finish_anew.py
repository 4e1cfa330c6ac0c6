"""The stage finish on models and data of other kinds, and where it was killed or finds another model."""

import signal
from pathlib import Path

import numpy as np
import pytest
from candidates_support import kept_candidates
from finish_support import ALL, DIGITS, FinishStage, outputs_of, report_of, solve
from sklearn.metrics import r2_score

from steelyard.api.errors import SteelyardError
from steelyard.contract.stages import Reason
from steelyard.stores.integrity import digest_of, verify


def test_a_stage_that_is_killed_goes_on_with_the_candidates_that_it_had(tmp_path: Path) -> None:
    stage = FinishStage.ready(tmp_path, DIGITS)
    process = stage.start(publish=[{"uri": "model"}], **ALL)
    assert process.stdout is not None and process.stderr is not None
    next(line for line in process.stdout if '"done": 2' in line)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stderr.close()
    before = kept_candidates(stage.workspace)
    assert {"Baseline", "DynamicRange"} <= before.keys()
    # All are timed together in the end: measured.json has that then.
    kept = [path for folder in before.values() for path in folder.rglob("*") if path.name != "measured.json"]
    made = {path: path.stat().st_mtime_ns for path in kept}
    stage.finish(publish=[{"uri": "model"}], **ALL)
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert len(kept_candidates(stage.workspace)) == 4
    (folder,) = stage.workspace.finished.iterdir()
    assert len(list(folder.iterdir())) == 4, "nothing is left of the one that was being made"


def test_another_model_replaces_the_candidates_and_the_published_model(tmp_path: Path) -> None:
    stage = FinishStage.ready(tmp_path, DIGITS)
    first = stage.finish(publish=[{"uri": "model"}, {"uri": "second"}]).summary
    assert (first["chosen"], first["candidates"][0]["name"], len(first["candidates"])) == ("Baseline", "Baseline", 1)
    assert digest_of(tmp_path / "model") == digest_of(tmp_path / "second") == first["digest"]
    stage.leave_model(seed=1)
    second = stage.finish(publish=[{"uri": "model"}]).summary
    assert second["digest"] != first["digest"]
    assert verify(tmp_path / "model", second["digest"]) == verify(tmp_path / "second", first["digest"]) == []
    assert len(list(stage.workspace.finished.iterdir())) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "second", "workspace"]


def test_a_candidate_that_overflows_is_rejected(tmp_path: Path) -> None:
    """The hidden layer's outputs lie beyond 65,504, the largest number of 16 bits; the float32 model bears them."""
    stage = FinishStage.ready(tmp_path, DIGITS, scale=1e6)
    compression = {"candidates": ["Float16"], "maxMetricDrop": 0.01}
    assert stage.finish(publish=[{"uri": "model"}], compression=compression).summary["chosen"] == "Baseline"
    report = report_of(tmp_path / "model")
    assert report["metrics"]["test"]["accuracy"]["value"] > 0.9
    assert report["choice"]["candidates"][1]["verdict"].startswith("rejected")
    assert "no compressed candidate keeps accuracy within 0.01" in report["choice"]["why"]


def test_regression(tmp_path: Path) -> None:
    stage = FinishStage.ready(tmp_path, {"uri": "sklearn:diabetes", "target": "target"})
    evaluation = {"require": [{"metric": "r2", "minimum": 0.2}, {"metric": "mae", "maximum": 70}]}
    summary = stage.finish(publish=[{"uri": "model"}], evaluation=evaluation, **ALL).summary
    test = stage.prepared().read("test")
    outputs = outputs_of((tmp_path / "model/model.tflite").read_bytes(), test.features)
    outputs = stage.prepared().preprocessing.target_unit.restored(outputs)
    assert summary["metric"] == "r2"
    # Batches and single rows may differ in the last bit of float32.
    assert summary["metrics"]["r2"][0] == pytest.approx(r2_score(test.targets, outputs), abs=1e-6)
    assert summary["chosen"] != "Baseline"
    assert verify(tmp_path / "model", summary["digest"]) == []


def test_a_model_whose_outputs_are_not_finite_is_not_published(tmp_path: Path) -> None:
    stage = FinishStage.ready(tmp_path, DIGITS)
    broken = solve(stage.prepared())
    broken.layers[-1].bias.assign(np.full(10, np.nan))
    broken.save(stage.workspace.model_file)
    with pytest.raises(SteelyardError, match="not finite") as caught:
        stage.finish(publish=[{"uri": "model"}])
    assert caught.value.reason == Reason.LOSS_NOT_FINITE
    assert not (tmp_path / "model").exists()
