"""Targets and features far from 0, or very close together: shifted and scaled in float64, from the table to the
prediction. The cases 13 and 14 of tests/data/cases, and their neighbours."""

import csv
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import keras
import numpy as np
import pytest
import yaml
from ai_edge_litert.interpreter import Interpreter
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import ElasticNet, Lasso, Ridge
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsRegressor

from steelyard.api.errors import ConfigurationError
from steelyard.api.metrics import Measure
from steelyard.api.training_job import TrainingJobSpec
from steelyard.serving.interface import TargetUnit
from steelyard.serving.published import PublishedModel
from steelyard.stores.integrity import sums_of
from steelyard_trainer.compression.candidates import Candidates, Measuring
from steelyard_trainer.compression.kept_candidates import KeptCandidates
from steelyard_trainer.compression.recipe import Recipe
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.families.sklearn.compression import BASELINE_RECIPE, trained_estimator
from steelyard_trainer.families.sklearn.features import LabelledRows
from steelyard_trainer.families.sklearn.skops_files import estimator_bytes
from steelyard_trainer.families.sklearn.standardized import fit_precisely

CASES = Path(__file__).parents[1] / "data/cases"
MLP = {
    "model": {"mlp": {"hiddenUnits": [32]}},
    "training": {"epochs": 60},
    "compression": {"candidates": ["DynamicRange", "Float16", "Int8"], "maxMetricDrop": 0.05},
}


