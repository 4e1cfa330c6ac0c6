"""Weighs what a manifest asks for: makes and measures the candidates of a model, and chooses. Imports steelyard.api,
the candidates and the choice; a family's bench says what they are made of.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from steelyard.api.compression import BASELINE, Compression
from steelyard.api.errors import DataError, SteelyardError
from steelyard.api.metrics import Measure
from steelyard.api.training_job import TrainingJobSpec
from steelyard.contract.report import TrainingReport
from steelyard.contract.stages import ExitCode, Reason
from steelyard.serving.preprocessing import Preprocessing
from steelyard_trainer.compression.answers import Answers
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.auto import Judge
from steelyard_trainer.compression.candidates import Candidates, Report, no_report
from steelyard_trainer.compression.choice import Choice, Measured, choose
from steelyard_trainer.compression.cross_fitting import OnFolds
from steelyard_trainer.compression.kept_candidates import KeptCandidates
from steelyard_trainer.compression.limits import ROUNDING, ClassDrops, Limits, told_of
from steelyard_trainer.compression.paired import bound
from steelyard_trainer.compression.proving import Bounds, Proof
from steelyard_trainer.compression.recipe import Recipe
from steelyard_trainer.data.labelled import Labelled
from steelyard_trainer.data.splitting import SplitName
from steelyard_trainer.evaluation.metrics import evaluate


class Bench(Protocol):
    """Where one trained model is weighed, judged and packed. Each family has its own."""

    @property
    def candidates(self) -> Candidates:
        """What is made of the model, and measured."""

    @property
    def preprocessing(self) -> Preprocessing:
        """What turns raw rows into the model's features: published with it."""

    @property
    def own_work(self) -> int | None:
        """What was trained to make the model, at most: rows x epochs x weights; None where that is not counted."""

    def read(self, splits: Sequence[SplitName]) -> Labelled:
        """The rows of some parts, as the model takes them."""

    def write(self, folder: Path, chosen: Artifact, baseline: Artifact) -> None:
        """Writes what is published of the model: the chosen candidate, and what one goes on training with."""

    def training(self, document: Mapping[str, Any]) -> TrainingReport:
        """What steelyard.json says of the training, from training.json."""

    def packages(self) -> dict[str, str]:
        """The versions of the libraries that made the model, beside numpy and scikit-learn."""


def weigh(
    candidates: Candidates,
    spec: TrainingJobSpec,
    report: Report = no_report,
    *,
    beside: KeptCandidates | None = None,
    folds: Callable[[], Sequence[Candidates]] | None = None,
) -> Choice:
    """The choice among a model's candidates that the manifest asks for, on the validation set.

    Args:
        candidates: what is made of the model.
        spec: the job's; its `compression` says what is tried and what may be lost.
        report: see `Candidates.measure`.
        beside: what was made of the model that is published in place of this one, and stays.
        folds: gives what is to be made of models that are trained again on folds; None where the file itself is tested.

    Raises:
        DataError: the model's outputs are not finite numbers; or too few rows are to prove by, and the manifest says to
            fail then (reason CheckFailed).
        SteelyardError: nothing is within the limits (reason GateFailed).
        SteelyardError: another process was started in this one's place (AttemptSuperseded).
    """
    compression, primary = spec.compression, spec.measure(candidates.measuring.task)
    search = candidates.search
    sure = None if compression is None or (len(candidates.recipes) == 1 and not search) else compression.sure
    judge = None if compression is None else partial(_judge, candidates, primary, compression)
    class_budget = (
        None if compression is None or (len(candidates.recipes) == 1 and not search) else compression.max_class_drop
    )
    asked = candidates
    if compression is not None and sure is not None and (compression.on_too_few_rows or "Point") != "Point":
        candidates = _as_rows_allow(candidates, primary, sure, compression, beside, folds)
    measured = candidates.measure(
        report,
        with_answers=sure is not None
        or class_budget is not None
        or search is not None
        or any(map(_learns, candidates.recipes.values())),
        judge=judge,
        beside=beside,
    )
    if measured[0].figures is None:
        raise DataError("the model's outputs are not finite numbers", reason=Reason.LOSS_NOT_FINITE)
    if compression is None:
        return choose(measured, primary, 0.0, spec.compression_objective, baseline_name(spec))
    budget = compression.max_metric_drop
    proof = None if sure is None else prove(_tested(candidates, folds), primary, sure, compression)
    if proof is not None:
        why = f"nothing can be proved: {proof.too_few(budget)}"
        measured += [Measured.failed(name, why) for name in asked.recipes if name not in candidates.recipes]
    choice = choose(
        measured,
        primary,
        budget,
        spec.compression_objective,
        baseline_name(spec),
        proof,
        lost_on_search_rows(candidates, primary, budget),
        Limits.of(compression),
        None if class_budget is None else class_drops(candidates, class_budget),
    )
    return replace(choice, searched=search.outcome) if search else choice


def _tested(candidates: Candidates, folds: Callable[[], Sequence[Candidates]] | None) -> Candidates | OnFolds:
    """What answers the rows that prove."""
    return candidates if folds is None else OnFolds.of(candidates, folds())


def _learns(recipe: Recipe) -> bool:
    """Whether something is trained by it."""
    return any(step.settings.learns for step in recipe.steps)


