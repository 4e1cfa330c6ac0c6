"""The metrics: one table, from which all else is derived that depends on which metrics there are. Imports the standard
library only.

A metric that is new here needs a way to compute it (`steelyard_trainer.evaluation.formulas`), its standard error
(`sampling`), a name in `Metric` and a line in docs/metrics.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Task = Literal["Classification", "Regression"]
Goal = Literal["Maximize", "Minimize"]
Reads = Literal["Labels", "Ranking", "Probabilities", "Numbers"]
"""What a metric is computed from, beside the targets: the class that each row is given, the order in which the rows
come by their probability of a class, all probabilities, or the number that each row is given."""
Metric = Literal[
    "accuracy",
    "macroF1",
    "logLoss",
    "rocAuc",
    "averagePrecision",
    "balancedAccuracy",
    "precision",
    "recall",
    "f1",
    "r2",
    "rmse",
    "mae",
    "mape",
    "medianAe",
]


@dataclass(frozen=True)
class MetricInfo:
    """What there is to know of a metric."""

    task: Task
    reads: Reads
    goal: Goal
    """Which values are better."""
    meaning: str
    """What it says, for the model card."""
    is_at_most_one: bool = False
    is_in_target_unit: bool = False
    """Whether a budget of it is a share of its value, as an absolute one would depend on the target's unit."""
    of_sums: bool = False
    """Whether a network tells it after each epoch from the sums that it computes anyway; all others need the outputs of
    all validation rows."""
    takes_label: bool = False
    """Whether it may be of one class."""
    is_basic: bool = False
    """Whether it is told everywhere; the others where they are asked for, and of the published model."""
    label_meaning: str = ""
    """What it says of one class."""


METRICS: Mapping[Metric, MetricInfo] = {
    "accuracy": MetricInfo(
        "Classification",
        "Labels",
        "Maximize",
        "fraction of rows with the right label",
        is_at_most_one=True,
        of_sums=True,
        is_basic=True,
    ),
    "macroF1": MetricInfo(
        "Classification", "Labels", "Maximize", "F1, averaged over the classes", is_at_most_one=True, is_basic=True
    ),
    "logLoss": MetricInfo(
        "Classification",
        "Probabilities",
        "Minimize",
        "mean negative log of the right class's probability; less is better",
        of_sums=True,
        is_basic=True,
    ),
    "rocAuc": MetricInfo(
        "Classification",
        "Ranking",
        "Maximize",
        "how often a row of a class is ranked above a row of the others, averaged over the classes; 0.5 is chance",
        is_at_most_one=True,
        takes_label=True,
        label_meaning="how often a row of this class is ranked above a row of the others; 0.5 is chance",
    ),
    "averagePrecision": MetricInfo(
        "Classification",
        "Ranking",
        "Maximize",
        "area under precision over recall: of the second of two classes, averaged over more",
        is_at_most_one=True,
        takes_label=True,
        label_meaning="area under precision over recall of this class",
    ),
    "balancedAccuracy": MetricInfo(
        "Classification",
        "Labels",
        "Maximize",
        "recall, averaged over the classes that the rows have",
        is_at_most_one=True,
    ),
    "precision": MetricInfo(
        "Classification",
        "Labels",
        "Maximize",
        "of the rows that are given a class, the fraction that has it, averaged over the classes",
        is_at_most_one=True,
        takes_label=True,
        label_meaning="of the rows that are given this class, the fraction that has it",
    ),
    "recall": MetricInfo(
        "Classification",
        "Labels",
        "Maximize",
        "of the rows of a class, the fraction that is given it, averaged over the classes",
        is_at_most_one=True,
        takes_label=True,
        label_meaning="of the rows of this class, the fraction that is given it",
    ),
    "f1": MetricInfo(
        "Classification",
        "Labels",
        "Maximize",
        "harmonic mean of precision and recall, averaged over the classes; the same as macroF1",
        is_at_most_one=True,
        takes_label=True,
        label_meaning="harmonic mean of precision and recall of this class",
    ),
    "r2": MetricInfo(
        "Regression",
        "Numbers",
        "Maximize",
        "fraction of the variance that is explained",
        is_at_most_one=True,
        of_sums=True,
        is_basic=True,
    ),
    "rmse": MetricInfo(
        "Regression",
        "Numbers",
        "Minimize",
        "root of the mean squared error, in the target's unit; less is better",
        is_in_target_unit=True,
        of_sums=True,
        is_basic=True,
    ),
    "mae": MetricInfo(
        "Regression",
        "Numbers",
        "Minimize",
        "mean absolute error, in the target's unit; less is better",
        is_in_target_unit=True,
        of_sums=True,
        is_basic=True,
    ),
    "mape": MetricInfo(
        "Regression", "Numbers", "Minimize", "mean absolute error as a share of the target (0.1 is 10%); less is better"
    ),
    "medianAe": MetricInfo(
        "Regression",
        "Numbers",
        "Minimize",
        "median absolute error, in the target's unit; less is better",
        is_in_target_unit=True,
    ),
}

