"""What a network that is a trial is worth: its metric on the validation set. Imports Keras, the metrics and the
compression. The test set is not touched.
"""

import keras
import numpy as np

from steelyard.api.errors import DataError
from steelyard.api.trial import SecondaryObjective
from steelyard.contract.stages import Reason
from steelyard_trainer.compression.choice import Measured
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.evaluation.metrics import Figure, evaluate

_BATCH_ROWS = 1024


def judge_trial(context: StageContext, dataset: PreparedDataset, model: keras.Model) -> tuple[Figure, float | None]:
    """The objective and, where it is asked for, the secondary one.

    With a secondary objective the model is compressed as the manifest says, and both are those of the candidate that
    would be published. Without one the objective is the baseline's, which computes in Keras what it does in LiteRT:
    converting it takes longer than a small trial's epochs.

    Raises:
        DataError: the outputs are not finite numbers.
    """
    trial = context.job.spec.trial
    assert trial is not None
    if trial.secondary is not None:
        measured = _chosen(context, dataset)
        assert measured.figures is not None
        return measured.figures[trial.measure.name], _cost(measured, trial.secondary)
    validation = dataset.read("validation")
    starts = range(0, len(validation.rows), _BATCH_ROWS)
    batches = [np.asarray(model(validation.features[start : start + _BATCH_ROWS], training=False)) for start in starts]
    outputs, unit = np.concatenate(batches), dataset.preprocessing.target_unit
    outputs = unit.restored(outputs) if unit else outputs
    figures = evaluate(dataset.task, validation.targets, outputs, [trial.measure], dataset.classes)
    if figures is None:
        raise DataError("the model's outputs are not finite numbers", reason=Reason.LOSS_NOT_FINITE)
    return figures[trial.measure.name], None


def _chosen(context: StageContext, dataset: PreparedDataset) -> Measured:
    # Brings the converter, which a trial with one objective does not need.
    from steelyard_trainer.compression.weighing import weigh
    from steelyard_trainer.families.keras.bench import Workbench

    workspace, spec = context.workspace, context.job.spec
    bench = Workbench(workspace.model_file, workspace.finished, dataset, spec, context.check_attempt)
    if spec.model.entrypoint is not None:
        from steelyard_trainer.families.keras.own.bench import OwnWorkbench

        bench = OwnWorkbench(**vars(bench), context=context)
    return weigh(bench.candidates, spec).chosen.measured


def _cost(measured: Measured, secondary: SecondaryObjective) -> float:
    return float(measured.bytes) if secondary == "Size" else measured.latency_microseconds