def _as_rows_allow(
    candidates: Candidates,
    primary: Measure,
    sure: float,
    compression: Compression,
    beside: KeptCandidates | None,
    folds: Callable[[], Sequence[Candidates]] | None,
) -> Candidates:
    """The candidates that are made: the baseline alone where it is already certain that nothing can be proved.

    Raises DataError where that is so and the manifest says to fail then (reason CheckFailed).
    """
    alone = replace(candidates, recipes={BASELINE: candidates.recipes[BASELINE]}, search=None)
    untimed = replace(alone, measuring=replace(alone.measuring, costs=frozenset()))
    (baseline,) = untimed.measure(with_answers=True, beside=beside)
    if baseline.figures is None:
        return alone
    proof, budget = prove(_tested(alone, folds), primary, sure, compression), compression.max_metric_drop
    if not proof.has_too_few_rows(budget):
        return candidates
    if compression.on_too_few_rows == "Fail":
        raise DataError(
            f"spec.compression.onTooFewRows: Fail, and the validation set proves nothing: {proof.too_few(budget)}",
            reason=Reason.CHECK_FAILED,
        )
    return alone


def lost_on_search_rows(candidates: Candidates, primary: Measure, budget: float) -> dict[str, float]:
    """How much those lose on the search rows that were trained, where it is more than the budget, by their names: where
    two numbers decide, they are not chosen. A format of the trained network is in no need of that: it is one of few."""
    measuring, baseline = candidates.measuring, candidates.answers(BASELINE)
    if measuring.read_search is None or baseline is None:
        return {}
    targets, lost = measuring.read_search().targets, {}

    def value(outputs: npt.NDArray[Any]) -> float | None:
        figures = evaluate(measuring.task, targets, outputs, [primary], measuring.classes)
        return None if figures is None else figures[primary.name].value

    before = value(baseline.search)
    for name, recipe in candidates.recipes.items():
        answers = candidates.answers(name) if _learns(recipe) else None
        if before is None or answers is None:
            continue
        after = value(answers.search)
        loss = math.inf if after is None else primary.loss(after, before)
        if loss > budget + ROUNDING:
            lost[name] = loss
    return lost


def _judge(candidates: Candidates, primary: Measure, compression: Compression) -> Judge:
    """What sees, once the baseline is measured, whether others will probably be accepted."""
    baseline, classes = candidates.answers(BASELINE), candidates.measuring.classes
    assert baseline is not None
    labels = None if classes is None else tuple(classes)
    return Judge(
        primary,
        labels,
        _targets(candidates),
        baseline,
        compression.max_metric_drop,
        compression.sure,
        compression.max_class_drop,
    )


def _targets(candidates: Candidates | OnFolds) -> Answers:
    """The right answers."""
    measuring = candidates.measuring
    assert measuring.read_search is not None
    return Answers(measuring.read_search().targets, measuring.read_validation().targets)


def check_refitted(candidates: Candidates, made: Artifact, compression: Compression | None) -> None:
    """Holds what was made of a refitted model against the limits, as its file is another than the one that was weighed.

    Raises SteelyardError where it is over one (reason GateFailed).
    """
    limits = Limits.of(compression)
    cost = candidates.cost_of(made) if limits.need_costs else None
    latency, memory = (cost.latency_microseconds, cost.memory_bytes) if cost else (0.0, None)
    if excess := limits.exceeded(made.bytes, latency, memory):
        raise SteelyardError(
            f"the refitted model is over a limit of spec.compression, so nothing was published: {told_of(excess)}",
            reason=Reason.GATE_FAILED,
            exit_code=ExitCode.GATE_FAILED,
        )


def class_drops(candidates: Candidates, most: float) -> ClassDrops:
    """What each finished candidate loses of each class's recall on the validation set; `most` is what one may lose."""
    classes, targets = candidates.measuring.classes, np.asarray(candidates.measuring.read_validation().targets)

    def recalls(answers: Answers) -> dict[str, float]:
        hits = answers.validation.argmax(axis=1) == targets
        there = [targets == index for index in range(len(classes or ()))]
        return {label: float(hits[rows].mean()) for label, rows in zip(classes or (), there, strict=True) if rows.any()}

    baseline, found = candidates.answers(BASELINE), {}
    for name in candidates.recipes:
        answers = None if name == BASELINE or baseline is None else candidates.answers(name)
        if answers is not None and baseline is not None and answers.are_finite:
            before, after = recalls(baseline), recalls(answers)
            found[name] = {label: before[label] - after[label] for label in before}
    return ClassDrops(most, found)


def prove(candidates: Candidates | OnFolds, primary: Measure, confidence: float, compression: Compression) -> Proof:
    """What the rows say of each finished candidate's loss; one candidate's answers at a time are in memory."""
    measuring, baseline = candidates.measuring, candidates.answers(BASELINE)
    assert baseline is not None
    targets = _targets(candidates)

    def bounds(measure: Measure, answers: Answers) -> Bounds:
        search = bound(measure, targets.search, baseline.search, answers.search, confidence, measuring.classes)
        held = targets.validation, baseline.validation, answers.validation
        return Bounds(search, bound(measure, *held, confidence, measuring.classes))

    def of_classes(answers: Answers) -> dict[str, Bounds]:
        labels = [] if compression.max_class_drop is None else measuring.classes or []
        return {label: bounds(Measure("recall", label), answers) for label in labels}

    tested = {}
    for name in candidates.recipes:
        answers = None if name == BASELINE else candidates.answers(name)
        if answers is not None and answers.are_finite:
            tested[name] = replace(bounds(primary, answers), classes=of_classes(answers))
    return Proof(
        confidence,
        bounds(primary, baseline).validation,
        tested,
        compression.on_too_few_rows or "Point",
        math.inf if compression.max_class_drop is None else compression.max_class_drop,
        {label: each.validation for label, each in of_classes(baseline).items()},
        folds=len(candidates.folds) if isinstance(candidates, OnFolds) else 0,
    )


def baseline_name(spec: TrainingJobSpec) -> str:
    """What the model without compression is called."""
    return spec.capabilities.family.baseline_form
