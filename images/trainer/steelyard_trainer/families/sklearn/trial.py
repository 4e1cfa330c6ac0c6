"""A trial of a search: a model's score on the validation set or on folds, given up where it is hopeless.

Imports scikit-learn, steelyard.api, the rule of pruning and the prepared data.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from steelyard.api.errors import DataError
from steelyard.api.metrics import Measure
from steelyard.api.training_job import TrainingJobSpec
from steelyard.api.trial import Trial
from steelyard.contract.stages import Reason
from steelyard.contract.trial_report import TrialReport, short_error
from steelyard.serving.preprocessing import Preprocessing
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.data.splitting import SplitName
from steelyard_trainer.evaluation.metrics import Figure, Figures, evaluate
from steelyard_trainer.evaluation.pruning import should_stop
from steelyard_trainer.families.sklearn.build import Estimator, build_estimator, form_of
from steelyard_trainer.families.sklearn.cross_validation import Folds, score_fold
from steelyard_trainer.families.sklearn.features import Form, LabelledRows, Matrix, Table, categories_of
from steelyard_trainer.families.sklearn.fitting import fit
from steelyard_trainer.families.sklearn.scores import finite, outputs_of

Tell = Callable[[Sequence[tuple[int, float]]], None]
"""Is told the folds that are done, and their scores."""


@dataclass
class Rows:
    """The rows of a prepared dataset, each part read once."""

    dataset: PreparedDataset
    _parts: dict[SplitName, Table] = field(default_factory=dict)
    _folds: dict[int, Folds] = field(default_factory=dict)
    _preprocessing: dict[Form, Preprocessing] = field(default_factory=dict)

    def part(self, split: SplitName) -> Table:
        """The rows of a part, in its order."""
        if split not in self._parts:
            self._parts[split] = Table.read(self.dataset, [split])
        return self._parts[split]

    @cached_property
    def all_learned(self) -> Table:
        """All rows but the test set's, in the source's order."""
        return Table.read(self.dataset, self.dataset.learned(is_refit=True))

    def folds(self, count: int) -> Folds:
        """The same, dealt to so many folds. Raises ConfigurationError where there are too few rows."""
        if count not in self._folds:
            dataset = self.dataset
            self._folds[count] = Folds(self.all_learned, count, dataset.missing_values, dataset.preprocessing)
        return self._folds[count]

    def preprocessing(self, spec: TrainingJobSpec) -> Preprocessing:
        """What turns raw rows into the model's features, learned from the training set."""
        form = form_of(spec)
        if form not in self._preprocessing:
            dataset = self.dataset
            keeps_gaps = dataset.missing_values.strategy != "Constant"
            learned = self.part("train").taken_as(form, dataset.preprocessing, keeps_gaps=keeps_gaps)
            self._preprocessing[form] = learned
        return self._preprocessing[form]

    def features(self, table: Table, spec: TrainingJobSpec) -> Matrix:
        """Rows as the model takes them. Raises DataError where a cell is missing that nothing fills."""
        return table.features(self.preprocessing(spec))

    def labelled(self, table: Table, spec: TrainingJobSpec) -> LabelledRows:
        """The same with what the model should say. Raises DataError as `features` does."""
        return LabelledRows(self.features(table, spec), table.targets)

    def load(self, folds: int) -> None:
        """Reads what a trial with so many folds, or with none, needs. Raises ConfigurationError as `folds` does."""
        if folds:
            self.folds(folds)
        else:
            self.part("train")
            self.part("validation")

    @property
    def classes(self) -> int | None:
        """Classification: how many there are."""
        return None if self.dataset.classes is None else len(self.dataset.classes)


@dataclass(frozen=True)
class Answered:
    """What a trial found out."""

    report: TrialReport
    message: str
    model: Estimator | None
    """Fitted on the training set; None after cross-validation."""


def run_trial(spec: TrainingJobSpec, rows: Rows, tell: Tell) -> Answered:
    """Runs a trial.

    Args:
        spec: of a job that is a trial.
        rows: the data.
        tell: is told of each fold.

    Raises:
        ConfigurationError: the settings do not go with the rows.
        DataError: a score is not a finite number.
    """
    trial = spec.trial
    assert trial is not None
    began = time.monotonic()
    if spec.evaluation.cross_validation is not None:
        return _on_folds(spec, trial, rows, tell, began)
    model = fit_on(rows.part("train"), spec, rows)
    secondary: float | None = None
    if trial.secondary is None:
        figure = score_in(judge(model, spec, rows, "validation", [trial.measure]), trial.measure)
    else:
        figure, secondary = _compressed(model, spec, trial, rows)
    report = replace(validation_report(trial, figure, time.monotonic() - began), secondary=secondary)
    return Answered(report, f"{trial.measure.name} {figure.value:.6g} on the validation set", model)


