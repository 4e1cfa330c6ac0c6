"""Models of scikit-learn that are fitted again on folds. Imports the family's other parts; never TensorFlow."""

from collections.abc import Sequence

import numpy as np

from steelyard_trainer.compression.candidates import Candidates
from steelyard_trainer.compression.cross_fitting import FOLDS, contexts_of_folds, without_fold
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.folds import fold_of_rows
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.families.sklearn.bench import EstimatorBench
from steelyard_trainer.families.sklearn.features import Table
from steelyard_trainer.families.sklearn.trial import Rows, fit_on


def candidates_of_folds(context: StageContext, dataset: PreparedDataset, bench: EstimatorBench) -> Sequence[Candidates]:
    """Fits a model on each fold, and gives what is to be made of it.

    Args:
        context: of the stage.
        dataset: of the job.
        bench: where the job's own model is weighed.

    Raises:
        ConfigurationError: the settings do not go with the rows.
        SteelyardError: another process was started in this one's place (AttemptSuperseded).
    """
    spec, table = bench.spec, Table.read(dataset, ("train", "validation"))
    classes = None if dataset.classes is None else len(dataset.classes)
    folds = fold_of_rows(table.targets, classes, FOLDS, spec.training.seed)
    found = []
    for number, own in enumerate(contexts_of_folds(context, bench.candidates.kept.key)):
        context.notice(f"fold {number + 1} of {FOLDS}: a model is fitted without it, for the proof")
        learned, held = (table.take(np.flatnonzero(part)) for part in (folds != number, folds == number))
        rows = Rows(without_fold(dataset, number, len(learned), len(held)), {"train": learned, "validation": held})
        model = fit_on(learned, spec, rows)
        of_fold = EstimatorBench(model, spec, rows, own.workspace.finished, context.check_attempt, context.notice)
        found.append(of_fold.candidates)
    return found
