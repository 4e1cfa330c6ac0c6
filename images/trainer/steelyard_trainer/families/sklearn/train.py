"""The stage train for scikit-learn's models: one process, fitted and judged right here. Never imports TensorFlow.

Leaves the fitted model and training.json in the workspace, or, of a trial with cross-validation, its scores alone.
"""

import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from steelyard.contract.report import CrossValidationReport
from steelyard.contract.stages import Env, Reason
from steelyard.contract.summaries import TrainSummary
from steelyard.search.best import leaves_model
from steelyard_trainer.contract import Outcome, StageContext
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.data.splitting import SplitName
from steelyard_trainer.evaluation.gates import check_gates
from steelyard_trainer.evaluation.judge import judgement_of
from steelyard_trainer.evaluation.metrics import Figures
from steelyard_trainer.families.sklearn.build import Estimator
from steelyard_trainer.families.sklearn.cross_validation import score_fold
from steelyard_trainer.families.sklearn.own import check_published
from steelyard_trainer.families.sklearn.saving import save_estimator
from steelyard_trainer.families.sklearn.scores import outputs_of
from steelyard_trainer.families.sklearn.trial import Answered, Rows, figures_of, fit_on, judge, run_trial
from steelyard_trainer.trained import finished_training, leave_document

_LEARNING: tuple[Literal["train", "validation"], ...] = ("train", "validation")
"""The sets that are judged here; the test set is judged once, by the model that is published."""


def train_estimator(context: StageContext) -> Outcome:
    """Fits the model, or runs a trial.

    Args:
        context: the stage, its attempt taken.

    Raises:
        ConfigurationError: the settings do not go with the rows.
        DataError: a score is not a finite number.
        SteelyardError: the model is not good enough (GateFailed), where no stage follows that judges it; another
            process was started in this one's place (AttemptSuperseded).
    """
    if (finished := finished_training(context, context.workspace.estimator_file)) is not None:
        context.notice("was trained already", "Resumed")
        return finished
    context.workspace.trained.mkdir(parents=True, exist_ok=True)
    rows = Rows(PreparedDataset.of(context))
    is_trial = context.job.spec.trial is not None
    threads = 1 if is_trial else int(os.environ.get(Env.THREADS, "0"))
    # A trial is the same to the last bit wherever it runs, so its sums have one order.
    with threadpool_limits(threads or None):
        outcome, model = _answer(context, rows) if is_trial else _fit(context, rows, threads or -1)
    if model is not None and leaves_model(context.job.spec, outcome.summary):
        if (entrypoint := context.job.spec.model.entrypoint) is not None:
            check_published(model, entrypoint.function_name)
        context.check_attempt()
        save_estimator(model, context.workspace.estimator_file)
        if not (is_trial or context.job.spec.has_finish):
            outcome.summary["bytes"] = context.workspace.estimator_file.stat().st_size
    leave_document(context, outcome, rows.dataset, kind="estimator")
    return outcome


def _answer(context: StageContext, rows: Rows) -> tuple[Outcome, Estimator | None]:
    spec = context.job.spec
    assert spec.trial is not None
    folds = spec.evaluation.cross_validation

    def tell(steps: Sequence[tuple[int, float]]) -> None:
        context.progress(len(steps), folds.folds if folds else 1, "folds", **{f"step_{n}": value for n, value in steps})

    answered: Answered = run_trial(spec, rows, tell)
    reason = Reason.PRUNED if answered.report.state == "Pruned" else Reason.SUCCEEDED
    return Outcome(answered.message, {"trial": answered.report.to_json()}, reason), answered.model


def _fit(context: StageContext, rows: Rows, threads: int) -> tuple[Outcome, Estimator]:
    spec = context.job.spec
    has_folds = spec.evaluation.cross_validation is not None
    summary = TrainSummary(workers=1, cross_validation=_cross_validate(context, rows) if has_folds else None)
    table = rows.all_learned if spec.is_refit else rows.part("train")
    model = fit_on(table, spec, rows, threads=threads, tell=context.notice)
    learned = "training and validation sets" if spec.is_refit else "training set"
    message = f"fitted on the {len(table):,} rows of the {learned}"
    if spec.is_refit:
        # No part is left that the model has not seen, but the one that judges it at the very end.
        return Outcome(message, summary.to_json()), model
    told = spec.told_measures(rows.dataset.task)
    figures: dict[SplitName, Figures] = {split: judge(model, spec, rows, split, told) for split in _LEARNING}
    summary = summary.model_copy(update={"metrics": _history_like(figures)})
    judged = {} if spec.has_finish else _judge_here(context, rows, model, figures)
    return Outcome(message, {**summary.to_json(), **judged}), model


def _history_like(figures: dict[SplitName, Figures]) -> dict[str, float]:
    """The figures as a network's history names them."""
    return {
        f"{prefix}{name}": figure.value
        for split, prefix in zip(_LEARNING, ("", "val_"), strict=True)
        for name, figure in figures[split].items()
    }


def _judge_here(
    context: StageContext, rows: Rows, model: Estimator, figures: dict[SplitName, Figures]
) -> dict[str, Any]:
    """As the stage finish would judge it; raises SteelyardError where a gate is not met."""
    spec, primary = context.job.spec, context.job.spec.measure(rows.dataset.task)
    table = rows.part("test")
    outputs = outputs_of(model, rows.features(table, spec), rows.classes)
    test = figures_of(outputs, rows, "test", spec.published_measures(rows.dataset.task))
    check_gates(spec.evaluation, primary, figures["train"], test)
    trained = rows.part("train").targets
    judged = judgement_of(spec, rows.dataset, {**figures, "test": test}, trained, table.targets, outputs)
    return judged.summary.to_json()


def _cross_validate(context: StageContext, rows: Rows) -> CrossValidationReport:
    """The scores of what is told on all folds, and their means."""
    spec = context.job.spec
    assert spec.evaluation.cross_validation is not None
    count = spec.evaluation.cross_validation.folds
    folds = rows.folds(count)
    measures, primary = spec.told_measures(rows.dataset.task), spec.measure(rows.dataset.task).name
    scores: dict[str, list[float]] = {measure.name: [] for measure in measures}
    for index in range(count):
        for metric, value in score_fold(spec, folds, index, measures).items():
            scores[metric].append(value)
        context.progress(index + 1, count, "folds", **{primary: scores[primary][-1]})
    return CrossValidationReport(
        folds=count,
        rows=len(folds.table),
        scores=scores,
        means={metric: float(np.average(values)) for metric, values in scores.items()},
    )
