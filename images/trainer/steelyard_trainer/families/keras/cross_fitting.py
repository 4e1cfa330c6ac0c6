"""Networks that are trained again on folds, in this process, as long as the job's own was. Imports Keras, TensorFlow
and the family's other parts.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from steelyard.api.trial import Trained
from steelyard.contract.workspace import TRAINING_FILE
from steelyard_trainer.compression.candidates import Candidates
from steelyard_trainer.compression.cross_fitting import FOLDS, contexts_of_folds, without_fold
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.folds import fold_of_rows
from steelyard_trainer.data.reading import Examples, PreparedDataset
from steelyard_trainer.data.splitting import SplitName
from steelyard_trainer.families.keras.bench import Workbench
from steelyard_trainer.families.keras.worker import Requests, train_on
from steelyard_trainer.trained import finished_training


def candidates_of_folds(context: StageContext, dataset: PreparedDataset, bench: Workbench) -> Sequence[Candidates]:
    """Trains a network for each fold, and gives what is to be made of it.

    Args:
        context: of the stage.
        dataset: of the job.
        bench: where the job's own network is weighed; beside its file lies after how many epochs it was the best.

    Raises:
        ConfigurationError: a loss is not finite.
        SteelyardError: another process was started in this one's place (AttemptSuperseded).
    """
    rows = dataset.read_parts(("train", "validation"))
    classes = None if dataset.classes is None else len(dataset.classes)
    folds = fold_of_rows(rows.targets, classes, FOLDS, context.job.spec.training.seed)
    epochs = json.loads((bench.model_file.parent / TRAINING_FILE).read_bytes())["bestEpoch"]
    found = []
    for number, own in enumerate(contexts_of_folds(context, bench.key)):
        context.notice(f"fold {number + 1} of {FOLDS}: a network is trained without it, for the proof")
        learned, held = (_those(rows, part) for part in (folds != number, folds == number))
        fold = without_fold(dataset, number, len(learned.rows), len(held.rows))
        job = _for_epochs(own, epochs)
        if finished_training(job, own.workspace.model_file) is None:
            # Nothing is left that could say which epoch is the best.
            parts: dict[SplitName, Examples] = {
                "train": learned,
                "validation": _those(rows, np.zeros(len(folds), np.bool_)),
            }
            train_on(
                job, replace(fold, rows={"train": len(learned.rows), "validation": 0}, kept=parts), None, Requests(0)
            )
        of_fold = replace(
            bench,
            model_file=own.workspace.model_file,
            finished=own.workspace.finished,
            dataset=replace(fold, kept={"train": learned, "validation": held}),
        )
        found.append(of_fold.candidates)
    return found


def _those(rows: Examples, which: NDArray[np.bool_]) -> Examples:
    return Examples(rows.features[which], rows.targets[which], rows.rows[which])


def _for_epochs(context: StageContext, epochs: int) -> StageContext:
    """A job that trains on all that it is given, for so many of its epochs."""
    spec = context.job.spec
    training = spec.training.model_copy(update={"early_stopping": None})
    trained = Trained.model_construct(uri=None, refit=True, epochs=epochs)
    spec = spec.model_copy(update={"training": training, "trained": trained, "trial": None})
    return replace(context, job=context.job.model_copy(update={"spec": spec}))
