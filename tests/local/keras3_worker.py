"""A worker of test_keras3.py: `python keras3_worker.py RESULT`. Imports TensorFlow, Keras and numpy only.

Where TF_CONFIG names workers it enables keras3, which lies beside it. Without it is plain Keras, in one process: what
they are compared with.
"""

import importlib.util
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

assert importlib.util.find_spec("steelyard") is None and importlib.util.find_spec("steelyard_trainer") is None
RESULT = Path(sys.argv[1])
IS_GANG = "TF_CONFIG" in os.environ
if IS_GANG:
    import keras3

    keras3.enable(start_timeout_seconds=200)

keras.utils.set_random_seed(3)
STRATEGY = tf.distribute.MultiWorkerMirroredStrategy() if IS_GANG else tf.distribute.get_strategy()

# Batches of 32 rows: the last one has a single row, so that worker 1 has none.
generator = np.random.default_rng(0)
ROWS = generator.normal(size=(161, 6)).astype(np.float32)
LABELS = (np.abs(ROWS).sum(1) > 4.7).astype(np.int32) + (ROWS[:, 0] > 1)
WEIGHTS = generator.uniform(0.5, 2, 161).astype(np.float32)
OTHERS = (ROWS[:45] + 0.1, LABELS[:45])
LENGTHS = generator.integers(1, 5, 161)
WORDS = np.where(np.arange(4) < LENGTHS[:, None], generator.integers(1, 9, (161, 4)), 0)


def dense(*between: Any, cls: type[keras.Sequential] = keras.Sequential, **settings: Any) -> keras.Model:
    hidden = layers.Dense(16, activation="relu", **settings)
    return cls([keras.Input((6,)), hidden, *between, layers.Dense(3, activation="softmax")])


class OwnSteps(keras.Sequential):
    """Overrides train_step: its own loss, its own metric, and a figure that is no metric."""

    def __init__(self, stack: list[Any]) -> None:
        super().__init__(stack)
        self.seen = keras.metrics.Mean(name="seen")

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, self(x, training=True)))
        self.optimizer.apply_gradients(
            zip(tape.gradient(loss, self.trainable_variables), self.trainable_variables, strict=True)
        )
        self.seen.update_state(loss, sample_weight=tf.shape(y)[0])
        return {"seen": self.seen.result(), "last": loss}


class OwnLoss(keras.Sequential):
    def compute_loss(self, _: Any, y: Any, y_pred: Any, _weight: Any) -> Any:
        surprise = keras.losses.sparse_categorical_crossentropy(y, y_pred)
        return keras.ops.mean(surprise) + 0.1 * keras.ops.mean(keras.ops.square(y_pred))


def settled() -> tuple[keras.Model, dict[str, Any]]:
    """What most scripts use, all at once."""
    model = dense(kernel_regularizer="l2", activity_regularizer=keras.regularizers.L2(1e-3))
    model.compile(
        keras.optimizers.Adam(0.02, global_clipnorm=0.1),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2)],
        weighted_metrics=["accuracy"],
        steps_per_execution=4,
        jit_compile=True,
    )
    stopping = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=0.08, restore_best_weights=True)
    best = keras.callbacks.ModelCheckpoint(RESULT.parent / "best.keras", monitor="val_loss", save_best_only=True)
    settings = {"class_weight": {0: 1.0, 1: 2.0, 2: 3.0}, "validation_data": OTHERS, "callbacks": [stopping, best]}
    return model, {"x": ROWS, "y": LABELS, "epochs": 5, **settings}


def weighted() -> tuple[keras.Model, dict[str, Any]]:
    model = dense()
    loss = keras.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss=loss, metrics=["accuracy"])
    return model, {"x": ROWS, "y": LABELS, "sample_weight": WEIGHTS, "validation_split": 0.3}


def summed() -> tuple[keras.Model, dict[str, Any]]:
    """Of no known length: TensorFlow says when it is at its end."""
    model = dense()
    loss = keras.losses.SparseCategoricalCrossentropy(reduction="sum")
    model.compile(keras.optimizers.SGD(0.005), loss=loss)
    rows = tf.data.Dataset.from_tensor_slices((ROWS, LABELS)).shuffle(200, seed=7).batch(32)
    return model, {"x": rows.filter(lambda *_: True)}


