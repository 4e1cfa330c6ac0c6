"""Learns the digits with `model.fit`, on one worker or on several: a plain Keras script, and two lines more.

    python examples/fit-script/train.py

On several workers TF_CONFIG names them all, and each runs this script: docs/keras3.md. keras3 is the file
images/trainer/steelyard_trainer/keras3.py; it may be copied and imported by itself.
"""

import argparse
import json
import os
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from steelyard_trainer import keras3

DIGITS = Path(__file__).parent.parent / "digits" / "digits.csv"


def main() -> None:
    options = parse_options()
    keras.utils.set_random_seed(options.seed)

    keras3.enable()  # the two lines: this, and the import
    strategy = tf.distribute.MultiWorkerMirroredStrategy()

    (features, labels), validation = read(options.data)
    with strategy.scope():
        model = build(classes=int(labels.max()) + 1, features=features.shape[1])
    model.fit(
        features,
        labels,
        batch_size=64,  # of all workers together
        epochs=options.epochs,
        validation_data=validation,
        verbose=0,
        callbacks=[
            # Started again after a worker was lost, it goes on with the epoch that it was in.
            keras.callbacks.BackupAndRestore(options.checkpoints / "backup", double_checkpoint=True),
            keras.callbacks.EarlyStopping("val_loss", patience=5, restore_best_weights=True),
            Progress(options.epochs),
        ],
    )
    if keras3.is_chief():
        options.model.mkdir(parents=True, exist_ok=True)
        model.save(options.model / "model.keras")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DIGITS, help="a CSV file; its last column is the class, from 0")
    parser.add_argument("--model", type=Path, default=os.environ.get("STEELYARD_MODEL_DIR", "models/fit-script"))
    parser.add_argument("--checkpoints", type=Path, default=os.environ.get("STEELYARD_CHECKPOINT_DIR", "checkpoints"))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=os.environ.get("STEELYARD_SEED", "0"))
    return parser.parse_args()


def read(path: Path) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Training and validation rows: features (rows, columns) and labels (rows,). Every fifth row is for validation."""
    table = np.loadtxt(path, np.float32, delimiter=",", skiprows=1)
    features, labels = table[:, :-1], table[:, -1].astype(np.int32)
    is_held_out = np.arange(len(table)) % 5 == 4
    return (features[~is_held_out], labels[~is_held_out]), (features[is_held_out], labels[is_held_out])


def build(classes: int, features: int) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((features,)),
            keras.layers.Rescaling(1 / 16),
            keras.layers.Dense(64, activation="relu"),
            # Over the rows of all workers.
            keras.layers.BatchNormalization(synchronized=True),
            keras.layers.Dense(classes, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.003), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Progress(keras.callbacks.Callback):
    """Tells each epoch's figures as a line of JSON, which Steelyard shows."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if keras3.is_chief():
            line = {"event": "progress", "stage": "train", "done": epoch + 1, "total": self.epochs, "unit": "epochs"}
            print(
                json.dumps({**line, "values": {name: float(value) for name, value in (logs or {}).items()}}), flush=True
            )


if __name__ == "__main__":
    main()
