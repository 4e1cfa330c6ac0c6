"""The proof of a recipe, by models that are trained again on folds."""

from pathlib import Path

import numpy as np
import pytest
from candidates_support import kept_candidates
from finish_support import FinishStage, report_of
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn_support import EstimatorJob

from steelyard.contract.workspace import Workspace
from steelyard_trainer.compression.cross_fitting import FOLDS
from steelyard_trainer.data.folds import fold_of_rows
from steelyard_trainer.families.sklearn.features import Table

OF_RECIPE = "proved of the recipe, made again on 5 folds, not of this file: accuracy "
DIGITS = {"uri": "sklearn:digits", "target": "target"}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> FinishStage:
    return FinishStage.ready(tmp_path_factory.mktemp("digits"), DIGITS)


def test_networks_of_folds_prove_what_the_validation_set_has_too_few_rows_for(digits: FinishStage) -> None:
    asked = {"candidates": ["Float16"], "maxMetricDrop": 0.005}
    training = {"optimizer": {"learningRate": 0.01}}
    held_out = digits.finish(publish=[{"uri": "held"}], compression=asked, training=training)
    assert held_out.summary["proof"].endswith("at least 539 rows would be needed, there are 180")

    def finish() -> dict[str, object]:
        crossed = {**asked, "proof": "CrossFitted", "onTooFewRows": "Baseline"}
        return digits.finish(publish=[{"uri": "crossed"}], compression=crossed, training=training).summary

    summary = finish()
    choice = report_of(digits.folder / "crossed")["choice"]
    assert (choice["chosen"], choice["proved"], summary["proved"]) == ("Float16", True, True)
    assert choice["proof"].startswith(OF_RECIPE) and choice["proof"] == summary["proof"]
    for page in ("README.md", "report.html"):
        assert choice["proof"][1:] in (digits.folder / "crossed" / page).read_text(), page
    models = list(digits.workspace.root.glob("folds/*/*/trained/model.keras"))
    answers = [np.load(path) for path in digits.workspace.root.glob("folds/*/*/finished/*/*/answers.npz")]
    assert len(models) == 5 and sum(len(each["validation"]) for each in answers) == 2 * (1257 + 180)
    made = [path.stat().st_mtime_ns for path in models]
    finish()
    assert [path.stat().st_mtime_ns for path in models] == made, "no network is trained twice"


def test_models_of_scikit_learn_answer_rows_that_they_have_not_learned(tmp_path: Path) -> None:
    job = EstimatorJob.on(tmp_path, DIGITS)
    folder, _ = job.publish({"nearestNeighbors": {"neighbors": 1}}, compression={"proof": "CrossFitted"})
    report = report_of(folder)
    assert report["metrics"]["train"]["accuracy"]["value"] == 1
    table = Table.read(job.prepared, ("train", "validation"))
    folds = fold_of_rows(table.targets, 10, FOLDS, 0)
    right = []
    for number in range(FOLDS):
        (root,) = job.workspace.root.glob(f"folds/*/{number}")
        answers = np.load(kept_candidates(Workspace(root))["Baseline"] / "answers.npz")["validation"]
        learned, said = folds != number, answers.argmax(axis=1)
        neighbors = make_pipeline(StandardScaler(), KNeighborsClassifier(1))
        neighbors.fit(table.numbers[learned], table.targets[learned])
        # But for a tie, which the last bit of a distance decides.
        assert np.mean(said == neighbors.predict(table.numbers[~learned])) > 0.99
        right += (said == table.targets[~learned]).tolist()
    assert 0.9 < np.mean(right) < 1 and len(right) == 1437
    (onnx,) = [each for each in report["choice"]["candidates"] if each["name"] == "Onnx"]
    assert onnx["proved"] and onnx["dropAtMost"] < 0.005