def _compressed(model: Estimator, spec: TrainingJobSpec, trial: Trial, rows: Rows) -> tuple[Figure, float]:
    """Both objectives of the candidate that would be published: its metric on the validation set, and its cost."""
    # Brings ONNX, which a trial with one objective does not need.
    from steelyard_trainer.families.sklearn.compression import compressed_estimator_cost

    measured = compressed_estimator_cost(model, spec, rows.dataset, lambda part: rows.labelled(rows.part(part), spec))
    assert measured.figures is not None
    cost = float(measured.bytes) if trial.secondary == "Size" else measured.latency_microseconds
    return score_in(measured.figures, trial.measure), cost


def _on_folds(spec: TrainingJobSpec, trial: Trial, rows: Rows, tell: Tell, began: float) -> Answered:
    assert spec.evaluation.cross_validation is not None
    folds = rows.folds(spec.evaluation.cross_validation.folds)
    steps: list[tuple[int, float]] = []
    for index in range(folds.count):
        steps.append((index + 1, score_fold(spec, folds, index, [trial.measure])[trial.measure.name]))
        tell(steps)
        if should_stop(trial, steps):
            return Answered(fold_report(trial, steps, time.monotonic() - began, is_pruned=True), _gave_up(steps), None)
    secondary: float | None = None
    if trial.secondary is not None:
        # The folds' models are none that anybody would publish.
        _, secondary = _compressed(fit_on(rows.part("train"), spec, rows), spec, trial, rows)
    report = replace(fold_report(trial, steps, time.monotonic() - began), secondary=secondary)
    return Answered(report, f"{trial.measure.name} {report.value:.6g}, the mean over {folds.count} folds", None)


def _gave_up(steps: Sequence[tuple[int, float]]) -> str:
    return f"gave up after fold {len(steps)}, as it could not become the best"


def validation_report(trial: Trial, figure: Figure, seconds: float) -> TrialReport:
    """The report of a trial by the validation set."""
    error = short_error(figure.standard_error)
    return TrialReport(trial.number, "Complete", figure.value, seconds=seconds, standard_error=error)


def fold_report(
    trial: Trial, steps: Sequence[tuple[int, float]], seconds: float, *, is_pruned: bool = False
) -> TrialReport:
    """The report of a trial by its folds: the mean of what there is, as GridSearchCV computes it."""
    value = float(np.average([score for _, score in steps]))
    return TrialReport(trial.number, "Pruned" if is_pruned else "Complete", value, tuple(steps), seconds=seconds)


def fit_on(
    table: Table, spec: TrainingJobSpec, rows: Rows, *, threads: int = 1, tell: Callable[[str], None] = lambda _: None
) -> Estimator:
    """A model that is fitted on rows as the prepared dataset's preprocessing makes them.

    Raises ConfigurationError as `fit` does.
    """
    names = rows.preprocessing(spec).feature_names if spec.model.entrypoint else ()
    estimator = build_estimator(spec, rows.dataset.task, rows.dataset.classes, threads=threads, names=names)
    features = rows.features(table, spec)
    fit(estimator, spec, features, table.targets, tell, categories=categories_of(rows.preprocessing(spec)))
    # Several threads would add up a forest's answers in any order.
    in_threads = [name for name in estimator.get_params() if name.rpartition("__")[2] == "n_jobs"]
    estimator.set_params(**dict.fromkeys(in_threads))
    return estimator


def judge(
    model: Estimator, spec: TrainingJobSpec, rows: Rows, split: SplitName, measures: Sequence[Measure]
) -> Figures:
    """A model's figures on a part, as a published model's. Raises DataError where an output is not finite."""
    table = rows.part(split)
    features = rows.features(table, spec)
    return figures_of(outputs_of(model, features, rows.classes), rows, split, measures)


def score_in(figures: Figures, measure: Measure) -> Figure:
    """A trial's score on the validation set. Raises DataError where it is no number."""
    finite(measure, figures[measure.name].value, "the validation set")
    return figures[measure.name]


def figures_of(outputs: Matrix, rows: Rows, split: SplitName, measures: Sequence[Measure]) -> Figures:
    """The figures of what a model says of a part. Raises DataError where an output is not finite."""
    figures = evaluate(rows.dataset.task, rows.part(split).targets, outputs, measures, rows.dataset.classes)
    if figures is None:
        raise DataError(f"the model's outputs on the {split} set are not finite numbers", reason=Reason.LOSS_NOT_FINITE)
    return figures
