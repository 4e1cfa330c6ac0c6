"""Judges a LiteRT model on every part of the data. Imports LiteRT, the metrics, the gates and the prepared data.

Used by the stage finish for the chosen model, and by the stage train where no stage finish follows.
"""

import tempfile
from pathlib import Path
from typing import Any

import keras

from steelyard.api.errors import DataError
from steelyard.api.outcome import Metric
from steelyard.serving.model import LiteRtModel
from steelyard_trainer.compression.choice import BASELINE
from steelyard_trainer.compression.techniques import Converter, representative_sample
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.data.splitting import SPLITS, SplitName
from steelyard_trainer.evaluation.gates import check_gates
from steelyard_trainer.evaluation.metrics import PRIMARY, Figures, evaluate


def judge_parts(model: LiteRtModel, dataset: PreparedDataset) -> dict[SplitName, Figures]:
    """The model's figures on each part. Raises DataError where an output is not a finite number."""
    return {split: _judge(model, dataset, split) for split in SPLITS}


def metrics_summary(primary: Metric, figures: Figures) -> dict[str, Any]:
    """The entries of a result's summary that say how good a model is: each metric with its standard error."""
    return {
        "metric": primary,
        "metrics": {name: [figure.value, figure.standard_error] for name, figure in figures.items()},
    }


def judge_float32(context: StageContext, dataset: PreparedDataset, model: keras.Model) -> dict[str, Any]:
    """Judges a Keras model as it would be published without compression.

    Returns:
        Entries of the result's summary: metric, metrics, and bytes of the LiteRT file.

    Raises:
        SteelyardError: a gate was not met (reason GateFailed).
        DataError: the outputs are not finite numbers.
    """
    with tempfile.TemporaryDirectory(prefix="steelyard-export-") as folder:
        sample = representative_sample(dataset.read("train").features)
        litert = Converter(model, Path(folder), sample).convert(BASELINE)
    figures = judge_parts(LiteRtModel(litert), dataset)
    primary = PRIMARY[dataset.task]
    check_gates(context.job.spec.evaluation, primary, figures["train"], figures["test"])
    return {**metrics_summary(primary, figures["test"]), "bytes": len(litert)}


def _judge(model: LiteRtModel, dataset: PreparedDataset, split: SplitName) -> Figures:
    examples = dataset.read(split)
    figures = evaluate(dataset.task, examples.targets, model.predict(examples.features))
    if figures is None:
        raise DataError(f"the model's outputs on the {split} part are not finite numbers")
    return figures