def run(folder: Path, spec: dict[str, Any] | None = None, file: str = "job.yaml") -> dict[str, Any]:
    """`steelyard run` as a user has it; gives steelyard.json."""
    if spec is not None:
        manifest = {"apiVersion": "steelyard.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "j"}}
        dataset = {"uri": "t.csv", "target": "y"}
        text = yaml.safe_dump({**manifest, "spec": {"dataset": dataset, "publish": [{"uri": "model"}], **spec}})
        (folder / file).write_text(text)
    command = [sys.executable, "-m", "steelyard.cli.main", "run", str(folder / file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads((folder / "model/steelyard.json").read_text())
    return report


def r2_by_candidate(report: dict[str, Any]) -> dict[str, float]:
    return {each["name"]: each["validation"]["r2"]["value"] for each in report["choice"]["candidates"]}


def write_table(path: Path, columns: dict[str, np.ndarray]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *zip(*(map(repr, map(float, c)) for c in columns.values()), strict=True)])


def test_case_13_prices_above_65504_in_float16(tmp_path: Path) -> None:
    shutil.copytree(CASES / "13-float16-large-target", tmp_path, dirs_exist_ok=True)
    report = run(tmp_path)
    found = r2_by_candidate(report)
    assert found["Baseline"] > 0.98
    assert found["Float16"] == pytest.approx(found["Baseline"], abs=0.001)
    assert report["formatVersion"] >= 2, "outputs have a unit of their own"


def test_case_14_a_target_far_from_0_in_every_candidate(tmp_path: Path) -> None:
    shutil.copytree(CASES / "14-large-offset-target", tmp_path, dirs_exist_ok=True)
    report = run(tmp_path)
    assert r2_by_candidate(report)["Baseline"] >= 0.99
    assert report["metrics"]["test"]["r2"]["value"] >= 0.99
    assert report["metrics"]["test"]["rmse"]["value"] < 10
    report = run(tmp_path, file="job-ridge.yaml")
    assert min(r2_by_candidate(report).values()) >= 0.99


TABLES: dict[str, Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]] = {
    "a target far below 0": lambda x, noise: {"x": x, "y": -1.7e9 + 100 * x + noise},
    "a target of tiny spread": lambda x, noise: {"x": x, "y": 1e-9 * x + 1e-11 * noise},
    "a target of 1e12 with a spread of 1": lambda x, noise: {"x": x, "y": 1e12 + x + 0.01 * noise},
    "features of 1e12, one of them constant": lambda x, noise: {
        "x": 1e12 + 100 * x,
        "c": np.full(len(x), 1e12),
        "y": x + 0.01 * noise,
    },
}


@pytest.mark.parametrize(("name", "workers"), [(name, 1 + (name == "a target far below 0")) for name in TABLES])
def test_neighbours_of_both_cases_in_a_network(name: str, workers: int, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    columns = TABLES[name](random.normal(size=400), random.normal(size=400))
    write_table(tmp_path / "t.csv", columns)
    spec = {**MLP, "training": {"epochs": 60, "workers": workers}}
    report = run(tmp_path, spec)
    found = r2_by_candidate(report)
    assert set(found) == {"Baseline", "DynamicRange", "Float16", "Int8"}
    assert min(found.values()) >= 0.98, found
    assert report["output"] == "standardizedTarget"

    # What predicts says the same as the report.
    model = PublishedModel.load(tmp_path / "model")
    predicted = model.predict({column: cells for column, cells in columns.items() if column != "y"})
    assert predicted.outputs.dtype == np.float64
    assert r2_score(columns["y"], predicted.values) >= 0.98

    # So do the lines of NumPy in the card, with the files alone.
    card = (tmp_path / "model/README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    prepare, restore = code.split("\ny = ")
    names: dict[str, Any] = {"json": json, "np": np, "table": columns}
    exec(prepare.replace('"preprocessing.json"', repr(str(tmp_path / "model/preprocessing.json"))), names)
    interpreter = Interpreter(model_content=(tmp_path / "model/model.tflite").read_bytes())
    interpreter.resize_tensor_input(0, names["x"].shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], names["x"])
    interpreter.invoke()
    names["outputs"] = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    exec("y = " + restore, names)
    np.testing.assert_allclose(names["y"], predicted.outputs, rtol=1e-12)
    kept = keras.saving.load_model(tmp_path / "model/model.keras", compile=False)
    assert abs(np.asarray(kept(names["x"])).mean()) < 0.5


UNITS = {"1.7e9": (1.7e9, 100.0), "-1.7e9": (-1.7e9, 100.0), "1e12": (1e12, 1.0), "tiny": (0.0, 1e-9)}


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestRegressor(20, random_state=0),
        KNeighborsRegressor(3),
        Ridge(),
        Lasso(alpha=1e-13),
        ElasticNet(alpha=1e-13),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_models_of_scikit_learn_in_both_files(estimator: Any, unit: tuple[float, float], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(300, 2))
    plain = features[:, 0] + 0.3 * features[:, 1] + 0.02 * random.normal(size=300)
    targets = unit[0] + unit[1] * plain
    fit_precisely(estimator, features, targets)
    scale, rows = TargetUnit(float(targets.mean()), float(targets.std())), LabelledRows(features, targets)
    measuring = Measuring("Regression", None, scale, [Measure("r2")], lambda: rows, costs=frozenset())
    kept, content = KeptCandidates(tmp_path, "tested"), estimator_bytes(estimator)
    dataset = cast(PreparedDataset, SimpleNamespace(has_search_rows=False))
    spec = TrainingJobSpec.model_validate({"dataset": {"uri": "a.csv", "target": "y"}, "model": {"ridge": {}}})
    trained = partial(trained_estimator, estimator, content, kept, 2, measuring, lambda _part: rows, dataset, spec)
    made = Candidates(kept, trained, {"Baseline": BASELINE_RECIPE, "Onnx": Recipe.of("Onnx")}, measuring).measure()
    figures = {each.name: each.figures["r2"].value if each.figures else math.nan for each in made}
    assert min(figures.values()) > 0.97, figures
    assert figures["Onnx"] == pytest.approx(figures["Baseline"], abs=1e-3)


def test_a_forest_on_ordinary_targets_is_the_one_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(100, 3))
    for targets in (features[:, 0], 50 + 10 * features[:, 1]):
        ours, theirs = (RandomForestRegressor(5, random_state=0) for _ in range(2))
        fit_precisely(ours, features, targets)
        theirs.fit(features, targets)
        np.testing.assert_array_equal(ours.predict(features), theirs.predict(features))


def test_a_format_of_a_later_version_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(CASES.parent / "published/rent-ridge/model", tmp_path / "model"))
    report = json.loads((folder / "steelyard.json").read_text())
    (folder / "steelyard.json").write_text(json.dumps({**report, "formatVersion": 4}))
    (folder / "SHA256SUMS").write_bytes(sums_of(folder))
    with pytest.raises(ConfigurationError, match=r"formatVersion 4 is not known.* reads 1 to 3"):
        PublishedModel.load(folder)
