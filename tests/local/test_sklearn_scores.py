"""The stage train for scikit-learn's models gives scikit-learn's own scores, as a job and as a trial of a search."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prepare_support import write_csv
from sklearn import datasets
from sklearn import metrics as reference
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn_support import EstimatorJob

from steelyard.api.errors import ConfigurationError, SteelyardError
from steelyard.contract.stages import Env, ExitCode, Reason, Result
from steelyard.contract.trial_report import TrialReport
from steelyard_trainer import train as stage
from steelyard_trainer.contract import Outcome, StageContext
from steelyard_trainer.data.splitting import SplitName
from steelyard_trainer.families.sklearn.saving import load_estimator

LOADERS = {
    "digits": datasets.load_digits,
    "diabetes": datasets.load_diabetes,
    "breast_cancer": datasets.load_breast_cancer,
}
FOLDS = {"crossValidation": {"folds": 5}}


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EstimatorJob]:
    """Each shipped set, prepared once."""
    folder = tmp_path_factory.mktemp("sets")
    return {name: EstimatorJob.on(folder / name, {"uri": f"sklearn:{name}", "target": "target"}) for name in LOADERS}


def context(job: EstimatorJob, workspace: Path, model: dict[str, Any], key: str = "key", **spec: Any) -> StageContext:
    """The stage train of a job on prepared data, in a workspace of its own, publishing nothing."""
    dataset = {"uri": str(job.workspace.prepared), "format": "Prepared", "target": job.dataset["target"]}
    manifest = EstimatorJob(job.folder, dataset).job(model, **{"publish": [], **spec})
    workspace.mkdir(exist_ok=True)
    return StageContext("train", manifest, type(job.workspace)(workspace), job.folder, key, 0)


def train(job: EstimatorJob, workspace: Path, model: dict[str, Any], **spec: Any) -> Outcome:
    """Runs the stage in this process, as the supervisor would."""
    return stage.train(context(job, workspace, model, **spec))


def ask(job: EstimatorJob, workspace: Path, model: dict[str, Any], **fields: Any) -> tuple[TrialReport, Outcome]:
    """Runs a trial; fields that are a trial's go into spec.trial."""
    trial = {"tuningJob": "search", "number": 7, "metric": "accuracy", "goal": "Maximize", **fields.pop("trial", {})}
    outcome = train(job, workspace, model, trial=trial, **fields)
    return TrialReport.from_json(outcome.summary["trial"]), outcome


def rows_of(job: EstimatorJob, *splits: SplitName) -> np.ndarray:
    """The numbers of the rows in the source: of one part in its order, of several in the source's."""
    numbers = [job.prepared.read(split).rows for split in splits]
    return numbers[0] if len(numbers) == 1 else np.sort(np.concatenate(numbers))


def data(job: EstimatorJob, *splits: SplitName) -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's own arrays, of those rows."""
    features, targets = LOADERS[job.folder.name](return_X_y=True)
    rows = rows_of(job, *splits)
    return features[rows], targets[rows]


MODELS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "ridge": ("diabetes", {"ridge": {"alpha": 1.0}}, make_pipeline(StandardScaler(), Ridge(alpha=1.0))),
    "ridge, raw": ("diabetes", {"ridge": {"scaling": "None"}}, Ridge()),
    "lasso": ("diabetes", {"lasso": {"alpha": 0.3}}, make_pipeline(StandardScaler(), Lasso(alpha=0.3))),
    "elasticNet": (
        "diabetes",
        {"elasticNet": {"alpha": 0.1, "l1Ratio": 0.7}},
        make_pipeline(StandardScaler(), ElasticNet(alpha=0.1, l1_ratio=0.7)),
    ),
    "forest of numbers": (
        "diabetes",
        {"randomForest": {"nEstimators": 10}},
        RandomForestRegressor(10, random_state=42),
    ),
    "forest of classes": (
        "digits",
        {"randomForest": {"nEstimators": 10, "maxDepth": 8}},
        RandomForestClassifier(10, max_depth=8, random_state=42),
    ),
    "logisticRegression": (
        "breast_cancer",
        {"logisticRegression": {"c": 0.5}},
        make_pipeline(StandardScaler(), LogisticRegression(C=0.5)),
    ),
    "boosting of numbers": (
        "diabetes",
        {"gradientBoosting": {}},
        HistGradientBoostingRegressor(max_iter=300, early_stopping=True, random_state=42),
    ),
    "boosting of classes": (
        "breast_cancer",
        {"gradientBoosting": {"maxIterations": 20}},
        HistGradientBoostingClassifier(max_iter=20, early_stopping=True, random_state=42),
    ),
    "nearestNeighbors": (
        "digits",
        {"nearestNeighbors": {"neighbors": 3, "weights": "Distance", "scaling": "None"}},
        KNeighborsClassifier(3, weights="distance"),
    ),
}
EXACT = {"forest of numbers", "forest of classes"}
"""A forest sees the raw numbers: every bit is the same."""
SCORERS = {
    "accuracy": ("accuracy", 1),
    "macroF1": ("f1_macro", 1),
    "logLoss": ("neg_log_loss", -1),
    "r2": ("r2", 1),
    "rmse": ("neg_root_mean_squared_error", -1),
    "mae": ("neg_mean_absolute_error", -1),
}