DEFAULT_METRIC: Mapping[Task, Metric] = {"Classification": "accuracy", "Regression": "r2"}
"""What decides where the manifest names no metric."""
TASKS: tuple[Task, ...] = ("Classification", "Regression")
METRICS_OF_TASK: Mapping[Task, tuple[Metric, ...]] = {
    task: tuple(name for name, info in METRICS.items() if info.task == task) for task in TASKS
}
AT_MOST_ONE = frozenset(name for name, info in METRICS.items() if info.is_at_most_one)
GOAL_OF_METRIC: Mapping[Metric, Goal] = {name: info.goal for name, info in METRICS.items()}
OF_SUMS: tuple[Metric, ...] = tuple(name for name, info in METRICS.items() if info.of_sums)
OF_LABELS: tuple[Metric, ...] = tuple(name for name, info in METRICS.items() if info.takes_label)


@dataclass(frozen=True)
class Measure:
    """A metric, of one class where it has a label."""

    metric: Metric
    label: str | None = None

    @property
    def info(self) -> MetricInfo:
        """What there is to know of the metric."""
        return METRICS[self.metric]

    @property
    def name(self) -> str:
        """What it is called in tables and documents, such as `f1` or `f1[yes]`."""
        return self.metric if self.label is None else f"{self.metric}[{self.label}]"

    @property
    def meaning(self) -> str:
        """What it says."""
        return self.info.meaning if self.label is None else self.info.label_meaning

    def loss(self, value: float, reference: float) -> float:
        """How much worse a value is than another, below 0 where it is better: of a metric in the target's unit as a
        share of the other value, of all others the difference."""
        difference = reference - value if self.info.goal == "Maximize" else value - reference
        if self.info.is_in_target_unit:
            return difference / max(abs(reference), _LEAST_REFERENCE)
        return difference


_LEAST_REFERENCE = 1e-12
"""An error of 0 can't be divided by: what any growth of it is a share of."""


def measure_named(name: str) -> Measure:
    """The measure of a `Measure.name`. Raises ValueError where it is none's."""
    metric, bracket, label = name.partition("[")
    for known in METRICS:
        if known == metric and (not bracket or label.endswith("]")):
            return Measure(known, label[:-1] if bracket else None)
    raise ValueError(f"{name!r:.200} is no metric")


def basic_measures(task: Task) -> list[Measure]:
    """What is told everywhere."""
    return [Measure(name) for name in METRICS_OF_TASK[task] if METRICS[name].is_basic]


def all_measures(task: Task) -> list[Measure]:
    """Each metric of a task once: `f1` over all classes is `macroF1` again."""
    return [Measure(name) for name in METRICS_OF_TASK[task] if name != "f1"]


def unique(measures: list[Measure]) -> list[Measure]:
    """Each of them once, in order."""
    return list(dict.fromkeys(measures))
