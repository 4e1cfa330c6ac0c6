"""Models of scikit-learn are weighed, judged, published and predict: without pickles, and as they were measured."""

import io
import json
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from candidates_support import kept_candidates
from search_documents import search_document
from sklearn.ensemble import RandomForestClassifier
from sklearn_support import EstimatorJob

from steelyard.api.errors import ConfigurationError
from steelyard.cli.output import OutputFormat
from steelyard.cli.predict import predict
from steelyard.contract.package import CARD_FILE, PAGE_FILE, REPORT_FILE, SEARCH_FILE, SEARCH_PAGE_FILE, SUMS_FILE
from steelyard.search.best import best_of
from steelyard.search.log import SearchDocument
from steelyard.serving.estimators import TRUSTED_TYPES, OnnxModel, SkopsModel, load_estimator, version_note
from steelyard.serving.published import PublishedModel
from steelyard.stores.integrity import verify
from steelyard_trainer.compression import timing
from steelyard_trainer.families.sklearn import onnx_conversion
from steelyard_trainer.families.sklearn.build import build_estimator
from steelyard_trainer.families.sklearn.compression import compressed_estimator_cost
from steelyard_trainer.families.sklearn.features import LabelledRows
from steelyard_trainer.families.sklearn.skops_files import estimator_bytes
from steelyard_trainer.families.sklearn.trial import Rows

SMALLEST = {"compression": {"objective": "Size"}}
FASTEST = {"compression": {"objective": "Latency"}}
FOREST = {"randomForest": {"nEstimators": 10}}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> EstimatorJob:
    return EstimatorJob.on(tmp_path_factory.mktemp("digits"), {"uri": "sklearn:digits", "target": "target"})


@pytest.fixture(scope="module")
def diabetes(tmp_path_factory: pytest.TempPathFactory) -> EstimatorJob:
    return EstimatorJob.on(tmp_path_factory.mktemp("diabetes"), {"uri": "sklearn:diabetes", "target": "target"})


@pytest.fixture(scope="module")
def flats(tmp_path_factory: pytest.TempPathFactory) -> EstimatorJob:
    """A table with words, empty cells and numbers that float32 can't tell apart."""
    folder = tmp_path_factory.mktemp("flats")
    random = np.random.default_rng(0)
    lines = ["when,size,place,label"]
    for row in range(400):
        when, size = 1e9 + random.integers(40), random.normal(70, 20)
        label = "late" if when > 1e9 + 20 else "early"
        lines.append(f"{when:.0f},{'' if row % 9 == 0 else round(size, 2)},{random.choice(['Bern', 'Köln'])},{label}")
    (folder / "flats.csv").write_text("\n".join(lines) + "\n")
    dataset = {"uri": "flats.csv", "target": "label", "missingValues": {"strategy": "Median"}}
    return EstimatorJob.on(folder, dataset)


