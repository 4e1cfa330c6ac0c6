"""Students: networks that learn from the trained one in the stage finish, and what becomes of them."""

import json
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from finish_support import FinishStage, job_on

from steelyard.api.errors import SteelyardError
from steelyard.api.models import Model
from steelyard.api.training import Training
from steelyard.contract.report import PublishedReport
from steelyard.stores.integrity import verify
from steelyard_trainer import pulse
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import CannotBeMadeError, StepData, Together
from steelyard_trainer.data.shape import Shape
from steelyard_trainer.data.splitting import SplitName
from steelyard_trainer.families.keras.batches import Batches
from steelyard_trainer.families.keras.bench import trained_network
from steelyard_trainer.families.keras.lessons import Course, LessonRows, Rows, TaughtBatches, epochs_of, learn
from steelyard_trainer.families.keras.narrowing import begin_as
from steelyard_trainer.families.keras.networks import serving_network, training_network
from steelyard_trainer.families.keras.step import Stepper
from steelyard_trainer.families.keras.teacher import Teacher, taught

DIGITS = {"uri": "sklearn:digits", "target": "target", "split": {"searchRows": True}}
DIABETES = {"uri": "sklearn:diabetes", "target": "target", "split": {"searchRows": True}}
TRAINING = {"epochs": 3, "optimizer": {"learningRate": 0.01}, "checkpoint": {"everySteps": 10}}
STUDENT = {"technique": "Distill", "width": 0.125, "epochs": 6}
UNIT = "epochs of a student of 2,410 weights"


def weighing(*steps: dict[str, Any], most_lost: float = 0.05, **training: Any) -> dict[str, Any]:
    """A spec whose one candidate is made by these steps."""
    candidates = [{"name": "small", "steps": list(steps)}]
    compression = {"candidates": candidates, "maxMetricDrop": most_lost, "proof": "Point"}
    return {"compression": compression, "training": TRAINING | training, "publish": [{"uri": "model"}]}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> FinishStage:
    return FinishStage.ready(tmp_path_factory.mktemp("digits"), DIGITS)


@pytest.fixture(scope="module")
def diabetes(tmp_path_factory: pytest.TempPathFactory) -> FinishStage:
    return FinishStage.ready(tmp_path_factory.mktemp("diabetes"), DIABETES)


def epochs_told(capfd: pytest.CaptureFixture[str]) -> list[int]:
    """Those of the student, as progress lines say them."""
    events = (json.loads(line) for line in capfd.readouterr().out.splitlines())
    return [each["done"] for each in events if each.get("unit") == UNIT]


def student_in(stage: FinishStage) -> bytes:
    """The student that this stage's only candidate is made from."""
    (model,) = stage.workspace.finished.glob("*/*/model/model.keras")
    return model.read_bytes()


def test_a_student_is_an_eighth_as_wide_and_published(digits: FinishStage, capfd: pytest.CaptureFixture[str]) -> None:
    outcome = digits.finish(**weighing(STUDENT, {"technique": "Int8"}))
    assert outcome.summary["chosen"] == "small" and outcome.summary["candidates"][1]["metric"] > 0.9
    assert outcome.summary["bytes"] < outcome.summary["baselineBytes"] / 8
    assert verify(digits.folder / "model") == []
    made = {each.name: each.made for each in PublishedReport.read(digits.folder / "model").choice.candidates}
    # Six epochs, to three of the trained network.
    assert made["small"] and made["small"].work == pytest.approx(6 * 2_410 / (3 * 19_210), abs=1e-4)
    assert made["Baseline"] and made["Baseline"].work is None and made["Baseline"].seconds > 0
    events = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    epochs = [each for each in events if each.get("unit") == UNIT]
    assert [each["done"] for each in epochs] == list(range(1, 7)) and {each["total"] for each in epochs} == {6}
    assert epochs[-1]["values"]["val_accuracy"] > 0.9
    notices = [each["message"] for each in events if each["event"] == "notice"]
    assert notices[0] == (
        "a student of 2,410 weights learns from the trained network, which has 19,210, for up to 6 epochs"
    )


