"""Networks that a function of the user's own builds: what they are trained to, two workers against one, what goes on
after an end, what is published, what is refused."""

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_support import TrainStage, training_job

import steelyard
from steelyard.api.errors import ConfigurationError, SteelyardError
from steelyard.api.models.entrypoint import Entrypoint
from steelyard.contract.stages import Env, ExitCode
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.families.keras.own.losses import lesson_of
from steelyard_trainer.families.keras.own.network import own_network
from steelyard_trainer.families.keras.repeatable import make_repeatable
from steelyard_trainer.families.keras.worker import Requests, train_on
from steelyard_trainer.finish import finish
from steelyard_trainer.own_code.arrival import with_code
from steelyard_trainer.own_code.data_shape import DataShape
from steelyard_trainer.own_code.importing import OwnCode

MODELS = Path(__file__).parent / "own_models.py"
MLP = {"mlp": {"hiddenUnits": [16, 8], "batchNormalization": True, "regularization": {"l2": 0.001}}}


def own(function: str, **parameters: Any) -> dict[str, Any]:
    function = f"own_models:{function}"
    code = {"path": "code"}
    return {"entrypoint": {"function": function, "framework": "Keras", "code": code, "parameters": parameters}}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A data set of each task, and where it lies prepared."""
    make_repeatable()
    folder = tmp_path_factory.mktemp("prepared")
    return {
        source: TrainStage.prepared(folder / source, training_job(source)).workspace.prepared
        for source in ("digits", "diabetes")
    }


@pytest.fixture(autouse=True)
def _without_code_of_before(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (Env.CODE, Env.CODE_DIGEST):
        monkeypatch.delenv(variable, raising=False)


def stage_of(folder: Path, data: Path, model: dict[str, Any], **settings: Any) -> TrainStage:
    """A job on prepared data, with the code where the runner puts it."""
    spec = {"dataset": {"uri": str(data), "format": "Prepared", "target": "target"}, **settings.pop("spec", {})}
    stage = TrainStage.new(folder, training_job(model=model, spec=spec, **settings))
    stage.workspace.code.mkdir()
    shutil.copy(MODELS, stage.workspace.code)
    return stage


def trained(stage: TrainStage, requests: Requests | None = None) -> dict[str, list[float]]:
    """Trains in this process; the history."""
    os.environ.pop(Env.CODE, None)
    context = with_code(stage.context())
    stage.workspace.checkpoints.mkdir(parents=True, exist_ok=True)
    train_on(context, PreparedDataset.of(context), None, requests or Requests(0.0))
    history: dict[str, list[float]] = stage.training()["history"]
    return history


# --- what is trained --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "end"), [("digits", "softmax"), ("digits", None), ("diabetes", None)])
def test_own_network_has_the_history_of_the_built_in_one_of_the_same_layers(tmp_path, prepared, source, end):
    built_in = trained(stage_of(tmp_path / "mlp", prepared[source], MLP, epochs=2))
    given = trained(stage_of(tmp_path / "own", prepared[source], own("mlp", end=end), epochs=2))
    assert given.keys() == built_in.keys()
    for name, values in built_in.items():
        assert given[name] == pytest.approx(values, rel=1e-6, abs=1e-9), name


def test_compiled_loss_metrics_and_optimizer_count(tmp_path, prepared):
    history = trained(stage_of(tmp_path / "w", prepared["digits"], own("compiled"), epochs=2))
    sgd = {"name": "SGD", "learningRate": 0.01, "momentum": 0.9}
    same = trained(stage_of(tmp_path / "mlp", prepared["digits"], MLP, epochs=2, optimizer=sgd))
    assert history["val_loss"] == pytest.approx(same["val_loss"], rel=1e-6)
    assert history["val_top3"][-1] >= history["val_accuracy"][-1] > 0.5
    absolute = stage_of(
        tmp_path / "mae",
        prepared["diabetes"],
        own(
            "absolute",
        ),
        epochs=1,
    )
    history = trained(absolute)
    unit = PreparedDataset.of(absolute.context()).preprocessing.target_unit
    penalty = history["val_loss"][0] - history["val_mae"][0] / unit.scale
    assert 0 < penalty < 0.1
    assert history["val_my_mae"] == pytest.approx(history["val_mae"], rel=1e-4)


def test_own_settings_that_the_model_says_too_are_refused(tmp_path, prepared):
    fast = stage_of(tmp_path / "w", prepared["digits"], own("compiled"), optimizer={"learningRate": 0.5})
    with pytest.raises(ConfigurationError, match=r"training\.optimizer: compiled returns a model that is .* with SGD"):
        trained(fast)
    smooth = stage_of(tmp_path / "s", prepared["digits"], own("compiled"), labelSmoothing=0.1)
    with pytest.raises(ConfigurationError, match=r"labelSmoothing is part of the loss .* leave out one of the two"):
        trained(smooth)


def test_training_that_diverges_names_the_learning_rate_that_counts(tmp_path, prepared):
    fast = stage_of(tmp_path / "w", prepared["digits"], own("compiled", rate=1e30), epochs=1)
    with pytest.raises(ConfigurationError, match="lower the learning rate of the SGD that the model is compiled with"):
        trained(fast)


def test_what_layers_add_to_the_loss_counts(tmp_path, prepared):
    history = trained(stage_of(tmp_path / "w", prepared["digits"], own("subclassed"), epochs=1))
    # Half the mean square of normalized features, which nothing can change: it is in the loss of the training alone.
    assert history["loss"][0] - history["val_loss"][0] > 0.3


class EndsAfter(Requests):
    """Asks a training to end after some steps."""

    def __init__(self, steps: int) -> None:
        super().__init__(0.0)
        self.left = steps

    def is_leaving(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_interrupted_training_draws_as_an_uninterrupted_one_does(tmp_path, prepared):
    whole = trained(stage_of(tmp_path / "whole", prepared["digits"], own("augmented"), epochs=2))
    stage = stage_of(tmp_path / "parts", prepared["digits"], own("augmented"), epochs=2)
    with pytest.raises(SteelyardError) as caught:
        trained(stage, EndsAfter(57))
    assert caught.value.exit_code == ExitCode.TRY_AGAIN
    assert trained(stage) == whole


def test_checkpoint_of_other_code_is_not_resumed_and_one_of_another_model_is_refused(tmp_path, prepared, monkeypatch):
    stage = stage_of(tmp_path / "w", prepared["digits"], own("mlp"), epochs=2)
    with pytest.raises(SteelyardError, match="asked to end"):
        trained(stage, EndsAfter(5))
    monkeypatch.setattr(sys.modules["own_models"], "BatchNormalization", None, raising=False)
    function = sys.modules["own_models"].mlp
    monkeypatch.setattr(sys.modules["own_models"], "mlp", lambda data: function(data, units=(16, 9)))
    with pytest.raises(ConfigurationError, match=r"is of another model: .*\(16, 8\) there and \(16, 9\) here"):
        trained(stage)
    with (stage.workspace.code / "own_models.py").open("a") as file:
        file.write("# changed\n")
    assert len(trained(stage)["loss"]) == 2


# --- several workers, in processes ------------------------------------------------------------------------------------


def test_workers_that_begin_otherwise_are_found_by_the_layer(tmp_path, prepared):
    stage = stage_of(tmp_path / "w", prepared["digits"], own("by_chance"), workers=2)
    assert ExitCode.CONFIGURATION in stage.run()
    said = [stage.result(worker).message for worker in (0, 1)]
    assert any("not deterministic: worker 1 has other first weights in layer other" in each for each in said), said


def test_program_that_ends_itself_is_no_success_however_much_it_prints(tmp_path, prepared):
    limits = {"backoffLimit": 0}
    stage = stage_of(tmp_path / "w", prepared["digits"], own("ends_itself"), epochs=1, run_policy=limits)
    assert stage.run() == [1]
    result = stage.result()
    assert result.reason == "BackoffLimitExceeded"
    assert "was ended with exit code 0" in result.message


# --- what is published ------------------------------------------------------------------------------------------------


def test_published_model_is_served_without_the_code(tmp_path, prepared):
    spec = {"publish": [{"uri": "model"}], "compression": {"candidates": ["DynamicRange"]}}
    stage = stage_of(tmp_path / "w", prepared["digits"], own("compiled"), epochs=2, spec=spec)
    trained(stage)
    outcome = finish(replace(stage.context("finish"), base_dir=tmp_path))
    assert outcome.summary["chosen"] in ("DynamicRange", "Baseline")
    folder = tmp_path / "model"
    assert (folder / "code.zip").is_file()
    report = json.loads((folder / "steelyard.json").read_text())
    assert report["serving"] == {"runtime": "LiteRT", "file": "model.tflite"}
    del sys.modules["own_models"]
    shutil.rmtree(stage.workspace.code)
    assert steelyard.load(folder).verify().startswith("sha256:")
    assert "own_models" not in sys.modules
    # Plain layers of Keras: its own file is loaded without the code, too, and says what LiteRT says.
    again = keras.saving.load_model(folder / "model.keras", compile=False)
    assert again.output_shape == (None, 10)
    assert all(type(layer).__module__.startswith("keras.") for layer in again.layers)


# --- what is refused --------------------------------------------------------------------------------------------------

DATA = DataShape(4, ("a", "b", "c", "d"), ("no", "yes"), "Classification", 0)


def built(tmp_path: Path, body: str, data: DataShape = DATA) -> Any:
    """What a function with this body builds."""
    module = f"refused_{tmp_path.name.replace('-', '_')}"
    head = ["import keras", "from keras import Input, Model, Sequential, layers", "def build(data):"]
    lines = [*head, *(f"    {line}" for line in body.splitlines())]
    (tmp_path / f"{module}.py").write_text("\n".join(lines) + "\n")
    entrypoint = Entrypoint(function=f"{module}:build", framework="Keras")
    return own_network(OwnCode.of(entrypoint, tmp_path), data, np.zeros((4, data.features), np.float32))


REFUSED = {
    "return None": "it is None; framework Keras needs a keras.Model; does it lack a return?",
    "return Model": "it is the class Model; framework Keras needs a keras.Model; return an object",
    "return Sequential([Input((5,)), layers.Dense(2)])": "it takes 5 numbers a row, but a row has 4 features",
    "return Sequential([Input((4,)), layers.Dense(3)])": "it gives 3 numbers a row, but the target has 2",
    "return Sequential([Input((4,)), layers.Dense(2, 'sigmoid')])": "take a softmax",
    "return Sequential([Input((4,)), layers.Dense(1, 'softmax')])": "always 1; take a sigmoid",
    "return Sequential([Input((2, 2)), layers.Dense(2)])": r"it gives \(None, 2, 2\); allowed: one output",
    "return Sequential([Input((4,)), layers.Lambda(abs, name='mine'), layers.Dense(2)])": "layer mine is a La",
    "a = Input((2,)); b = Input((2,))\nreturn Model([a, b], layers.Add()([a, b]))": "it takes 2 inputs",
    "class M(Model):\n    def train_step(self, data): ...\nreturn M()": "M overrides train_step, and a model with",
    "m = Sequential([Input((4,)), layers.Dense(2)])\nm.compile(loss='mse', steps_per_execution=8)\nreturn m": (
        "steps_per_execution=8; leave it out"
    ),
    "m = Sequential([Input((4,)), layers.Dense(2)])\nm.compile('sgd', 'mse', [0.5])\nreturn m": "with loss_weights, of",
    **{
        f"m = Sequential([Input((4,)), layers.Dense(2)])\nm.compile(keras.optimizers.{optimizer})\nreturn m": said
        for optimizer, said in {
            "SGD(use_ema=True)": "its optimizer SGD has use_ema=True, which is not taken yet; leave it out",
            "Adam(gradient_accumulation_steps=4)": "optimizer Adam has gradient_accumulation_steps=4, which is not",
            "Adam(loss_scale_factor=8.0)": r"optimizer Adam has loss_scale_factor=8\.0, which is not",
            "LossScaleOptimizer(keras.optimizers.SGD())": "it is compiled with LossScaleOptimizer, and losses are",
        }.items()
    },
    "return layers.Dense(0)": r"build failed: ValueError: .* \(refused_.*py:4 in build: return layers.Dense\(0\)\)",
}


@pytest.mark.parametrize("body", REFUSED)
def test_model_that_can_not_be_trained_is_refused_in_words(tmp_path, body):
    with pytest.raises(ConfigurationError, match=REFUSED[body]):
        built(tmp_path, body)


@pytest.mark.parametrize("end", ["None", "'sigmoid'"])
def test_one_output_tells_two_classes_apart(tmp_path, end):
    network = built(tmp_path, f"return Sequential([Input((4,)), layers.Dense(1, {end})])")
    rows = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    scores = tf.function(lambda: network.scores(network(rows, np.ones(6, bool), training=False)))()
    shares = tf.nn.softmax(scores).numpy()
    said = network.model(rows).numpy()[:, 0]
    assert shares[:, 1] == pytest.approx(said if end != "None" else 1 / (1 + np.exp(-said)), rel=1e-5)
    assert network.served()(rows).numpy() == pytest.approx(shares, rel=1e-5)
    assert network.outputs == 2
    assert network.classifies


@pytest.mark.parametrize(
    ("loss", "gives", "said"),
    [
        (keras.losses.SparseCategoricalCrossentropy(from_logits=True), "Probabilities", "takes logits .* a softmax"),
        ("sparse_categorical_crossentropy", "Logits", "takes probabilities, but it gives logits"),
        (lambda _, outputs: tf.reduce_mean(outputs), "Logits", r"gives the shape \(\) for 3 rows"),
        ({"a": "mse", "b": "mse"}, "Logits", "a dict of 2; allowed: one loss"),
        ("no_such_loss", "Logits", "its loss is none"),
    ],
)
def test_loss_that_does_not_go_with_the_outputs_is_refused(loss, gives, said):
    with pytest.raises(Exception, match=said):
        lesson_of(loss, gives, 3)


def test_losses_of_keras_get_the_targets_that_they_want():
    outputs, targets = tf.constant([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]), tf.constant([0, 1])
    losses = [
        lesson_of(loss, "Probabilities", 3)(outputs, targets)[0].numpy()
        for loss in ("sparse_categorical_crossentropy", keras.losses.CategoricalCrossentropy())
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0] == pytest.approx(-np.log([0.7, 0.1]), rel=1e-5)
    _, right = lesson_of("sparse_categorical_crossentropy", "Probabilities", 3)(outputs, targets)
    assert right.numpy().tolist() == [1, 0]
