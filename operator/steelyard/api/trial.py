"""`spec.trial`: what a TuningJob asks of one of its TrainingJobs. Imports the api only.

A trial decides itself when it is hopeless, by limits that were fixed when it was created: so it stops at once, wherever
it runs, and at the same step however fast anybody reads its log.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from steelyard.api.base import Part, refuse
from steelyard.api.evaluation import Label, check_label
from steelyard.api.metrics import Goal, Measure, Metric
from steelyard.api.place_fields import check_place
from steelyard.contract.log_values import MOST_NUMBER

SecondaryObjective = Literal["Size", "Latency"]
ModelFormat = Literal["Keras", "SavedModel", "Skops"]
"""In which a model from elsewhere lies."""
MOST_REPORTS = 64
"""Steps of one trial whose values are kept."""


class Limit(Part):
    """The worst value of a step with which a trial goes on."""

    step: Annotated[int, Field(ge=1, le=100000)]
    """An epoch, or a fold, from 1."""
    value: float
    """A trial whose value at that step is worse ends there, pruned."""


class PairedLimit(Part):
    """A bound on the difference to the best trial on the same folds: after each fold from `graceFolds` on but the last,
    the trial ends where mean + margin x deviation x sqrt(1 / folds so far - 1 / all folds) of the differences is still
    worse than 0. The root is what part of a fold's deviation the mean over all folds may still move by."""

    best: Annotated[list[float], Field(min_length=1, max_length=20)]
    """The best trial's value of each fold."""
    grace_folds: Annotated[int, Field(ge=1, le=20)] = 2
    """Folds that every trial is given."""
    margin: Annotated[float, Field(ge=0, le=100)] = 2.0
    """How many standard deviations of what the mean difference may still move by it may catch up."""
    floor: Annotated[float, Field(ge=0)] = 0.0
    """The least deviation that is reckoned with, that of the known trials' differences: what two folds say of it may be
    0 by chance."""


class Trial(Part):
    """What a TuningJob asks of one of its TrainingJobs. Written by Steelyard; a job of one's own has no need of it."""

    tuning_job: Annotated[str, Field(min_length=1, max_length=64)]
    """The TuningJob's name."""
    number: Annotated[int, Field(ge=0, le=MOST_NUMBER)]
    """The trial's number, from 0."""
    metric: Metric
    """What it reports: of the validation set, or, with evaluation.crossValidation, the mean over the folds."""
    label: Label | None = None
    """The class that the metric is of; left out, all of them."""
    goal: Goal
    """Which values are better."""
    secondary: SecondaryObjective | None = None
    """Reported as well: the size (bytes) or latency (microseconds a row) of the compressed model."""
    report_steps: Annotated[list[Annotated[int, Field(ge=1, le=100000)]], Field(max_length=MOST_REPORTS)] = []
    """Epochs whose values are reported. Of folds all are."""
    limits: Annotated[list[Limit], Field(max_length=MOST_REPORTS)] = []
    """When it gives up."""
    paired_limit: PairedLimit | None = None
    """When it gives up between folds."""
    to_beat: float | None = None
    """The best value that was known when it was created: a trial that is no better will not be the best, and leaves no
    model."""

    @property
    def measure(self) -> Measure:
        """What it reports."""
        return Measure(self.metric, self.label)

    @model_validator(mode="after")
    def _label_fits_metric(self) -> Self:
        check_label(self.metric, self.label)
        return self


class Trained(Part):
    """A model that another job has trained on the same prepared dataset; with format: one from elsewhere."""

    uri: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    """The folder `trained` of that job's workspace: pvc://CLAIM/PATH; locally a path, too. Only scikit-learn's models
    that are refitted do without. With format: the model's file."""
    format: ModelFormat | None = None
    """Keras, SavedModel, Skops: uri is a .keras file, a folder, a skops file of a model that was trained elsewhere;
    spec.model is left out then, and the job prepares its dataset itself. Left out: uri is of another job."""
    refit: bool = False
    """False: the model is taken as it is. True: only the choice of the compression is made with it, on its own
    validation set (without uri: with one that is trained for it, of scikit-learn's models); then the model is trained
    anew on the training and validation sets together."""
    epochs: Annotated[int, Field(ge=1, le=100000)] | None = None
    """refit, of networks: trains for the first so many of training.epochs, as there is no validation set left that
    could tell the best one. Default: all of them."""

    @model_validator(mode="after")
    def _is_a_model(self) -> Self:
        if self.uri is None and not self.refit:
            raise refuse("uri", "the model that is taken as it is must be named; or say refit: true")
        if self.format is not None and self.refit:
            raise refuse("refit", "a model from elsewhere (format) is taken as it is; leave this out")
        if self.epochs is not None and not self.refit:
            raise refuse(
                "epochs", "a model that is taken as it is has its epochs behind it; epochs go with refit: true"
            )
        if self.uri is not None:
            check_place("uri", self.uri)
        return self
