"""`spec.trial`: what a TuningJob asks of one of its TrainingJobs. Imports the api only.

A trial decides itself when it is hopeless, by limits that were fixed when it was asked: so it stops at once, wherever
it runs, and at the same step however fast anybody reads its log.
"""

from typing import Annotated, Literal

from pydantic import Field

from steelyard.api.base import Part
from steelyard.api.outcome import Metric

Goal = Literal["Maximize", "Minimize"]
SecondObjective = Literal["Size", "Latency"]

MOST_REPORTS = 64
"""Steps of one trial whose values are kept."""


class Limit(Part):
    """The worst value of a step with which a trial goes on."""

    step: Annotated[int, Field(ge=1, le=100000)]
    """An epoch, or a fold, from 1."""
    value: float
    """A trial whose value at that step is worse ends there, pruned."""


class PairedLimit(Part):
    """A bound on the difference to the best trial on the same folds: after each fold from `graceFolds` on, the trial
    ends where mean + margin x deviation / sqrt(folds) of the differences is still worse than 0."""

    best: Annotated[list[float], Field(min_length=1, max_length=20)]
    """The best trial's value of each fold."""
    grace_folds: Annotated[int, Field(ge=1, le=20)] = 2
    """Folds that every trial is given."""
    margin: Annotated[float, Field(ge=0, le=100)] = 2.0
    """How many standard errors of the mean difference it may still catch up."""
    floor: Annotated[float, Field(ge=0, le=1e12)] = 0.0
    """The least deviation that is reckoned with: that of two folds may be 0 by chance."""


class Trial(Part):
    """What a TuningJob asks of one of its TrainingJobs. Written by Steelyard; a job of one's own has no need of it."""

    tuning_job: Annotated[str, Field(min_length=1, max_length=64)]
    """The TuningJob's name."""
    number: Annotated[int, Field(ge=0, le=10**6)]
    """The question that it answers, from 0."""
    metric: Metric
    """What it reports: of the validation part, or, with evaluation.crossValidation, the mean over the folds."""
    goal: Goal
    """Which values are better."""
    second: SecondObjective | None = None
    """Reported as well: the size (bytes) or latency (microseconds a row) of the compressed model."""
    report_steps: Annotated[list[Annotated[int, Field(ge=1, le=100000)]], Field(max_length=MOST_REPORTS)] = []
    """Epochs whose values are reported. Of folds all are."""
    limits: Annotated[list[Limit], Field(max_length=MOST_REPORTS)] = []
    """When it gives up."""
    paired_limit: PairedLimit | None = None
    """When it gives up between folds."""


class Trained(Part):
    """A model that another job has trained on the same prepared dataset."""

    uri: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    """The folder `trained` of that job's workspace: pvc://CLAIM/PATH; locally a path, too. Needed unless refit."""
    refit: bool = False
    """False: the model is taken as it is. True: only the choice of the compression is made with it, on its own
    validation part (without uri: with one that is trained for it); then the model is trained anew on the training and
    validation parts together."""
