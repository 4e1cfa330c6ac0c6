"""Judges a network as it would be published, where no stage finish follows. Imports TensorFlow, Keras and serving."""

import tempfile
from pathlib import Path
from typing import Any

import keras

from steelyard_trainer.compression.kept_candidates import KeptCandidates
from steelyard_trainer.compression.making import Maker
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.evaluation.gates import check_gates
from steelyard_trainer.evaluation.judge import judge_parts
from steelyard_trainer.families.keras.bench import BASELINE_RECIPE, measuring_on, trained_network


def judge_baseline(context: StageContext, dataset: PreparedDataset, model: keras.Model) -> dict[str, Any]:
    """Judges a Keras model as it would be published without compression.

    Returns:
        Entries of the result's summary: metric, metrics, and bytes of the LiteRT file.

    Raises:
        SteelyardError: a gate was not met (reason GateFailed).
        DataError: the outputs are not finite numbers.
    """
    spec = context.job.spec
    with tempfile.TemporaryDirectory(prefix="steelyard-export-") as folder:
        trained = trained_network(model, Path(folder), dataset, spec)
        kept = KeptCandidates(Path(folder), "baseline")
        kept.clean_up()
        with Maker.of(trained, kept) as maker:
            baseline = maker.make(BASELINE_RECIPE)
        served, size = measuring_on(dataset, ()).serve(baseline), baseline.bytes
    judgement = judge_parts(served, dataset.read_parts, dataset, spec)
    check_gates(spec.evaluation, judgement.primary, judgement.figures["train"], judgement.figures["test"])
    return judgement.summary.model_copy(update={"bytes": size}).to_json()
