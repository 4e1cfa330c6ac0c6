"""Judges a model on every part of the data. Imports the metrics and the gates; Keras and LiteRT when it makes a network
what is published.

Used by the stage finish for the chosen model, and by the stage train where no stage finish follows.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.api.errors import DataError
from steelyard.api.metrics import Measure
from steelyard.api.outcome import BASELINE
from steelyard.serving.interface import ServedModel
from steelyard_trainer.compression.weighing import Labelled
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.data.splitting import SPLITS, SplitName
from steelyard_trainer.evaluation.gates import check_gates
from steelyard_trainer.evaluation.metrics import Figures, evaluate

if TYPE_CHECKING:
    import keras

Read = Callable[[Sequence[SplitName]], Labelled]
"""Gives the rows of some parts, as the model takes them."""


def judge_parts(
    model: ServedModel, read: Read, dataset: PreparedDataset, measures: Sequence[Measure], *, is_refit: bool = False
) -> dict[SplitName, Figures]:
    """The model's figures on each part.

    Args:
        model: takes preprocessed rows.
        read: gives them.
        dataset: says what it does.
        measures: what is told.
        is_refit: whether the validation part was trained on too. It is counted to `train` then, as it says no more.

    Raises:
        DataError: an output is not a finite number.
    """
    if is_refit:
        learned = _judge(model, read, dataset, measures, ("train", "validation"))
        return {"train": learned, "test": _judge(model, read, dataset, measures, ("test",))}
    return {split: _judge(model, read, dataset, measures, (split,)) for split in SPLITS}


def metrics_summary(primary: str, figures: Figures) -> dict[str, Any]:
    """The entries of a result's summary that say how good a model is: each metric with its standard error."""
    return {
        "metric": primary,
        "metrics": {name: [figure.value, figure.standard_error] for name, figure in figures.items()},
    }


def judge_float32(context: StageContext, dataset: PreparedDataset, model: "keras.Model") -> dict[str, Any]:
    """Judges a Keras model as it would be published without compression.

    Returns:
        Entries of the result's summary: metric, metrics, and bytes of the LiteRT file.

    Raises:
        SteelyardError: a gate was not met (reason GateFailed).
        DataError: the outputs are not finite numbers.
    """
    from steelyard_trainer.compression.candidates import serve_litert
    from steelyard_trainer.compression.techniques import Converter, representative_sample

    spec = context.job.spec
    with tempfile.TemporaryDirectory(prefix="steelyard-export-") as folder:
        sample = representative_sample(dataset.read("train").features)
        litert = Converter(model, Path(folder), sample).convert(BASELINE)
    served = serve_litert(litert, dataset.preprocessing)
    figures = judge_parts(served, dataset.read_parts, dataset, spec.published_measures(dataset.task))
    primary = spec.measure(dataset.task)
    check_gates(spec.evaluation, primary, figures["train"], figures["test"])
    return {**metrics_summary(primary.name, figures["test"]), "bytes": len(litert)}


def _judge(
    model: ServedModel,
    read: Read,
    dataset: PreparedDataset,
    measures: Sequence[Measure],
    splits: Sequence[SplitName],
) -> Figures:
    examples = read(splits)
    outputs = model.predict(examples.features)
    figures = evaluate(dataset.task, examples.targets, outputs, measures, dataset.classes)
    if figures is None:
        raise DataError(f"the model's outputs on the {splits[0]} part are not finite numbers")
    return figures
