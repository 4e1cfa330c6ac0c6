"""Weights that lie on a grid of few bits, learned there: before each step they are put on the grid, and the gradients
of that point move the kept ones (the straight-through estimator of Bengio, Léonard and Courville 2013, "Estimating or
Propagating Gradients Through Stochastic Neurons for Conditional Computation", arXiv:1308.3432). The graph has no
operation of it. Imports TensorFlow when it is applied.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from steelyard.api.compression.techniques import QuantizationAware
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import StepData, Technique, Tell

if TYPE_CHECKING:
    import keras

TIMES_EPOCHS, TIMES_RATE, LEAST_STEPS = 1 / 3, 2, 6_000
"""The job's epochs and learning rate, where the settings do not say them. Weights move from point to point of the grid,
which takes large steps, and many: of narrow students of three tasks half as many left a third more of what is lost
(`benchmarks/four_bits.py`)."""
_CONVOLUTION_BITS = 4


def _apply(artifact: Artifact, settings: QuantizationAware, data: StepData, tell: Tell) -> Artifact:
    import keras

    from steelyard_trainer.families.keras.fine_tuning import fine_tune
    from steelyard_trainer.families.keras.grid import Grid

    def bits_of(layer: "keras.layers.Layer") -> int | None:
        if isinstance(layer, keras.layers.Dense):
            return settings.bits
        is_convolution = isinstance(layer, keras.layers.Conv2D) and settings.convolutions == "Int4"
        return _CONVOLUTION_BITS if is_convolution else None

    def rule(layers: "Sequence[keras.layers.Layer]", _optimizer: "keras.optimizers.Optimizer", _steps: int) -> Grid:
        return Grid([(layer.kernel, bits) for layer in layers if (bits := bits_of(layer)) is not None])

    name = f"a network with {settings.bits}-bit weights"
    return fine_tune(
        artifact,
        settings,
        data,
        rule,
        tell,
        times_epochs=TIMES_EPOCHS,
        times_rate=TIMES_RATE,
        least_steps=LEAST_STEPS,
        ends_early=True,
        name=name,
    )


TECHNIQUE = Technique(QuantizationAware, _apply)