def test_a_student_that_was_killed_goes_on_and_is_the_same(
    digits: FinishStage, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked = weighing(STUDENT)
    stage = FinishStage.ready(tmp_path / "killed", DIGITS)
    process = stage.start(**asked)
    assert process.stdout is not None and process.stderr is not None
    next(line for line in process.stdout if '"done": 2' in line and "epochs of" in line)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stderr.close()
    (unfinished,) = stage.workspace.finished.glob("*/*/unfinished")
    done = max(json.loads(state.read_text())["epoch"] for state in unfinished.glob("*/step-*/state.json"))
    assert done >= 1
    stage.finish(**asked)
    assert epochs_told(capfd) == list(range(done + 1, 7)), "no epoch is trained twice, but the one it was killed in"
    digits.finish(**asked)
    assert student_in(stage) == student_in(digits)
    assert not list(stage.workspace.finished.glob("*/*/unfinished"))


def test_a_student_of_a_regression_learns_the_target_and_the_teacher(diabetes: FinishStage) -> None:
    own = {"technique": "Distill", "model": {"mlp": {"hiddenUnits": [8]}}, "epochs": 20}
    outcome = diabetes.finish(**weighing(own, epochs=10))
    baseline, small = outcome.summary["candidates"]
    assert outcome.summary["chosen"] == "small"
    assert small["metric"] > baseline["metric"] - 0.05


def test_students_of_small_tables_learn_for_3000_steps_where_nothing_else_is_said() -> None:
    training = Training.model_validate({"epochs": 15, "batchSize": 32, "workers": 2})
    assert [epochs_of(training, rows, 2) for rows in (64, 864, 64 * 100, 10**6)] == [3000, 215, 30, 30]
    assert Course.of(training, 864, times_epochs=2, times_rate=1, epochs=None, learning_rate=None).spec.epochs == 215
    assert Course.of(training, 864, times_epochs=2, times_rate=1, epochs=7, learning_rate=None).spec.epochs == 7


def test_a_student_that_diverges_is_a_verdict(diabetes: FinishStage) -> None:
    diverging = {**STUDENT, "learningRate": 100}
    outcome = diabetes.finish(**weighing(diverging, optimizer={"name": "SGD"}, checkpoint={"everySteps": 1}))
    assert outcome.summary["chosen"] == "Baseline"
    report = json.loads((diabetes.folder / "model/steelyard.json").read_text())
    (verdict,) = [each["verdict"] for each in report["choice"]["candidates"] if each["name"] == "small"]
    assert verdict.startswith("rejected: its training diverged: the loss was not finite in epoch 1;")
    assert not list(diabetes.workspace.finished.glob("*/*/unfinished"))


def test_a_student_learns_all_training_rows_and_watches_the_search_rows(digits: FinishStage) -> None:
    data, spec = digits.prepared(), job_on(digits.dataset, **weighing(STUDENT)).spec
    trained = trained_network(keras.models.load_model(digits.workspace.model_file), digits.folder, data, spec)
    assert trained.how_trained is not None
    folders = digits.folder, digits.folder
    read = trained.read_training, trained.artifact, trained.how_trained
    told = (lambda: None, lambda *_: None)
    step = StepData(*folders, trained.width, trained.classes, None, *read, digits.folder, *told, trained.read_search)
    rows = LessonRows.of(step, trained.how_trained)
    parts: dict[SplitName, Rows] = {"train": rows.learned, "search": rows.search}
    for part, held in parts.items():
        assert held.targets.tolist() == data.read(part).targets.tolist()
    assert len(rows.weights) == len(rows.learned.targets) == 1006 and len(rows.search.targets) == 251


def half_of_zeros(model: Model, shape: Shape) -> keras.Model:
    """A network as it serves, of any weights; but half of the units of each layer but the last give nothing to the
    next."""
    made = serving_network(model, shape, training_network(model, shape, seed=1))
    random, unused = np.random.default_rng(0), np.array([], int)
    for layer in made.layers:
        # Statistics of normalization are to be above 0.
        weights = [random.uniform(0.5, 1, each.shape) for each in layer.get_weights()]
        if hasattr(layer, "kernel"):
            weights[0] = random.normal(size=layer.kernel.shape)
        if hasattr(layer, "kernel") and not isinstance(layer, keras.layers.DepthwiseConv2D):
            weights[0][..., unused, :] = 0
            units = layer.kernel.shape[-1]
            unused = random.permutation(units)[: units // 2]
            weights[0][..., unused] *= 1 if layer.name == "output" else 0.01
        layer.set_weights(weights)
    return made


@pytest.mark.parametrize(
    "given",
    [
        {"mlp": {"hiddenUnits": [8, 6], "batchNormalization": True}},
        {"cnn": {"inputShape": [4, 4, 1], "filters": [4, 8], "hiddenUnits": [6], "depthwise": True}},
    ],
    ids=["mlp", "cnn"],
)
def test_a_student_begins_with_the_units_that_have_the_largest_weights(given: dict[str, Any]) -> None:
    model, shape = Model.model_validate(given), Shape(16, 3)
    smaller = model.narrowed(0.5)
    assert smaller is not None
    teacher, student = half_of_zeros(model, shape), training_network(smaller, shape, seed=2)
    begin_as(student.model, teacher)
    rows = np.random.default_rng(1).normal(size=(20, 16)).astype(np.float32)
    said = serving_network(smaller, shape, student)(rows)
    assert np.array(said) == pytest.approx(np.array(teacher(rows)), abs=1e-5) and np.array(said).std() > 0.01


def test_units_that_belong_together_are_not_cut_apart(digits: FinishStage) -> None:
    asked = {"cnn": {"inputShape": [4, 4, 1], "filters": [4], "residual": True}}
    model, shape = Model.model_validate(asked), Shape(16, 3)
    teacher = serving_network(model, shape, training_network(model, shape, seed=1))
    with pytest.raises(CannotBeMadeError, match="Pruned needs a network whose layers follow one another"):
        begin_as(teacher, teacher)
    # Of a training that changes nothing.
    digits.finish(**weighing({**STUDENT, "start": "Pruned", "learningRate": 1e-9, "epochs": 1}))
    # The stage has the students of other tests, too.
    latest = max(digits.workspace.finished.glob("*/*/model/model.keras"), key=lambda path: path.stat().st_mtime)
    student = keras.saving.load_model(latest, compile=False)
    trained = keras.saving.load_model(digits.workspace.model_file, compile=False)
    mine, own = (np.array(each.get_layer("hidden_1").kernel) for each in (student, trained))
    assert all(np.isclose(own.T, unit, atol=1e-5).all(axis=1).any() for unit in mine.T)


def network(outputs: int, *, is_finite: bool = True) -> Teacher:
    features = keras.Input((3,))
    dense = keras.layers.Dense(outputs, activation="softmax" if outputs > 1 else None)
    model = keras.Model(features, dense(features))
    if not is_finite:
        dense.set_weights([np.full((3, outputs), np.nan), np.zeros(outputs)])
    return Teacher.of(Artifact.in_memory(Path(), "Keras", model), outputs if outputs > 1 else None)


def test_a_teacher_shows_that_it_goes_on_while_it_is_asked_for_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    beats: list[None] = []
    monkeypatch.setattr(pulse, "beat", lambda: beats.append(None))
    assert len(network(4).outputs(np.ones((1025, 3), np.float32))) == 1025 and len(beats) == 2


def test_workers_begin_a_lesson_where_worker_0_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if worker 0 had a checkpoint that this one does not see.
    monkeypatch.setattr(Stepper, "sum", lambda _self, values: values + 7)
    training = Training.model_validate({"epochs": 1, "batchSize": 4, "workers": 2})
    course = Course.of(training, 16, times_epochs=1, times_rate=1, epochs=1, learning_rate=None)
    learned = Rows(np.ones((16, 3), np.float32), np.arange(16, dtype=np.int32) % 4)
    rows = LessonRows(learned, np.ones(16, np.float32), Rows(learned.features[:0], learned.targets[:0]))
    student = training_network(Model.model_validate({"mlp": {"hiddenUnits": [4]}}), Shape(3, 4), 0)
    step: Any = SimpleNamespace(
        classes=4,
        unit=None,
        unfinished=tmp_path,
        check_attempt=lambda: None,
        progress=lambda *_: None,
        together=Together(2, 1),
    )
    with pytest.raises(SteelyardError, match="worker 1 found the checkpoint after step 0, worker 0 that after step 7"):
        learn(student, lambda batches: batches, rows, course, step, "a student")


def test_a_teacher_says_its_logits_up_to_a_constant() -> None:
    teacher, rows = network(4), np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    kernel, bias = teacher.model.get_weights()
    logits, said = rows @ kernel + bias, teacher.outputs(rows)
    assert said - said[:, :1] == pytest.approx(logits - logits[:, :1], abs=1e-5)


def test_what_is_taught_is_the_papers_loss() -> None:
    random = np.random.default_rng(0)
    outputs, said = random.normal(size=(2, 6, 4)).astype(np.float32)
    labels = np.arange(6) % 4
    targets = np.hstack([labels[:, np.newaxis], said]).astype(np.float32)
    losses, right = taught(classifies=True, temperature=2.0, mixing=0.75)(outputs, targets)

    def softmax(logits: np.ndarray) -> np.ndarray:
        exponentials: np.ndarray = np.exp(logits)
        return exponentials / exponentials.sum(1, keepdims=True)

    soft = (softmax(said / 2) * np.log(softmax(said / 2) / softmax(outputs / 2))).sum(1)
    hard = -np.log(softmax(outputs)[np.arange(6), labels])
    assert np.array(losses) == pytest.approx(0.75 * 4 * soft + 0.25 * hard, rel=1e-5)
    assert np.array(right).tolist() == (outputs.argmax(1) == labels).tolist()
    losses, errors = taught(classifies=False, temperature=2.0, mixing=0.75)(outputs[:, :1], targets[:, :2])
    differences = outputs[:, 0] - targets[:, 1], outputs[:, 0] - targets[:, 0]
    assert np.array(losses) == pytest.approx(0.75 * differences[0] ** 2 + 0.25 * differences[1] ** 2, rel=1e-5)
    assert np.array(errors) == pytest.approx(np.abs(differences[1]), rel=1e-6)


def test_noisy_copies_are_new_in_every_epoch_and_the_same_from_any_step_on() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 3)) * [1, 10, 0]
    rows[:20, 2] = 1
    plain = Batches(rows.astype(np.float32), np.zeros(40, np.int32), np.ones(40, np.float32), 8, 1, 0, seed=1)
    noisy = TaughtBatches.of(plain, network(4), noise=0.1)
    first = list(noisy.epoch(0))
    added = np.vstack([batch.features for batch in first]) - np.vstack([batch.features for batch in plain.epoch(0)])
    assert added.std(axis=0) == pytest.approx([0.1, 1.0, 0.0], rel=0.3)
    for batch, again in zip(first[2:], noisy.epoch(0, first_step=2), strict=True):
        assert batch.features.tolist() == again.features.tolist() and batch.targets.tolist() == again.targets.tolist()
    assert first[0].targets[:, 1:] == pytest.approx(noisy.teacher.outputs(first[0].features))  # type: ignore[attr-defined]
    later = next(noisy.epoch(1)).features - next(plain.epoch(1)).features
    assert not np.allclose(later, added[: len(later)], atol=1e-3)


def test_a_teacher_whose_outputs_are_not_finite_teaches_nobody() -> None:
    with pytest.raises(CannotBeMadeError, match="are not finite numbers"):
        network(4, is_finite=False).outputs(np.ones((2, 3), np.float32))
