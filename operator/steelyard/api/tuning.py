"""The parts of a TuningJob that describe a search: objective, parameters, algorithm, pruning. Imports the api only."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from steelyard.api.base import Part, refuse
from steelyard.api.evaluation import Label, check_label
from steelyard.api.metrics import GOAL_OF_METRIC, Goal, Measure, Metric
from steelyard.api.trial import SecondaryObjective

AlgorithmName = Literal["Grid", "Random", "TPE", "GP", "CMA-ES", "QMC", "NSGA-II"]
PruningName = Literal["Median", "SuccessiveHalving", "Hyperband", "PairedFolds"]
ParameterType = Literal["Double", "Int", "Categorical"]

FieldPath = Annotated[str, Field(min_length=1, max_length=256)]
Choice = Annotated[Any, Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True, "nullable": True})]
"""Any value that the path's field takes: a number, a text, true, null, a list, a map."""

# Which algorithm has which of the settings that not all of them have.
ALGORITHM_SETTINGS: dict[str, tuple[str, ...]] = {
    "Grid": (),
    "Random": (),
    "TPE": ("startup_trials",),
    "GP": ("startup_trials",),
    "CMA-ES": ("population_size",),
    "QMC": (),
    "NSGA-II": ("population_size",),
}
ONE_OBJECTIVE = ("GP", "CMA-ES")
"""The algorithms that can't search for a front."""
NO_CONDITIONS = ("GP", "CMA-ES", "QMC")
"""They draw all parameters at once; Optuna's would draw the others at random and say nothing of it."""
EPOCH_PRUNING: frozenset[PruningName] = frozenset({"Median", "SuccessiveHalving", "Hyperband"})
"""The rules that look at epochs; PairedFolds looks at folds."""
PRUNING_SETTINGS: dict[str, tuple[str, ...]] = {
    "Median": ("grace_epochs", "every_epochs", "startup_trials"),
    "SuccessiveHalving": ("grace_epochs", "reduction_factor"),
    "Hyperband": ("grace_epochs", "reduction_factor"),
    "PairedFolds": ("grace_folds", "margin"),
}


class Objective(Part):
    """What is searched for. The test set has no say in it: it judges the published model, once."""

    given_metric: Metric | None = Field(default=None, alias="metric")
    """Of the validation set; with template.evaluation.crossValidation the mean over the folds. Default: that of
    template.evaluation, with its label."""
    label: Label | None = None
    """Of rocAuc, averagePrecision, precision, recall and f1: the class that the metric is of, as it is written in the
    data (in quotes where it is a number). Default: all classes, averaged."""
    goal: Goal | None = None
    """Maximize or Minimize. Default: what is better of the metric; only that is allowed."""
    target: float | None = None
    """A value that is good enough: the search ends when a trial reaches it."""
    secondary: SecondaryObjective | None = None
    """A secondary objective, to be as small as can be: the size (bytes) or latency (microseconds a row) of the trial's
    compressed model. The search then finds a front: trials that no other beats in both."""

    @property
    def metric(self) -> Metric:
        """What is searched for, given or not: a search without it is refused."""
        assert self.given_metric is not None, "TuningJobSpec fills it in"
        return self.given_metric

    @property
    def measure(self) -> Measure:
        """The metric with its label."""
        return Measure(self.metric, self.label)

    @property
    def name(self) -> str:
        """What the metric is called in tables."""
        return self.measure.name

    @property
    def direction(self) -> Goal:
        """The goal, given or not."""
        return self.goal or GOAL_OF_METRIC[self.metric]

    @model_validator(mode="before")
    @classmethod
    def _leaves_the_test_part(cls, given: Any) -> Any:
        metric = given.get("metric") if isinstance(given, dict) else None
        if isinstance(metric, str) and metric.lower().startswith("test"):
            raise refuse(
                "metric",
                "'{metric}' is of the test set, which judges the published model, once, and has no say in a search; "
                "allowed, each of the validation set: {allowed}",
                metric=metric,
                allowed=", ".join(GOAL_OF_METRIC),
            )
        return given

    @model_validator(mode="after")
    def _goal_fits_metric(self) -> Self:
        check_label(self.given_metric, self.label)
        if self.given_metric is not None and self.goal not in (None, GOAL_OF_METRIC[self.metric]):
            raise refuse(
                "goal",
                "{goal} would search for the worst model: of {metric} {better} is better; allowed: {allowed}",
                goal=self.goal,
                metric=self.metric,
                better="more" if GOAL_OF_METRIC[self.metric] == "Maximize" else "less",
                allowed=GOAL_OF_METRIC[self.metric],
            )
        return self