@pytest.fixture(autouse=True)
def quick_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Latencies by fewer calls than usual."""
    monkeypatch.setattr(timing, "TURNS", 2)


def report_of(model: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((model / "steelyard.json").read_text())
    return document


def verdict_of(model: Path, candidate: str) -> str:
    return next(c["verdict"] for c in report_of(model)["choice"]["candidates"] if c["name"] == candidate)


def predicted(model: Path, rows: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    predict(model, rows, output=OutputFormat.JSON)
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


@pytest.mark.parametrize(
    ("data", "model", "chosen"),
    [
        ("digits", FOREST, "Onnx"),
        ("digits", {"logisticRegression": {}}, "Onnx"),
        ("digits", {"nearestNeighbors": {"algorithm": "KDTree"}}, "Baseline"),
        ("diabetes", {"randomForest": {"nEstimators": 5}}, "Onnx"),
        ("diabetes", {"ridge": {}}, "Onnx"),
        ("diabetes", {"lasso": {"scaling": "None", "alpha": 0.1}}, "Onnx"),
        ("diabetes", {"elasticNet": {}}, "Onnx"),
        ("diabetes", {"nearestNeighbors": {"algorithm": "BallTree", "p": 1}}, None),
        ("flats", FOREST, None),
        ("flats", {"logisticRegression": {}}, "Onnx"),
        ("flats", {"gradientBoosting": {"maxIterations": 20, "minSamplesLeaf": 5}}, None),
        ("diabetes", {"gradientBoosting": {"maxIterations": 20}}, None),
        ("digits", {"gradientBoosting": {"maxIterations": 5}}, None),
        ("flats", {"nearestNeighbors": {"weights": "Distance", "p": 3}}, None),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else str(value),
)
def test_the_smallest_is_published_and_predicts_as_it_was_judged(
    data: str,
    model: dict[str, Any],
    chosen: str | None,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    job: EstimatorJob = request.getfixturevalue(data)
    folder, outcome = job.publish(model, **SMALLEST)
    report = report_of(folder)
    costs = {c["name"]: c["bytes"] for c in report["choice"]["candidates"]}
    best = report["choice"]["chosen"]
    assert chosen in (best, None)
    assert set(costs) == {"Baseline", "Onnx"} and costs[best] == min(costs.values())
    file = "model.onnx" if best == "Onnx" else "model.skops"
    assert (folder / "model.onnx").exists() == (best == "Onnx")
    assert (folder / file).stat().st_size == costs[best] == outcome.summary["bytes"]
    assert verify(folder) == []

    found = predicted(folder, job.test_rows(), capsys)
    test = report["metrics"]["test"]
    if report["task"] == "Classification":
        assert found["metric"]["value"] == test["accuracy"]["value"]
        assert list(found["predictions"][0]["probabilities"]) == report["dataset"]["classes"]
        assert all(sum(p["probabilities"].values()) == pytest.approx(1, abs=1e-5) for p in found["predictions"])
    else:
        assert found["metric"]["value"] == pytest.approx(test["rmse"]["value"], rel=1e-9)
    assert report["training"]["parameters"].keys() and "epochs" not in report["training"]
    assert f"`{file}`, the file that is served" in (folder / "README.md").read_text()


def test_both_candidates_say_what_scikit_learn_says(digits: EstimatorJob) -> None:
    folder, _ = digits.publish(FOREST, **FASTEST)
    validation = report_of(folder)["choice"]["candidates"]
    assert validation[0]["validation"]["accuracy"] == validation[1]["validation"]["accuracy"]
    table = digits.prepared.read_raw("test")
    published = PublishedModel.load(folder)
    assert isinstance(published.model, OnnxModel)
    estimator = load_estimator((folder / "model.skops").read_bytes())
    raw = np.array([table[name] for name, _ in digits.prepared.columns], dtype=np.float64).T
    np.testing.assert_allclose(published.predict(table).outputs, estimator.predict_proba(raw), atol=1e-6)


def test_the_fastest_forest_is_the_one_in_onnx(digits: EstimatorJob) -> None:
    folder, outcome = digits.publish(FOREST, **FASTEST)
    report = report_of(folder)
    skops_us, onnx_us = (c["latencyMicroseconds"] for c in report["choice"]["candidates"])
    assert report["choice"]["chosen"] == outcome.summary["chosen"] == "Onnx" and 5 * onnx_us < skops_us
    assert outcome.summary["baseline"] == "skops"
    assert outcome.summary["baselineBytes"] == (folder / "model.skops").stat().st_size


def test_without_compression_only_skops_is_published(diabetes: EstimatorJob) -> None:
    folder, outcome = diabetes.publish({"ridge": {}})
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["model.skops", "preprocessing.json", "steelyard.json", "README.md", "report.html", SUMS_FILE]
    )
    assert outcome.message.startswith("skops, ")
    assert report_of(folder)["choice"]["why"] == "the skops model, because the manifest asks for no compression"
    assert isinstance(PublishedModel.load(folder).model, SkopsModel)


def test_raw_numbers_and_scaled_ones_are_what_the_model_was_fitted_on(diabetes: EstimatorJob) -> None:
    """preprocessing.json says it all: the published weights on its features are the published figures."""
    for scaling in ("None", "Standard"):
        folder, _ = diabetes.publish({"ridge": {"scaling": scaling}})
        columns = json.loads((folder / "preprocessing.json").read_text())["columns"]
        assert all((c["mean"], c["scale"]) == (0, 1) for c in columns) == (scaling == "None")
        published = PublishedModel.load(folder)
        table = diabetes.prepared.read_raw("test")
        features = published.features(table)
        assert features.dtype == np.float64
        ridge = load_estimator((folder / "model.skops").read_bytes())
        expected = features @ ridge.coef_ + ridge.intercept_
        np.testing.assert_allclose(published.predict(table).outputs[:, 0], expected, rtol=1e-12)


def test_a_failed_conversion_is_told_and_skops_published(
    diabetes: EstimatorJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> bytes:
        raise RuntimeError("no converter\nfor this")

    monkeypatch.setattr(onnx_conversion, "to_onnx", fail)
    folder, outcome = diabetes.publish({"ridge": {"alpha": 3}}, **SMALLEST)
    assert verdict_of(folder, "Onnx") == "rejected: it can't be converted to ONNX: RuntimeError: no converter for this"
    assert outcome.summary["chosen"] == "Baseline" and not (folder / "model.onnx").exists()
    assert outcome.summary["candidates"][1]["bytes"] is None
    assert "no compressed candidate could be made" in (folder / "README.md").read_text()
    # Started again, it is not tried again.
    monkeypatch.undo()
    diabetes.finish({"ridge": {"alpha": 3}}, publish=[{"uri": "again"}], **SMALLEST)
    assert verdict_of(diabetes.folder / "again", "Onnx").startswith("rejected: it can't be converted")


def test_onnx_is_rejected_where_float32_loses_too_much(flats: EstimatorJob) -> None:
    """Seconds since 1970, unscaled, differ in digits that float32 does not have."""
    model = {"nearestNeighbors": {"scaling": "None", "neighbors": 1}}
    folder, _ = flats.publish(model, compression={"objective": "Size", "maxMetricDrop": 0.02})
    assert "rejected: broken by the runtime: it answers as the model does in " in verdict_of(folder, "Onnx")
    assert report_of(folder)["choice"]["chosen"] == "Baseline" and not (folder / "model.onnx").exists()


def test_a_finished_candidate_is_not_made_again_and_a_damaged_one_is(diabetes: EstimatorJob) -> None:
    model = {"ridge": {"alpha": 2}}
    diabetes.publish(model, **SMALLEST)
    kept = kept_candidates(diabetes.workspace)
    onnx, skops_file = kept["Onnx"] / "model/model.onnx", kept["Baseline"] / "model/model.skops"
    whole, untouched = onnx.read_bytes(), skops_file.stat().st_mtime_ns
    onnx.write_bytes(whole[:50])
    diabetes.finish(model, publish=[{"uri": "resumed"}], **SMALLEST)
    assert onnx.read_bytes() == whole
    assert skops_file.stat().st_mtime_ns == untouched


def test_gates_hold_for_scikit_learn_too(diabetes: EstimatorJob) -> None:
    with pytest.raises(Exception, match="NOT MET: r2") as caught:
        diabetes.publish({"ridge": {}}, evaluation={"require": [{"metric": "r2", "minimum": 0.99}]})
    assert getattr(caught.value, "exit_code", None) == 10


def test_a_refitted_model_has_seen_all_but_the_test_part(diabetes: EstimatorJob) -> None:
    prepared = {"uri": "workspace/prepared", "target": "target", "format": "Prepared"}
    other = EstimatorJob(diabetes.folder, prepared)
    folder, _ = other.publish({"ridge": {"scaling": "None"}}, trained={"refit": True}, **SMALLEST)
    report = report_of(folder)
    assert report["training"]["parts"] == ["train", "validation"] and report["metrics"].keys() == {"train", "test"}
    assert "fitted on the training set alone" in report["choice"]["madeWith"]
    rows, spec = Rows(diabetes.prepared), diabetes.job({"ridge": {"scaling": "None"}}).spec
    ridge = load_estimator((folder / "model.skops").read_bytes())
    table = rows.all_learned
    again = type(ridge)(alpha=1.0).fit(rows.features(table, spec), table.targets)
    np.testing.assert_array_equal(ridge.coef_, again.coef_)
    alone = rows.part("train")
    less = type(ridge)(alpha=1.0).fit(rows.features(alone, spec), alone.targets)
    assert not np.array_equal(ridge.coef_, less.coef_)
    # The choice was made with a model to which the validation set was new.
    validation = rows.part("validation")
    r2 = less.score(rows.features(validation, spec), validation.targets)
    assert report["choice"]["candidates"][0]["validation"]["r2"]["value"] == pytest.approx(r2, rel=1e-12)


@pytest.mark.parametrize("model", [FOREST, {"nearestNeighbors": {"algorithm": "KDTree"}}], ids=["forest", "neighbours"])
def test_there_is_no_pickle_and_loading_unpickles_nothing(
    digits: EstimatorJob, model: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = digits.publish(model, **FASTEST)
    contents = {path.name: path.read_bytes() for path in folder.iterdir()}
    with zipfile.ZipFile(folder / "model.skops") as archive:
        assert {Path(name).suffix for name in archive.namelist()} == {".npy", ".json"}
        contents |= {name: archive.read(name) for name in archive.namelist()}
    for name, content in contents.items():
        with pytest.raises(Exception):  # noqa: B017 - pickle has many
            pickle.loads(content)
        if name.endswith(".npy"):
            np.load(io.BytesIO(content), allow_pickle=False)

    def forbid(*_arguments: object, **_options: object) -> None:
        raise AssertionError("something was unpickled")

    for name in ("load", "loads", "Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, forbid)
    load_estimator(contents["model.skops"])
    PublishedModel.load(folder)


def test_what_is_trusted_is_what_the_models_are_made_of(diabetes: EstimatorJob) -> None:
    needed: set[str] = set()
    random = np.random.default_rng(0)
    features, numbers = random.normal(size=(60, 3)), random.normal(size=60)
    trees = [{"algorithm": kind, "p": p} for kind in ("KDTree", "BallTree", "Auto") for p in (1, 2, 3)]
    models = [{"nearestNeighbors": each} for each in trees] + [
        {kind: {}} for kind in ("lasso", "ridge", "elasticNet", "gradientBoosting")
    ]
    for model in (FOREST, *models):
        estimator = build_estimator(diabetes.job(model).spec, "Regression", None).fit(features, numbers)
        needed |= set(skops.io.get_untrusted_types(data=skops.io.dumps(estimator)))
    assert needed == set(TRUSTED_TYPES)


def test_every_flipped_bit_is_found(digits: EstimatorJob) -> None:
    folder, _ = digits.publish({"logisticRegression": {"c": 0.5}}, **SMALLEST)
    assert {"model.onnx", "model.skops"} <= {path.name for path in folder.iterdir()}
    random = np.random.default_rng(0)
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for position in random.integers(0, len(whole), 5):
            flipped = bytearray(whole)
            flipped[position] ^= 1 << int(random.integers(8))
            path.write_bytes(flipped)
            assert any(problem.file in (path.name, SUMS_FILE) for problem in verify(folder)), (path.name, position)
        path.write_bytes(whole)
    assert verify(folder) == []


@pytest.mark.parametrize(("objective", "module"), [("Size", "skops"), ("Latency", "onnxruntime"), ("Size", "sklearn")])
def test_a_library_that_is_missing_is_named_with_its_extra(digits: EstimatorJob, objective: str, module: str) -> None:
    folder, _ = digits.publish(FOREST, compression={"objective": objective})
    script = (
        f"import sys; sys.modules[{module!r}] = None; sys.argv = ['steelyard', *sys.argv[1:]]\n"
        "from steelyard.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "predict", str(folder), "--input", str(digits.test_rows())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 78 and "Traceback" not in done.stderr
    assert module in done.stderr and re.search(r"pip install --editable '.*\[estimators\]'", done.stderr)


def test_the_cost_of_a_trial_is_that_of_what_would_be_published(digits: EstimatorJob) -> None:
    rows = Rows(digits.prepared)
    train, validation = rows.part("train"), rows.part("validation")
    forest = RandomForestClassifier(10, random_state=0).fit(train.numbers, train.targets)
    trial = {"tuningJob": "search", "number": 0, "metric": "accuracy", "goal": "Maximize"}
    found, validated = {}, LabelledRows(validation.numbers, validation.targets)
    for second in ("Size", "Latency"):
        spec = digits.job(
            FOREST, publish=[], compression={"objective": second}, trial={**trial, "secondary": second}
        ).spec
        found[second] = compressed_estimator_cost(forest, spec, digits.prepared, lambda _part: validated)
    assert found["Size"].name == "Onnx" and found["Size"].bytes < len(estimator_bytes(forest)) / 2
    assert found["Size"].latency_microseconds == 0
    assert found["Latency"].name == "Onnx" and 0 < found["Latency"].latency_microseconds < 500
    accuracy = float((forest.predict(validation.numbers) == validation.targets).mean())
    assert all(each.figures is not None and each.figures["accuracy"].value == accuracy for each in found.values())


def test_the_files_of_a_search_are_published_and_verified(
    diabetes: EstimatorJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = tmp_path / "search.json"
    search.write_text(json.dumps(search_document().to_json()))
    monkeypatch.setenv("STEELYARD_SEARCH_FILE", str(search))
    folder, _ = diabetes.publish({"ridge": {"alpha": 5}})
    assert verify(folder) == []
    sums = (folder / SUMS_FILE).read_text()
    assert f"  {SEARCH_FILE}\n" in sums and f"  {SEARCH_PAGE_FILE}\n" in sums
    assert SearchDocument.from_json(json.loads((folder / SEARCH_FILE).read_text())) == search_document()
    assert "digits-search" in (folder / SEARCH_PAGE_FILE).read_text()
    report = json.loads((folder / REPORT_FILE).read_text())
    best = best_of(search_document().entries, "Maximize")
    assert best is not None and report["name"] == "digits-search"
    assert (report["search"]["trial"], report["search"]["value"]) == (best.number, best.value)
    assert report["search"]["parameters"] == best.values and report["search"]["trials"] == len(
        search_document().entries
    )
    card = (folder / CARD_FILE).read_text()
    assert card.startswith("# digits-search\n") and "## How it was found" in card
    assert f"the best is trial {best.number}, accuracy {best.value:.4g} on the validation set" in card
    page = (folder / PAGE_FILE).read_text()
    assert "<h1>digits-search</h1>" in page and "<h3>Parallel coordinates</h3>" in page
    (folder / SEARCH_FILE).write_bytes(b"[]")
    assert [problem.file for problem in verify(folder)] == [SEARCH_FILE]

    search.write_text('{"name": "half"}')
    with pytest.raises(ConfigurationError, match=r"STEELYARD_SEARCH_FILE: .* holds no search"):
        diabetes.publish({"ridge": {"alpha": 6}})


def test_another_scikit_learn_is_noted(
    diabetes: EstimatorJob, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = diabetes.publish({"ridge": {}})
    predict(folder, diabetes.test_rows(), output=OutputFormat.JSON)
    assert "scikit-learn" not in capsys.readouterr().err
    monkeypatch.setattr("sklearn.__version__", "9.9.0")
    predict(folder, diabetes.test_rows(), output=OutputFormat.JSON)
    made_with = report_of(folder)["versions"]["scikit-learn"]
    assert f"pip install 'scikit-learn=={made_with}'" in capsys.readouterr().err
    assert version_note("9.9.3") == ""
