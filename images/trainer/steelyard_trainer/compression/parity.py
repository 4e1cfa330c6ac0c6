"""Parity: whether a file is the model, before it is weighed. A runtime can be wrong in silence: convolutions with
weights of 2 bits load in LiteRT 2.3, run, and answer nonsense. Imports numpy, LiteRT, serving; Keras where a Keras
model is asked.

What a file's outputs are held against, the reference:

- a file in float32, or with sparse tensors: the model that it was made of, in Keras;
- a quantized file: the same network in float32 with the weights that the file's stand for (`litert_float`). Another
  model would not do. The one that it was made of has other weights, and answers otherwise where the rounding of the
  weights costs something: that is weighed, it is no fault. Where the activations are rounded, too, no model in floating
  point computes the same. What the rounding may change is bounded by STEP; where it decides more rows, such as those
  whose classes are nearly tied, LiteRT's plain kernels, which round in the same places, must agree. Those alone would
  prove nothing: of weights in blocks they are wrong themselves;
- an ONNX file: the model of scikit-learn in its skops file, which itself is held against nothing.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from steelyard.serving.interface import ServedModel
from steelyard_trainer.compression.artifact import Artifact

LEAST_AGREEMENT = 0.995
"""Of the held rows."""
NEAR_AGREEMENT = 0.95
"""With the network in float32, where the plain kernels agree on PLAIN_AGREEMENT."""
PLAIN_AGREEMENT = 0.99
"""They round in the same places, though not always to the same side."""
MOST_ROWS = 1000
"""That are asked: evenly spread over those that there are."""
STEP = 8 / 255
"""Where activations are rounded to 8 bits: by how much of their range outputs may differ on a row that counts as agreed
on. A layer rounds by half a step, and several lie one behind the other. The largest difference seen of networks with up
to six layers was 4/255, the least of broken ones 47/255."""
STEP_IN_FLOAT = 1 / 255
"""The same where only the order of additions differs, or weights of a sparse tensor have 16 bits."""
_ROWS_ALONE = 8
"""How many of the rows are asked one at a time, too."""

_KERAS_OUTPUTS = "steelyard_trainer.compression.techniques.litert_converter"

Serve = Callable[[Artifact], ServedModel]
Outputs = npt.NDArray[Any]


def fault_of(
    made: Artifact,
    given: Artifact,
    serve: Serve,
    features: npt.NDArray[Any],
    is_class: bool,
    spread: float = 0.0,
) -> str:
    """What shows that a file is not the model; empty where it is.

    Args:
        made: the file.
        given: what it was made of.
        serve: loads a file as it predicts when it is published.
        features: held rows, shape (rows, width).
        is_class: whether the outputs are probabilities of classes, of which the largest is the answer.
        spread: see `agreement`; of what `serve` gives. A LiteRT file itself gives the standardized target, of spread 1.
    """
    # What is of the same form is another model, such as a forest of fewer trees: there is nothing that it is a form of.
    if made.runtime == given.runtime:
        return ""
    rows = features[np.linspace(0, len(features) - 1, min(MOST_ROWS, len(features))).round().astype(np.int64)]
    if made.runtime == "LiteRT":
        return _fault_of_litert(made, given, rows.astype(np.float32), is_class)
    model, reference = serve(made), serve(given).predict(rows)
    outputs, alone = model.predict(rows), _alone(model, rows)
    return _of_rows_alone(alone, outputs, STEP_IN_FLOAT, is_class, spread) or _difference(
        outputs, reference, STEP_IN_FLOAT, is_class, spread
    )


def _fault_of_litert(made: Artifact, given: Artifact, rows: npt.NDArray[np.float32], is_class: bool) -> str:
    from steelyard.serving.model import LiteRtModel
    from steelyard_trainer.compression.litert_float import in_float32

    content = made.file.read_bytes()
    try:
        model = LiteRtModel(content)
        outputs = model.predict(rows)
        alone = _alone(model, rows)
    except (ValueError, RuntimeError) as error:
        return f"the file does not run: {' '.join(str(error).split())[:200]}"
    in_float = in_float32(content)
    step = STEP_IN_FLOAT if in_float is None else STEP
    if fault := _of_rows_alone(alone, outputs, step, is_class, 1.0):
        return fault
    if in_float is None:
        return _difference(outputs, _outputs_of(given, rows), step, is_class, 1.0)
    reference = LiteRtModel(in_float).predict(rows)
    fault = _difference(outputs, reference, step, is_class, 1.0)
    is_near = fault and agreement(outputs, reference, step, is_class, 1.0) >= NEAR_AGREEMENT
    return "" if is_near and _plain_kernels_agree(content, rows, outputs, is_class) else fault


def _alone(model: ServedModel, rows: npt.NDArray[Any]) -> Outputs:
    """What some of the rows are answered one at a time."""
    return np.concatenate([model.predict(row[np.newaxis]) for row in rows[:_ROWS_ALONE]])


def _of_rows_alone(alone: Outputs, outputs: Outputs, step: float, is_class: bool, spread: float) -> str:
    fault = _difference(alone, outputs[: len(alone)], step, is_class, spread)
    return f"rows that are asked one at a time are answered otherwise: {fault}" if fault else ""


def _plain_kernels_agree(content: bytes, rows: npt.NDArray[np.float32], outputs: Outputs, is_class: bool) -> bool:
    from steelyard.serving.model import LiteRtModel

    try:
        plain = LiteRtModel(content, plain_kernels=True).predict(rows)
    except (ValueError, RuntimeError):
        return False
    return agreement(outputs, plain, STEP, is_class, 1.0) >= PLAIN_AGREEMENT


def _outputs_of(given: Artifact, rows: npt.NDArray[np.float32]) -> Outputs:
    """What a Keras model says; scikit-learn's models have none, and need none of its libraries."""
    outputs: Outputs = import_module(_KERAS_OUTPUTS).outputs_of(given, rows)
    return outputs


def _difference(outputs: Outputs, reference: Outputs, step: float, is_class: bool, spread: float) -> str:
    """In which share of the rows outputs are those of the reference, where that is too small; empty where it is not."""
    share = agreement(outputs, reference, step, is_class, spread)
    if share >= LEAST_AGREEMENT:
        return ""
    return (
        f"it answers as the model does in {share:.1%} of {len(outputs):,} held rows, {LEAST_AGREEMENT:.1%} are needed"
    )


def agreement(outputs: Outputs, reference: Outputs, step: float, is_class: bool, spread: float = 0.0) -> float:
    """The share of the rows that are agreed on: where the answer is the same class, or no output is off by more than
    `step`, of probabilities itself, of other numbers times the range that the reference's have, or `spread` where that
    is more: that of the target.

    What the reference has no finite answers to, nothing can be held against.
    """
    if not np.isfinite(reference).all():
        return 1.0
    span = 1.0 if is_class else max(float(np.ptp(reference)), spread) or 1.0
    with np.errstate(invalid="ignore"):
        agreed = np.abs(outputs - reference).max(axis=1) <= step * span
    if is_class:
        agreed |= np.isfinite(outputs).all(axis=1) & (outputs.argmax(axis=1) == reference.argmax(axis=1))
    return float(agreed.mean())