class ParameterCondition(Part):
    """A parameter exists only where another one has one of some values."""

    path: FieldPath
    """The other parameter's path."""
    values: Annotated[list[Choice], Field(min_length=1, max_length=256)]
    """The values of the other one with which this one exists."""


class Parameter(Part):
    """One dimension of the search: a field of the template and the values that it may take."""

    path: FieldPath
    """A field of spec.template below model or training, such as training.optimizer.learningRate or
    model.randomForest.maxDepth; list items by their index, from 0."""
    type: ParameterType
    """Double, Int (from min to max, both included), or Categorical (one of values)."""
    min: float | None = None
    """Double, Int: the least value."""
    max: float | None = None
    """Double, Int: the largest value."""
    step: Annotated[float, Field(gt=0)] | None = None
    """Double, Int: only min, min + step, min + 2 step ... are taken. Default: any number; Int: 1."""
    log: bool = False
    """Double, Int: whether factors count and not differences: 0.001 to 0.01 is as far as 0.01 to 0.1."""
    values: Annotated[list[Choice], Field(min_length=1, max_length=256)] | None = None
    """Categorical: the values, of any type that the field takes; null leaves the field out."""
    when: ParameterCondition | None = None
    """The condition under which the parameter exists; left out, it always does. Where it does not, the template's own
    value stays."""

    @model_validator(mode="after")
    def _range_fits_type(self) -> Self:
        if self.type == "Categorical":
            for field, given in (("min", self.min), ("max", self.max), ("step", self.step)):
                if given is not None:
                    raise refuse(field, "a Categorical parameter has values, no {field}")
            if self.log:
                raise refuse("log", "a Categorical parameter has values, no log")
            if self.values is None:
                raise refuse("values", "a Categorical parameter needs values, such as [16, 32, 64]")
            for index, value in enumerate(self.values):
                if any(same_value(value, earlier) for earlier in self.values[:index]):
                    raise refuse(f"values[{index}]", "{value} is given twice", value=repr(value))
            return self
        if self.values is not None:
            raise refuse("values", "{type} has min and max; values are for Categorical", type=self.type)
        if self.min is None or self.max is None:
            raise refuse("min" if self.min is None else "max", "{type} needs min and max", type=self.type)
        if self.min > self.max:
            raise refuse("min", "the range is reversed: {low} is above the max {high}", **self._shown)
        if self.min == self.max:
            raise refuse("min", "the range is empty: min and max are both {low}", **self._shown)
        if self.log and self.min <= 0:
            raise refuse("min", "log needs a min above 0, but it is {low}", **self._shown)
        if self.type == "Int":
            for field, number in (("min", self.min), ("max", self.max), ("step", self.step)):
                if number is not None and number != int(number):
                    raise refuse(field, "{number} is not a whole number, as Int needs", number=f"{number:.15g}")
        if self.log and self.step is not None:
            raise refuse("step", "steps of equal size do not go with log; leave out one of the two")
        if self.step is not None and self.step > self.max - self.min:
            raise refuse("step", "a step of {step} does not fit between {low} and {high}", **self._shown)
        finest = max((self.max - self.min) * FINEST_STEP, max(abs(self.min), abs(self.max)) * FINEST_DIGIT)
        if self.type == "Double" and self.step is not None and self.step < finest:
            raise refuse(
                "step",
                "a step of {step} is too fine between {low} and {high}; allowed: at least {finest}, or leave it out: "
                "any number is taken then",
                finest=f"{finest:.15g}",
                **self._shown,
            )
        return self

    @property
    def _shown(self) -> dict[str, str]:
        numbers = {"low": self.min, "high": self.max, "step": self.step}
        return {name: f"{number:.15g}" for name, number in numbers.items() if number is not None}


