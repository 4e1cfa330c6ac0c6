"""Models from elsewhere, for real: from `steelyard compress` to what is published, and what is refused."""

import json
import os
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import skops.io
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier

import steelyard
from steelyard.api.errors import DataError
from steelyard.contract.report import PublishedReport, TrainingElsewhere
from steelyard.serving.estimators import TRUSTED_TYPES
from steelyard.serving.interface import TargetUnit
from steelyard_trainer import pulse
from steelyard_trainer.elsewhere.archive import RefusedError
from steelyard_trainer.elsewhere.confined import run_confined
from steelyard_trainer.elsewhere.keras_archive import check_archive
from steelyard_trainer.families.keras.from_elsewhere import fitted
from steelyard_trainer.families.keras.taking_in import main as taking_in

WINE = load_wine(as_frame=True).frame
LABELS = ("barbera", "barolo", "grignolino")


def command(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs `steelyard` in a folder, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "steelyard.cli.main", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def solved() -> keras.Model:
    """A network that tells wines apart: it scales raw columns itself, and gives logits (by least squares)."""
    features = WINE.drop(columns="target").to_numpy(np.float32)
    mean, variance = features.mean(0), features.var(0)
    scaled = (features - mean) / np.sqrt(variance)
    wanted = np.eye(3)[WINE["target"]] * 10
    weights, *_ = np.linalg.lstsq(np.c_[scaled, np.ones(len(scaled))], wanted, rcond=None)
    network = keras.Sequential(
        [
            keras.Input((13,)),
            keras.layers.Normalization(mean=mean, variance=variance),
            keras.layers.Dense(3, name="logits"),
        ]
    )
    network.get_layer("logits").set_weights([weights[:-1], weights[-1]])
    return network


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds net.keras, called as if it were none, and wine.csv, whose labels are words."""
    folder = tmp_path_factory.mktemp("elsewhere")
    solved().save(folder / "net.keras")
    (folder / "net.keras").rename(folder / "net.bin")
    WINE.assign(target=[LABELS[index] for index in WINE["target"]]).to_csv(folder / "wine.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def published(folder: Path) -> Path:
    """What `steelyard compress` made of it."""
    candidates = ["--candidates", "DynamicRange,Float16", "--set", "dataset.split.seed=1"]
    ran = command(folder, "compress", "net.bin", "--data", "wine.csv", "--target", "target", *candidates, "-o", "out")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "in this order: 'barbera', 'barolo', 'grignolino'" in ran.stdout
    assert "a softmax is put after them" in ran.stdout and "the model was trained elsewhere; the rows" in ran.stdout
    return folder / "out"


def test_what_is_published_predicts_raw_rows_as_the_model_did(published: Path) -> None:
    rows = WINE.drop(columns="target")
    said = solved()(rows.to_numpy(np.float32)).numpy().argmax(1)
    model = steelyard.load(published)
    assert list(model.predict(rows)) == [LABELS[index] for index in said]
    own = keras.saving.load_model(published / "model.keras")
    assert np.allclose(own(rows.to_numpy(np.float32)).numpy().sum(1), 1)


def test_the_evidence_says_what_was_not_done_here(published: Path) -> None:
    report = PublishedReport.parse(json.loads((published / "steelyard.json").read_text()))
    assert isinstance(report.training, TrainingElsewhere)
    assert (report.training.format, report.training.parts, report.training.weights) == ("Keras", [], 13 * 3 + 3)
    assert [each.name for each in report.choice.candidates] == ["Baseline", "DynamicRange", "Float16"]
    for name in ("README.md", "report.html"):
        told = (published / name).read_text()
        assert "the rows that it learned are unknown to Steelyard" in told and "Trained for" not in told


def test_it_is_not_done_again_but_for_another_file(folder: Path, published: Path) -> None:  # noqa: ARG001 - it was made
    options = ["--candidates", "DynamicRange,Float16", "--set", "dataset.split.seed=1", "-o", "out"]
    again = command(folder, "compress", "net.bin", "--data", "wine.csv", "--target", "target", *options)
    assert "is finished already" in again.stdout
    asked = ["compress", "net.bin", "--data", "wine.csv", "--target", "target", *options, "--print-manifest"]
    manifest = command(folder, *asked).stdout
    assert "format: Keras" in manifest and "maxMetricDrop: 0.01" in manifest
    (folder / "job.yaml").write_text(manifest)
    assert command(folder, "plan", "job.yaml").stdout.count("skipped, the job is finished") == 2


STEPS = [
    {"technique": "Distill", "width": 0.5, "epochs": 100, "learningRate": 0.02},
    {"technique": "QuantizationAware", "epochs": 3},
    {"technique": "Int4"},
]


def wide() -> keras.Model:
    """The same answers from more weights, which leaves room for a student."""
    narrow = solved()
    weights, bias = narrow.get_layer("logits").get_weights()
    spread = np.random.default_rng(0).normal(size=(13, 64))
    first, last = keras.layers.Dense(64, use_bias=False), keras.layers.Dense(3)
    network = keras.Sequential([keras.Input((13,)), narrow.layers[0], first, last])
    first.set_weights([spread])
    last.set_weights([np.linalg.pinv(spread) @ weights, bias])
    return network


@pytest.fixture(scope="module")
def from_saved_model(folder: Path) -> Path:
    """What was made of a SavedModel: a form of it, and a student that went on learning in 4 bits."""
    wide().export(folder / "wide", format="tf_saved_model", verbose=False)
    listed = json.dumps(["DynamicRange", {"name": "student", "steps": STEPS}, "QuantizationAware"])
    options = ["--set", f"compression.candidates={listed}", "--set", "dataset.split={test: 0.2, validation: 0.3}"]
    ran = command(folder, "compress", "wide", "--data", "wine.csv", "--target", "target", *options, "-o", "small")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder / "small"


def test_a_saved_model_is_published_with_its_student_and_without_a_network(
    folder: Path, from_saved_model: Path
) -> None:
    report = PublishedReport.parse(json.loads((from_saved_model / "steelyard.json").read_text()))
    assert isinstance(report.training, TrainingElsewhere)
    assert (report.training.format, report.training.weights) == ("SavedModel", 13 * 64 + 64 * 3 + 3 + 2 * 13)
    baseline, form, student, learning = report.choice.candidates
    assert baseline.bytes is not None and student.bytes is not None and form.failure is None
    assert student.bytes < baseline.bytes and student.validation is not None
    assert student.validation["accuracy"].value >= 0.9 and student.made is not None and student.made.work
    assert learning.failure is not None and "a student of it does (Distill before this step)" in learning.failure
    assert command(folder, "verify", "small").returncode == 0 and not (from_saved_model / "model.keras").exists()
    assert "Came as a SavedModel's folder" in (from_saved_model / "README.md").read_text()


def test_what_a_saved_model_is_made_into_predicts_raw_rows(from_saved_model: Path) -> None:
    rows = WINE.drop(columns="target")
    own = [LABELS[index] for index in wide()(rows.to_numpy(np.float32)).numpy().argmax(1)]
    assert np.mean(np.array(list(steelyard.load(from_saved_model).predict(rows))) == own) >= 0.9


@pytest.fixture(scope="module")
def forest(folder: Path) -> Path:
    """What was made of a forest of scikit-learn, fitted on words."""
    rows = WINE.drop(columns="target")
    fitted_on_words = RandomForestClassifier(10, random_state=0).fit(rows, np.array(LABELS)[WINE["target"]])
    skops.io.dump(fitted_on_words, folder / "forest.skops")
    ran = command(folder, "compress", "forest.skops", "--data", "wine.csv", "--target", "target")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder / "models/forest"


def test_a_model_of_scikit_learn_predicts_as_it_did(folder: Path, forest: Path) -> None:
    rows = WINE.drop(columns="target")
    own = skops.io.load(folder / "forest.skops", trusted=TRUSTED_TYPES).predict(rows)
    assert list(steelyard.load(forest).predict(rows)) == own.tolist()
    report = PublishedReport.parse(json.loads((forest / "steelyard.json").read_text()))
    assert isinstance(report.training, TrainingElsewhere)
    assert (report.training.format, report.training.estimator) == ("Skops", "RandomForestClassifier")
    assert "Came as a file of Skops with `RandomForestClassifier`" in (forest / "README.md").read_text()


def test_a_skops_file_with_other_types_is_refused(folder: Path, tmp_path: Path) -> None:
    skops.io.dump({"a": Path}, tmp_path / "other.skops")
    shutil.copy(folder / "wine.csv", tmp_path)
    ran = command(tmp_path, "compress", "other.skops", "--data", "wine.csv", "--target", "target")
    assert (
        ran.returncode == 65 and "other.skops is not taken: the skops file is not loaded: it holds types" in ran.stderr
    )


# --- what does not fit ------------------------------------------------------------------------------------------------

NAMES = [f"c{index}" for index in range(4)]
ROWS = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)


def net(outputs: int, activation: str | None = None, shape: tuple[int, ...] = (4,), **settings: Any) -> keras.Model:
    """A network of one layer."""
    layers = [keras.Input(shape, **settings), keras.layers.Flatten(), keras.layers.Dense(outputs, activation)]
    return keras.Sequential(layers)


@pytest.mark.parametrize(
    ("model", "classes", "says"),
    [
        (
            net(3, shape=(5,)),
            LABELS,
            "takes 5 numbers a row, but the table has 4 columns beside the target: 'c0', 'c1'",
        ),
        (net(3, shape=(3, 3, 1)), LABELS, r"takes 9 \(an array of 3 x 3 x 1\) numbers a row"),
        (net(3, dtype="int32"), LABELS, "takes int32; allowed: float32"),
        (net(5), LABELS, "gives 5 numbers a row, but the target has 3 classes, in this order: 'barbera', 'barolo'"),
        (net(1), LABELS, r"gives 1 number a row \(is it a regression\? say task: Regression\)"),
        (net(2), None, "gives 2 numbers a row, but the target is one number"),
        (net(3, "sigmoid"), LABELS, "their sum is not 1"),
        (
            keras.Sequential([keras.Input((4, 1)), keras.layers.Conv1D(3, 1)]),
            LABELS,
            "allowed: one output of the shape",
        ),
    ],
)
def test_a_model_that_does_not_fit_is_told(model: keras.Model, classes: tuple[str, ...] | None, says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        fitted(model, NAMES, classes, None if classes else TargetUnit(0, 1), ROWS)


def test_two_inputs_are_told_by_name() -> None:
    inputs = [keras.Input((2,), name="left"), keras.Input((2,), name="right")]
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Concatenate()(inputs)))
    with pytest.raises(RefusedError, match=r"takes 2 inputs \(left \(None, 2\), right \(None, 2\)\)"):
        fitted(model, NAMES, LABELS, None, ROWS)


def test_outputs_that_are_no_numbers_are_told() -> None:
    model = net(3)
    model.layers[-1].set_weights([np.full((4, 3), np.nan), np.zeros(3)])
    with pytest.raises(DataError, match="outputs are not finite numbers, on 50 of 50 rows"):
        fitted(model, NAMES, LABELS, None, ROWS)


def test_what_fits_gives_what_the_products_networks_give() -> None:
    plain = net(3, "softmax")
    assert fitted(plain, NAMES, LABELS, None, ROWS) == (plain, "")
    image = net(3, "softmax", shape=(2, 2, 1))
    made, told = fitted(image, NAMES, LABELS, None, ROWS)
    assert np.allclose(made(ROWS), image(ROWS.reshape(-1, 2, 2, 1))) and "array of 2 x 2 x 1" in told
    for activation in ("sigmoid", None):
        two = net(1, activation)
        made, told = fitted(two, NAMES, ("no", "yes"), None, ROWS)
        share = two(ROWS).numpy() if activation else 1 / (1 + np.exp(-two(ROWS).numpy()))
        assert np.allclose(made(ROWS), np.c_[1 - share, share], atol=1e-6) and "'yes'" in told
    number = net(1)
    made, _ = fitted(number, NAMES, None, TargetUnit(5.0, 2.0), ROWS)
    assert np.allclose(made(ROWS).numpy() * 2 + 5, number(ROWS), atol=1e-5)


def test_a_foreign_layer_and_columns_of_words_end_in_a_message(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(folder / "net.bin") as source, zipfile.ZipFile(tmp_path / "net.keras", "w") as sink:
        for entry in source.infolist():
            content = source.read(entry).replace(b'"class_name": "Dense"', b'"class_name": "Lambda"')
            sink.writestr(entry.filename, content)
    table = str(folder / "wine.csv")
    ran = command(tmp_path, "compress", "net.keras", "--data", table, "--target", "target")
    assert ran.returncode == 65
    assert "net.keras is not taken: it has keras.layers.Lambda, which is not known to be harmless" in ran.stderr
    numbers = ["--target", "alcohol", "--task", "Regression"]
    ran = command(tmp_path, "compress", "net.keras", "--data", table, *numbers)
    assert ran.returncode == 78
    assert "spec.dataset.exclude: a model from elsewhere takes columns of numbers" in ran.stderr


# --- the process with limits ------------------------------------------------------------------------------------------


@pytest.fixture
def confined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finds this folder's programs."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))


@pytest.mark.usefixtures("confined")
@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("memory", "net is not taken: reading it took more than the 4,096 MiB of memory"),
        ("time", "net is not taken: reading it took more than the 2 s that are allowed"),
        ("file", "net is not taken: the process that read it .*"),
        ("refuse", "net is not taken: it is none$"),
        ("crash", "net is not taken: the process that read it ended with 1; its last words: ValueError: of its own"),
    ],
)
def test_a_process_that_goes_over_its_limits_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, says: str
) -> None:
    beats: list[None] = []
    monkeypatch.setattr(pulse, "beat", lambda: beats.append(None))
    with pytest.raises(DataError, match=says):
        run_confined("confined_programs", [what], tmp_path, "net", seconds=2 if what == "time" else 60)
    assert what != "time" or beats, "who waits for it shows that it goes on"


@pytest.mark.usefixtures("confined")
def test_it_reaches_no_network_where_the_system_lets_it_do_without(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        found = run_confined("confined_programs", ["network", port], tmp_path, "net")
    assert found["reached"] is not found["cut_off"]


def test_weights_that_point_elsewhere_are_refused(tmp_path: Path) -> None:
    import h5py

    solved().save(tmp_path / "net.keras")
    with h5py.File(tmp_path / "linked.h5", "w") as file:
        file["vars"] = h5py.ExternalLink("/etc/passwd", "/")
    with zipfile.ZipFile(tmp_path / "net.keras") as source, zipfile.ZipFile(tmp_path / "linked.keras", "w") as sink:
        for name in source.namelist():
            is_weights = name == "model.weights.h5"
            sink.writestr(name, (tmp_path / "linked.h5").read_bytes() if is_weights else source.read(name))
    check_archive(tmp_path / "linked.keras")
    with pytest.raises(DataError, match="its weights hold a link, 'vars'"):
        run_confined(taking_in.__module__, [str(tmp_path / "linked.keras")], tmp_path, "net")