@pytest.mark.parametrize("name", MODELS)
def test_folds_and_final_model_score_as_in_scikit_learn(
    jobs: dict[str, EstimatorJob], tmp_path: Path, name: str
) -> None:
    source, model, twin = MODELS[name]
    job = jobs[source]
    outcome = train(job, tmp_path / "w", model, training={"seed": 42}, evaluation=FOLDS)
    tolerance = 0 if name in EXACT else 1e-9

    found = outcome.summary["crossValidation"]
    scorers = {metric: SCORERS[metric][0] for metric in found["scores"]}
    expected = cross_validate(twin, *data(job, "train", "validation"), cv=5, scoring=scorers)
    assert len(scorers) == 3
    for metric, scores in found["scores"].items():
        own = SCORERS[metric][1] * expected[f"test_{metric}"]
        np.testing.assert_allclose(scores, own, rtol=tolerance, atol=tolerance)
        assert found["means"][metric] == np.average(scores)

    fitted = twin.fit(*data(job, "train"))
    primary = outcome.summary["metric"]
    np.testing.assert_allclose(
        outcome.summary["metrics"][primary][0], fitted.score(*data(job, "test")), rtol=tolerance, atol=tolerance
    )
    document = json.loads((tmp_path / "w" / "trained" / "training.json").read_text())
    np.testing.assert_allclose(document["crossValidation"]["scores"][primary], found["scores"][primary], rtol=0, atol=0)
    assert (document["kind"], document["key"]) == ("estimator", "key")
    assert outcome.summary["bytes"] == (tmp_path / "w" / "trained" / "estimator.skops").stat().st_size


def test_the_saved_forest_is_scikit_learns_to_the_last_bit(jobs: dict[str, EstimatorJob], tmp_path: Path) -> None:
    job = jobs["digits"]
    train(job, tmp_path / "w", {"randomForest": {"nEstimators": 10}}, training={"seed": 42})
    saved = load_estimator(tmp_path / "w" / "trained" / "estimator.skops")
    twin = RandomForestClassifier(10, random_state=42).fit(*data(job, "train"))
    features, _ = data(job, "test")
    np.testing.assert_array_equal(saved.predict_proba(features), twin.predict_proba(features))


@pytest.mark.parametrize("algorithm", ["Auto", "KDTree", "BallTree", "Brute"])
def test_every_algorithm_finds_the_same_neighbours(
    jobs: dict[str, EstimatorJob], tmp_path: Path, algorithm: str
) -> None:
    job = jobs["digits"]
    train(job, tmp_path / "w", {"nearestNeighbors": {"algorithm": algorithm, "scaling": "None"}})
    saved = load_estimator(tmp_path / "w" / "trained" / "estimator.skops")
    features, _ = data(job, "test")
    distances, neighbours = saved.kneighbors(features)
    twin = KNeighborsClassifier(algorithm="brute").fit(*data(job, "train"))
    expected, nearest = twin.kneighbors(features)
    np.testing.assert_allclose(distances, expected, rtol=1e-9)
    # Of equally far ones any may be named.
    differ = np.flatnonzero(neighbours != nearest)
    assert len(differ) < neighbours.size / 100
    assert saved.n_samples_fit_ == len(rows_of(job, "train"))


def test_what_fills_scales_and_encodes_is_learned_inside_each_fold(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    count = 120
    numbers = random.normal(50, 9, (count, 2)).round(3)
    towns = random.choice(["Bonn", "Köln", "Ulm"], count)
    targets = (numbers @ [1.5, -2.0] + 7 * (towns == "Ulm") + random.normal(0, 3, count)).round(3)
    gaps = random.random((count, 3)) < 0.15
    rows = [
        ["" if gaps[row, 0] else numbers[row, 0], "" if gaps[row, 2] else towns[row], numbers[row, 1], targets[row]]
        for row in range(count)
    ]
    folder = tmp_path / "job"
    folder.mkdir()
    write_csv(folder / "table.csv", ["a", "town", "b", "target"], rows)
    dataset = {"uri": "table.csv", "target": "target", "missingValues": {"strategy": "Median"}}
    job = EstimatorJob.on(folder, dataset)

    cells = np.empty((count, 3), dtype=object)
    cells[:, 0], cells[:, 1], cells[:, 2] = numbers[:, 0], towns, numbers[:, 1]
    cells[gaps[:, 0], 0] = np.nan
    cells[gaps[:, 2], 1] = np.nan
    twin = make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), [0, 2]),
            (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")), [1]),
        ),
        Ridge(),
    )
    learned = rows_of(job, "train", "validation")
    expected = cross_val_score(twin, cells[learned], targets[learned], cv=5)
    found = train(job, tmp_path / "w", {"ridge": {}}, evaluation=FOLDS).summary["crossValidation"]["scores"]["r2"]
    np.testing.assert_allclose(found, expected, rtol=1e-9)

    twin.fit(cells[rows_of(job, "train")], targets[rows_of(job, "train")])
    test = rows_of(job, "test")
    metrics = json.loads((tmp_path / "w" / "trained" / "training.json").read_text())["metrics"]
    np.testing.assert_allclose(metrics["r2"][0], twin.score(cells[test], targets[test]), rtol=1e-9)