FINEST_STEP = 1e-9
"""Of a Double, of the width of its range: the digits of a value say no more."""
FINEST_DIGIT = 1e-12
"""Of a Double, of its values: a float has 15 digits, and steps are to be told apart."""


def same_value(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same, where true is not 1 and 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


class Algorithm(Part):
    """How the values of the next trial are found. A setting that the algorithm does not have is refused."""

    name: AlgorithmName = "TPE"
    """Grid: every combination, in the order of the parameters' names, the last one's value changing fastest. Random:
    independent draws. TPE: tree-structured Parzen estimators over all parameters together (Bergstra et al., 2011).
    GP: a Gaussian process with expected improvement. CMA-ES: covariance matrix adaptation (Hansen, 2001). QMC:
    Sobol's sequence. NSGA-II: for two objectives (Deb et al., 2002)."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    """The same seed creates the same trials."""
    startup_trials: Annotated[int, Field(ge=1, le=10000)] | None = None
    """TPE, GP: trials that are drawn at random before anything is learned from results. Default: 10."""
    population_size: Annotated[int, Field(ge=2, le=1000)] | None = None
    """CMA-ES, NSGA-II: trials of a generation. Default: CMA-ES 4 + 3 ln(parameters), NSGA-II 20."""

    @model_validator(mode="after")
    def _has_only_its_own_settings(self) -> Self:
        refuse_foreign_settings(self, self.name, ALGORITHM_SETTINGS)
        return self


class Pruning(Part):
    """When a trial is given up before its end. A setting that the rule does not have is refused."""

    name: PruningName
    """Median: its value at an epoch is worse than the median of the trials before it. SuccessiveHalving: it is not
    among the best 1 / reductionFactor at a rung, and rungs are reductionFactor times as far apart each (ASHA: Li et
    al., 2018). Hyperband: several such ladders that begin at different epochs (Li et al., 2017). PairedFolds: after a
    fold, a bound on its mean difference to the best trial on the same folds says that it will not catch up."""
    grace_epochs: Annotated[int, Field(ge=1, le=100000)] | None = None
    """Median, SuccessiveHalving, Hyperband: epochs that every trial is given; the first rung. Default: a ninth of the
    epochs."""
    every_epochs: Annotated[int, Field(ge=1, le=100000)] | None = None
    """Median: epochs between two looks. Default: as many as make 10 looks."""
    startup_trials: Annotated[int, Field(ge=1, le=10000)] | None = None
    """Median: trials that must be known at that epoch. Default: 5."""
    reduction_factor: Annotated[int, Field(ge=2, le=100)] | None = None
    """SuccessiveHalving, Hyperband: one of so many goes on at each rung. Default: 3."""
    grace_folds: Annotated[int, Field(ge=1, le=20)] | None = None
    """PairedFolds: folds that every trial is given. Default: 2."""
    margin: Annotated[float, Field(ge=0, le=100)] | None = None
    """PairedFolds: how many standard deviations a trial may still catch up, of what the folds to come may move its mean
    difference by. Default: 2."""

    @model_validator(mode="after")
    def _has_only_its_own_settings(self) -> Self:
        refuse_foreign_settings(self, self.name, PRUNING_SETTINGS)
        return self


def refuse_foreign_settings(part: Part, name: str, settings: dict[str, tuple[str, ...]]) -> None:
    """Refuses settings that `name` does not have. Raises PydanticCustomError."""
    fields = type(part).model_fields
    for field in sorted({setting for own in settings.values() for setting in own} - set(settings[name])):
        if getattr(part, field) is not None:
            own = ", ".join(str(fields[setting].alias) for setting in settings[name])
            raise refuse(
                str(fields[field].alias),
                "{name} has no such setting; it has {allowed}",
                name=name,
                allowed=own or "none but its seed",
            )
