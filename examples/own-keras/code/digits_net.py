"""A small convolutional network over the digits as images, which are shifted and turned a little while it learns."""

import keras
from keras import layers


def build_model(data, filters=16, dropout=0.2):
    """`data` says what the table asks for: features, classes, outputs, task, seed. See docs/own-code.md."""
    return keras.Sequential(
        [
            keras.Input((data.features,)),
            layers.Reshape((8, 8, 1)),
            layers.RandomTranslation(0.1, 0.1, seed=data.seed),
            layers.RandomRotation(0.03, seed=data.seed),
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(2 * filters, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dropout(dropout, seed=data.seed),
            layers.Dense(data.outputs, activation="softmax"),
        ]
    )
