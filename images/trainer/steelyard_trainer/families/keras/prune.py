"""Weights that are zeros: the smallest ones, more and more of them, while the others learn to do without (Zhu and Gupta
2017, "To prune, or not to prune: exploring the efficacy of pruning for model compression", arXiv:1710.01878). Imports
TensorFlow when it is applied.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from steelyard.api.compression.techniques import Prune
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import StepData, Technique, Tell

if TYPE_CHECKING:
    import keras


def _apply(artifact: Artifact, settings: Prune, data: StepData, tell: Tell) -> Artifact:
    from steelyard_trainer.families.keras.fine_tuning import fine_tune
    from steelyard_trainer.families.keras.masks import Masks

    def rule(layers: "Sequence[keras.layers.Layer]", optimizer: "keras.optimizers.Optimizer", steps: int) -> Masks:
        kernels = [layer.kernel for layer in layers if getattr(layer, "kernel", None) is not None]
        return Masks(kernels, optimizer, steps, settings.sparsity, by_layer=settings.scope == "Layer")

    name = f"a network with {settings.sparsity:.6g} of its weights pruned"
    return fine_tune(artifact, settings, data, rule, tell, times_epochs=1, ends_early=False, name=name)


def _fault(made: Artifact, settings: Prune) -> str:
    from steelyard_trainer.compression.litert_float import zeros

    found = zeros(made.file.read_bytes())
    whole = [tuple(map(sum, zip(*found, strict=True)))] if settings.scope == "Global" else found
    # Shares are rounded to whole weights.
    if short := [some / of for some, of in whole if some < settings.sparsity * of - 1]:
        where = "its weights" if settings.scope == "Global" else "a layer's weights"
        return f"{min(short):.1%} of {where} are zeros, {settings.sparsity:.1%} are to be"
    return ""


TECHNIQUE = Technique(Prune, _apply, _fault)