def masked() -> tuple[keras.Model, dict[str, Any]]:
    model = keras.Sequential(
        [keras.Input((4,)), layers.Embedding(9, 5, mask_zero=True), layers.Dense(2, activation="softmax")]
    )
    model.compile(keras.optimizers.SGD(0.5), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, {"x": WORDS, "y": WORDS % 2}


def own_steps() -> tuple[keras.Model, dict[str, Any]]:
    model = dense(cls=OwnSteps)
    model.compile(keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy")
    return model, {"x": ROWS, "y": LABELS}


def own_loss() -> tuple[keras.Model, dict[str, Any]]:
    model = dense(cls=OwnLoss)
    model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"])
    return model, {"x": ROWS, "y": LABELS, "validation_data": OTHERS}


class Counting(keras.Sequential):
    """Learns nothing, and sums up the rows that it sees."""

    def __init__(self, stack: list[Any]) -> None:
        super().__init__(stack)
        self.seen = keras.metrics.Sum(name="seen")

    def train_step(self, data: Any) -> dict[str, Any]:
        self.seen.update_state(tf.square(data[0][:, 0]))
        return {"seen": self.seen.result()}


def unseeded() -> tuple[keras.Model, dict[str, Any]]:
    """Workers that shuffle each by itself would meet some rows twice and others never."""
    tf.random.set_seed(None)
    model = Counting([keras.Input((6,)), layers.Dense(1, kernel_initializer="ones")])
    model.compile(loss="mse")
    return model, {"x": np.tile(np.arange(161, dtype=np.float32)[:, None], 6), "y": LABELS}


CASES = (settled, weighted, summed, masked, own_steps, own_loss, unseeded)


def trained(case: Callable[[], tuple[keras.Model, dict[str, Any]]]) -> dict[str, Any]:
    keras.utils.set_random_seed(3)
    with STRATEGY.scope():
        model, settings = case()
    dataset = {} if isinstance(settings["x"], tf.data.Dataset) else {"batch_size": 32}
    history = model.fit(**{"epochs": 2, "verbose": 0, **dataset, **settings}).history
    figures = {"weights": np.concatenate([np.ravel(weight) for weight in model.get_weights()])}
    if case is settled:
        figures["predicted"] = np.ravel(model.predict(ROWS[:41], verbose=0))
        figures["evaluated"] = model.evaluate(*OTHERS, verbose=0)
    return {name: np.asarray(values, float).tolist() for name, values in {**history, **figures}.items()}


def refused() -> dict[str, str]:
    """What a worker is told of a model, an optimizer and a metric from outside of the scope, and of other seeds."""
    outside, optimizer, metric = dense(), keras.optimizers.SGD(), keras.metrics.MeanSquaredError(name="far")
    outside.compile(loss="mse")
    models = {"model": outside}
    with STRATEGY.scope():
        for name, settings in {"optimizer": {"optimizer": optimizer}, "metric": {"metrics": [metric]}}.items():
            models[name] = dense()
            models[name].compile(loss="mse", **settings)
    told = {}
    for name, model in models.items():
        try:
            model.fit(ROWS, np.eye(3)[LABELS], verbose=0)
        except ValueError as error:
            told[name] = str(error)
    for name, seed in {"seeds": 2**40 + keras3.rank(), "seed": 7 if keras3.is_chief() else None}.items():
        tf.random.set_seed(seed)
        try:
            models["metric"].fit(ROWS, LABELS, verbose=0)
        except ValueError as error:
            told[name] = str(error)
    tf.random.set_seed(3)
    return told


class Dies(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch: int, *_: Any) -> None:
        if epoch == 1 and not keras3.is_chief():
            os.kill(os.getpid(), signal.SIGKILL)


result: dict[str, Any] = {"cases": {case.__name__: trained(case) for case in CASES}}
if IS_GANG:
    result["refused"] = refused()
RESULT.write_text(json.dumps(result))
if IS_GANG:
    with STRATEGY.scope():
        last, fitted = own_loss()
    last.fit(**fitted, epochs=1000, verbose=0, callbacks=[Dies()])
