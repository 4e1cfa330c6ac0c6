"""Judges a network as it would be published, where no stage finish follows. Imports TensorFlow, Keras and serving."""

import tempfile
from pathlib import Path
from typing import Any

import keras

from steelyard.api.compression import BASELINE
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.evaluation.gates import check_gates
from steelyard_trainer.evaluation.judge import judge_parts
from steelyard_trainer.families.keras.bench import serve_litert
from steelyard_trainer.families.keras.techniques import Converter, representative_sample


def judge_float32(context: StageContext, dataset: PreparedDataset, model: keras.Model) -> dict[str, Any]:
    """Judges a Keras model as it would be published without compression.

    Returns:
        Entries of the result's summary: metric, metrics, and bytes of the LiteRT file.

    Raises:
        SteelyardError: a gate was not met (reason GateFailed).
        DataError: the outputs are not finite numbers.
    """
    spec = context.job.spec
    with tempfile.TemporaryDirectory(prefix="steelyard-export-") as folder:
        sample = representative_sample(dataset.read("train").features)
        litert = Converter(model, Path(folder), sample).convert(BASELINE)
    served = serve_litert(litert, dataset.preprocessing)
    judgement = judge_parts(served, dataset.read_parts, dataset, spec)
    check_gates(spec.evaluation, judgement.primary, judgement.figures["train"], judgement.figures["test"])
    return {**judgement.summary(), "bytes": len(litert)}
