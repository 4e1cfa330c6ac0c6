"""The candidates of a model of scikit-learn: the skops file and ONNX, measured by the code that predicts with the
published model. Imports scikit-learn, skops, ONNX, serving and the choice; never TensorFlow.
"""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from steelyard.api.compression import BASELINE, Candidate
from steelyard.api.errors import DataError
from steelyard.api.metrics import Measure, Task
from steelyard.api.training_job import TrainingJobSpec
from steelyard.contract.package import ONNX_FILE, SKOPS_FILE
from steelyard.contract.stages import Reason
from steelyard.serving.interface import TargetUnit
from steelyard.serving.published import load_model
from steelyard_trainer.compression.choice import Measured
from steelyard_trainer.compression.weighing import candidates_of, choice_of
from steelyard_trainer.evaluation.metrics import evaluate
from steelyard_trainer.families.sklearn.boosting_onnx import is_boosting
from steelyard_trainer.families.sklearn.build import Estimator
from steelyard_trainer.families.sklearn.features import Matrix
from steelyard_trainer.families.sklearn.onnx_conversion import to_onnx
from steelyard_trainer.families.sklearn.skops_files import estimator_bytes
from steelyard_trainer.families.sklearn.standardized import standardized

FILE_OF: dict[Candidate, str] = {BASELINE: SKOPS_FILE, "Onnx": ONNX_FILE}
"""What each candidate is published as."""
_LONGEST_REASON = 300


class ConversionError(Exception):
    """A candidate can't be made of this model; the message says why, in one line."""


def make_candidate(
    name: Candidate, estimator: Estimator, width: int, classes: int | None, unit: TargetUnit | None
) -> bytes:
    """The file of a candidate, the same bytes for the same model.

    Args:
        name: None (skops) or Onnx.
        estimator: fitted.
        width: how many features it takes.
        classes: how many the task has; None for regression.
        unit: regression: what the standardized target is, which ONNX gives where it computes in float32.

    Raises:
        ConversionError: it can't be made.
    """
    if name == BASELINE:
        return estimator_bytes(estimator)
    try:
        # Boosting computes in float64 in ONNX, too: it gives the target itself.
        if unit is not None and not is_boosting(estimator):
            estimator = standardized(estimator, unit)
        return to_onnx(estimator, width, classes)
    except Exception as error:  # noqa: BLE001 - the converter does not say which exceptions it raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConversionError(f"it can't be converted to ONNX: {reason[:_LONGEST_REASON]}") from None


def measure_candidate(
    name: Candidate,
    content: bytes,
    task: Task,
    classes: Sequence[str] | None,
    unit: TargetUnit | None,
    features: Matrix,
    targets: npt.NDArray[Any],
    measures: Sequence[Measure],
    *,
    with_latency: bool = True,
) -> Measured:
    """A candidate's size, latency and figures.

    Args:
        name: which it is.
        content: its file.
        task: what it does.
        classes: the labels; None for regression.
        unit: regression: what ONNX gives the standardized target of.
        features: float64, shape (rows, width): the validation set.
        targets: shape (rows,).
        measures: what is told of it.
        with_latency: False leaves it out, and with it up to a second.
    """
    try:
        model = load_model(FILE_OF[name], content, None if classes is None else len(classes), unit)
    except DataError as error:
        if name == BASELINE:
            raise
        return Measured.failed(name, error.message)
    return Measured(
        name=name,
        bytes=len(content),
        latency_microseconds=round(model.median_latency(features), 3) if with_latency else 0.0,
        figures=evaluate(task, targets, model.predict(features), measures, classes),
    )


def compressed_estimator_cost(
    estimator: Estimator,
    spec: TrainingJobSpec,
    task: Task,
    classes: Sequence[str] | None,
    unit: TargetUnit | None,
    features: Matrix,
    targets: npt.NDArray[Any],
) -> Measured:
    """The candidate that would be published of a trial's model: what it costs and how good it is.

    `bytes` is the secondary objective Size, `latency_microseconds` Latency, and `figures[METRIC].value` the first one.
    The latency is measured only where the manifest's compression or trial asks for it, and is 0 elsewhere.

    Args:
        estimator: fitted on the training set.
        spec: the job's; its `compression` says what is tried and what may be lost, its `trial` what is asked for.
        task: what the model does.
        classes: the labels; None for regression.
        unit: regression: what ONNX gives the standardized target of.
        features: float64, shape (rows, width): the validation set as the model takes it.
        targets: shape (rows,): class indices, or numbers.

    Raises:
        DataError: the model's outputs are not finite numbers (reason LossNotFinite).
    """
    asked = {spec.compression_objective if spec.compression else None, spec.trial.secondary if spec.trial else None}
    with_latency = not asked.isdisjoint({"Latency", "Balanced"})
    measures = spec.told_measures(task)
    measured = []
    for name in candidates_of(spec):
        try:
            labels = None if classes is None else len(classes)
            content = make_candidate(name, estimator, features.shape[1], labels, unit)
        except ConversionError as error:
            measured.append(Measured.failed(name, str(error)))
            continue
        measured.append(
            measure_candidate(
                name, content, task, classes, unit, features, targets, measures, with_latency=with_latency
            )
        )
    if measured[0].figures is None:
        raise DataError("the model's outputs are not finite numbers", reason=Reason.LOSS_NOT_FINITE)
    return choice_of(spec, task, measured).chosen.measured