def test_a_refitted_model_has_seen_all_but_the_test_part_in_the_sources_order(
    jobs: dict[str, EstimatorJob], tmp_path: Path
) -> None:
    job = jobs["digits"]
    outcome = train(job, tmp_path / "w", {"randomForest": {"nEstimators": 5}}, trained={"refit": True}, publish=None)
    saved = load_estimator(tmp_path / "w" / "trained" / "estimator.skops")
    twin = RandomForestClassifier(5, random_state=0).fit(*data(job, "train", "validation"))
    features, _ = data(job, "test")
    np.testing.assert_array_equal(saved.predict_proba(features), twin.predict_proba(features))
    assert outcome.message == "fitted on the 1,437 rows of the training and validation sets"


# --- the stage --------------------------------------------------------------------------------------------------------


def test_what_was_fitted_is_not_fitted_again_and_another_key_is(
    jobs: dict[str, EstimatorJob], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job, file = jobs["diabetes"], tmp_path / "w" / "trained" / "estimator.skops"
    first = train(job, tmp_path / "w", {"lasso": {}})
    made = file.stat().st_mtime_ns
    again = train(job, tmp_path / "w", {"lasso": {}})
    assert (again.summary, file.stat().st_mtime_ns) == (first.summary, made)
    assert "was trained already" in capsys.readouterr().out
    stage.train(context(job, tmp_path / "w", {"lasso": {}}, key="another"))
    assert file.stat().st_mtime_ns != made


def test_a_model_that_is_not_good_enough_fails_the_job(jobs: dict[str, EstimatorJob], tmp_path: Path) -> None:
    gates = {"require": [{"metric": "r2", "minimum": 0.99}]}
    with pytest.raises(SteelyardError, match="NOT MET: r2 is") as caught:
        train(jobs["diabetes"], tmp_path / "w", {"ridge": {}}, evaluation=gates)
    assert (caught.value.reason, caught.value.exit_code) == (Reason.GATE_FAILED, ExitCode.GATE_FAILED)


def test_a_model_of_another_task_is_refused_when_the_data_is_read(
    jobs: dict[str, EstimatorJob], tmp_path: Path
) -> None:
    with pytest.raises(
        ConfigurationError, match=r"spec.model: ridge is for Regression, but the task is Classification"
    ):
        train(jobs["digits"], tmp_path / "w", {"ridge": {}})


def test_a_trial_that_gives_up_ends_well_and_without_tensorflow(jobs: dict[str, EstimatorJob], tmp_path: Path) -> None:
    asked = {"tuningJob": "search", "number": 7, "metric": "r2", "goal": "Maximize"}
    trial = {**asked, "limits": [{"step": 2, "value": 1.0}]}
    stage = context(
        jobs["diabetes"], tmp_path / "w", {"randomForest": {"nEstimators": 3}}, evaluation=FOLDS, trial=trial
    )
    environment = {
        **os.environ,
        Env.SPEC: json.dumps(stage.job.to_manifest()),
        Env.WORKSPACE: str(stage.workspace.root),
        Env.BASE_DIR: str(tmp_path),
        Env.STAGE_KEY: "key",
        Env.RESULT_FILE: str(tmp_path / "result.json"),
    }
    code = """
import os, sys
leave = os._exit
def tell(code):
    print("heavy:", sorted({"tensorflow", "keras", "onnxruntime", "skops"} & set(sys.modules)), flush=True)
    leave(code)
os._exit = tell
sys.argv[1:] = ["train"]
from steelyard_trainer.__main__ import main
main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    assert "heavy: []" in ended.stdout
    assert ended.stderr == ""
    result = Result.from_json(json.loads((tmp_path / "result.json").read_text()))
    assert result.reason == Reason.PRUNED
    report = TrialReport.from_json(result.summary["trial"])
    assert (report.state, [fold for fold, _ in report.steps]) == ("Pruned", [1, 2])


# --- trials -----------------------------------------------------------------------------------------------------------


def test_a_trial_on_folds_tells_their_scores_and_leaves_no_model(
    jobs: dict[str, EstimatorJob], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = jobs["digits"]
    report, outcome = ask(
        job, tmp_path / "w", {"randomForest": {"nEstimators": 5}}, training={"seed": 42}, evaluation=FOLDS
    )
    expected = cross_val_score(RandomForestClassifier(5, random_state=42), *data(job, "train", "validation"), cv=5)
    assert report.steps == tuple(enumerate(expected.tolist(), start=1))
    assert (report.number, report.state, report.value) == (7, "Complete", expected.mean())
    assert outcome.reason == Reason.SUCCEEDED
    assert not (tmp_path / "w" / "trained" / "estimator.skops").exists()
    progress = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"progress"' in line]
    assert [line["done"] for line in progress] == [1, 2, 3, 4, 5]
    assert progress[-1]["values"] == {f"step_{fold}": value for fold, value in report.steps}
    # A runner that died before it read the result starts it again.
    again, _ = ask(job, tmp_path / "w", {"randomForest": {"nEstimators": 5}}, training={"seed": 42}, evaluation=FOLDS)
    assert again == report


def test_a_trial_without_folds_is_scored_on_the_validation_part_and_leaves_its_model(
    jobs: dict[str, EstimatorJob], tmp_path: Path
) -> None:
    job = jobs["breast_cancer"]
    model = {"logisticRegression": {}}
    report, _ = ask(job, tmp_path / "w", model, trial={"metric": "logLoss", "goal": "Minimize"})
    twin = make_pipeline(StandardScaler(), LogisticRegression()).fit(*data(job, "train"))
    features, targets = data(job, "validation")
    expected = reference.log_loss(targets, twin.predict_proba(features))
    # As of a published model: a probability counts as 1e-7 at least.
    assert report.value == pytest.approx(expected, rel=1e-6)
    assert (report.steps, report.secondary) == ((), None)
    assert (tmp_path / "w" / "trained" / "estimator.skops").exists()


def test_a_trial_gives_up_at_its_limit_with_the_mean_so_far(jobs: dict[str, EstimatorJob], tmp_path: Path) -> None:
    job, model = jobs["digits"], {"randomForest": {"nEstimators": 5}}
    whole, _ = ask(job, tmp_path / "whole", model, evaluation=FOLDS)
    limits = [{"step": 1, "value": 0.0}, {"step": 3, "value": 1.0}, {"step": 4, "value": 1.0}]
    report, outcome = ask(job, tmp_path / "w", model, evaluation=FOLDS, trial={"limits": limits})
    assert report.steps == whole.steps[:3]
    assert report.value == np.average([value for _, value in whole.steps[:3]])
    assert (report.state, outcome.reason) == ("Pruned", Reason.PRUNED)
    assert "after fold 3" in outcome.message
    _, again = ask(job, tmp_path / "w", model, evaluation=FOLDS, trial={"limits": limits})
    assert (again.reason, again.summary) == (Reason.PRUNED, outcome.summary)


def test_a_trial_gives_up_where_the_best_is_out_of_reach(jobs: dict[str, EstimatorJob], tmp_path: Path) -> None:
    job = jobs["digits"]
    best, _ = ask(job, tmp_path / "best", {"randomForest": {"nEstimators": 30}}, evaluation=FOLDS)
    paired = {"pairedLimit": {"best": [value for _, value in best.steps]}}
    poor, _ = ask(job, tmp_path / "poor", {"randomForest": {"maxDepth": 2}}, evaluation=FOLDS, trial=paired)
    assert (poor.state, len(poor.steps)) == ("Pruned", 2)
    equal, _ = ask(job, tmp_path / "equal", {"randomForest": {"nEstimators": 30}}, evaluation=FOLDS, trial=paired)
    assert (equal.state, equal.steps) == ("Complete", best.steps)


@pytest.mark.parametrize("evaluation", [{}, FOLDS], ids=["validation", "folds"])
def test_the_secondary_objective_is_the_published_models(
    jobs: dict[str, EstimatorJob], tmp_path: Path, evaluation: dict[str, Any]
) -> None:
    model = {"randomForest": {"nEstimators": 3, "maxDepth": 3}}
    fields = {"evaluation": evaluation, "compression": {}, "trial": {"secondary": "Size"}}
    small, _ = ask(jobs["digits"], tmp_path / "small", model, **fields)
    large, _ = ask(jobs["digits"], tmp_path / "large", {"randomForest": {"nEstimators": 6, "maxDepth": 3}}, **fields)
    assert small.secondary is not None and large.secondary is not None
    assert 0 < small.secondary < large.secondary
    assert small.secondary == int(small.secondary)
