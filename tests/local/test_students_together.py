"""Students of several workers: real TensorFlow processes, two against one, and a worker that is lost in a lesson."""

import json
import signal
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from training_support import TrainStage, tensorflow_process, training_job, wait

from steelyard.api.training_job import TrainingJob
from steelyard_trainer.compression.candidates import Candidates
from steelyard_trainer.compression.choice import Measured
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.families.keras.bench import Workbench
from steelyard_trainer.finish import finish

STUDENT = {"technique": "Distill", "model": {"mlp": {"hiddenUnits": [16], "batchNormalization": True}}, "epochs": 3}
CANDIDATES = [
    {"name": "of-4-bits", "steps": [STUDENT, {"technique": "QuantizationAware", "epochs": 20}, {"technique": "Int4"}]},
    {"name": "pruned", "steps": [{"technique": "Prune", "epochs": 4}, {"technique": "Float16", "sparse": True}]},
    "DynamicRange",
]


def job(workers: int = 2) -> TrainingJob:
    compression = {"candidates": CANDIDATES, "maxMetricDrop": 0.05, "proof": "Point"}
    return training_job(
        workers=workers,
        # 1,006 rows are learned: in the last global batch of 18 worker 1 has one of 16, and padding.
        batchSize=18 // workers,
        epochs=5,
        checkpoint={"everySteps": 7},
        spec={"compression": compression, "publish": [{"uri": "model"}]},
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> TrainStage:
    """What two workers train whom nobody disturbs."""
    stage = TrainStage.prepared(tmp_path_factory.mktemp("undisturbed") / "w", job())
    assert stage.run() == [0, 0]
    return stage


@pytest.fixture(scope="module")
def alone(undisturbed: TrainStage, tmp_path_factory: pytest.TempPathFactory) -> Candidates:
    """What one worker makes of the same model, in this process."""
    spec, dataset = job(workers=1).spec, PreparedDataset.load(undisturbed.workspace)
    return Workbench(undisturbed.workspace.model_file, tmp_path_factory.mktemp("alone"), dataset, spec).candidates


def made(stage: TrainStage) -> dict[str, bytes]:
    """The files of all candidates, and the weights of the networks on the way, by the recipe's digest."""

    def content(path: Path) -> bytes:
        if path.suffix != ".keras":
            return path.read_bytes()
        # Beside them Keras writes where in memory a type was that layers share.
        with zipfile.ZipFile(path) as archive:
            return archive.read("model.weights.h5")

    files = stage.workspace.finished.glob("*/*/model/model.*")
    return {f"{path.parents[1].name}/{path.name}": content(path) for path in files}


def candidates_of(stage: TrainStage) -> Candidates:
    dataset = PreparedDataset.load(stage.workspace)
    return Workbench(stage.workspace.model_file, stage.workspace.finished, dataset, job().spec).candidates


def without_costs(candidates: Candidates) -> list[Measured]:
    untimed = replace(candidates, measuring=replace(candidates.measuring, costs=frozenset()))
    return untimed.measure(with_answers=True)


def networks_of(candidates: Candidates) -> list[keras.Model]:
    files = [candidates.kept.find(part) for recipe in candidates.recipes.values() for part in recipe.prefixes()]
    return [keras.saving.load_model(each.file, compile=False) for each in files if each and each.runtime == "Keras"]


def test_two_workers_train_the_students_that_one_trains(undisturbed: TrainStage, alone: Candidates) -> None:
    mine, theirs = candidates_of(undisturbed), alone
    before = made(undisturbed)
    for one, other in zip(without_costs(mine), without_costs(theirs), strict=True):
        assert one.figures and other.figures, (one.failure, other.failure)
        # A weight in the middle between two points of its grid goes to either.
        near = 0.03 if one.name == "of-4-bits" else 0.01
        assert one.figures["accuracy"].value == pytest.approx(other.figures["accuracy"].value, abs=near)
    assert made(undisturbed) == before, "all was made by the workers"
    student, in_4_bits, pruned = zip(networks_of(mine), networks_of(theirs), strict=True)
    for one, other in (student, pruned):
        for own, expected in zip(one.get_weights(), other.get_weights(), strict=True):
            assert own == pytest.approx(expected, abs=1e-3)
    own, expected = (network.get_layer("hidden_1").kernel.numpy() for network in in_4_bits)
    assert np.linalg.norm(own - expected) < 0.25 * np.linalg.norm(expected)


def test_a_worker_lost_in_a_lesson_goes_on_in_place_and_no_candidate_is_made_again(
    undisturbed: TrainStage, tmp_path: Path
) -> None:
    stage = TrainStage.prepared(tmp_path / "w", job())
    supervisors = stage.start()
    unit = "epochs of a network with 4-bit weights"
    stage.wait_for(lambda: stage.log().count(unit) >= 2)
    before = {path: path.stat().st_mtime_ns for path in stage.workspace.finished.glob("*/*/step.json")}
    assert len(before) == 2, "the baseline and the student"
    tensorflow_process(supervisors[1]).send_signal(signal.SIGKILL)
    assert wait(supervisors) == [0, 0]
    assert stage.result().summary["restarts"] == 1 and "SIGKILL" in str(stage.notices(1))
    assert {path: path.stat().st_mtime_ns for path in before} == before, "what was made before stays"
    done = [json.loads(line)["done"] for line in stage.log().splitlines() if unit in line]
    # An epoch is made twice where the last checkpoint was before its end, no more.
    assert {*done} == {*range(1, max(done) + 1)} and len(done) <= max(done) + 1
    assert stage.log().count('"unit": "epochs"') == 5, "the model was trained before"
    assert made(stage) == made(undisturbed)


def test_finish_makes_nothing_again(undisturbed: TrainStage, capfd: pytest.CaptureFixture[str]) -> None:
    before = made(undisturbed)
    outcome = finish(undisturbed.context("finish"))
    assert "learns" not in capfd.readouterr().out and made(undisturbed) == before
    report: dict[str, Any] = json.loads((undisturbed.workspace.root / "model/steelyard.json").read_bytes())
    assert all(each["latencyMicroseconds"] > 0 for each in report["choice"]["candidates"])
    assert np.isfinite(outcome.summary["metricDrop"])
