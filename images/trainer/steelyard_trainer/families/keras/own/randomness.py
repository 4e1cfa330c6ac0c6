"""What layers of a user's network draw at random, as dropout and augmentation do: a function of (seed, step, worker)
alone, wherever in the network they lie. Imports Keras, TensorFlow and numpy.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

_DRAWS = 1024
"""How often a layer may draw in one step before it draws what the next step will: augmentation does so a few times."""


class RandomStreams:
    """The generators of a network."""

    def __init__(self, model: keras.Model, seed: int, worker: int) -> None:
        """
        Args:
            model: built.
            seed: of the training.
            worker: each draws otherwise.
        """
        found = [
            generator for layer in model._flatten_layers(include_self=True) for generator in layer._seed_generators
        ]
        self._generators = list({id(generator): generator for generator in found}.values())
        self._streams = [
            int(np.random.SeedSequence([seed, number, worker]).generate_state(1)[0] % 2**31)
            for number in range(len(self._generators))
        ]

    def __len__(self) -> int:
        return len(self._generators)

    def place(self, step: Any) -> None:
        """Sets them to where they are in this step, counted over all epochs. To be traced."""
        for generator, stream in zip(self._generators, self._streams, strict=True):
            dtype = generator.state.dtype
            generator.state.assign(tf.stack([tf.cast(stream, dtype), tf.cast(step, dtype) * _DRAWS]))
