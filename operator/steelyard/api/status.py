"""`status`: what the operator says of a TrainingJob, in figures for programs and in short texts for the columns of
`kubectl get`. Imports the api only."""

from typing import Annotated, Literal, Self

from pydantic import Field

from steelyard.api.base import Part
from steelyard.api.trial import MOST_REPORTS
from steelyard.contract.trial_report import TrialReport

ConditionType = Literal[
    "Waiting",
    "Prepared",
    "Trained",
    "Evaluated",
    "Compressed",
    "Published",
    "Suspended",
    "Complete",
    "Failed",
    "WorkspaceRemoved",
]
Phase = Literal["Pending", "Waiting", "Preparing", "Training", "Finishing", "Suspended", "Complete", "Failed"]

Timestamp = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]
Count = Annotated[int, Field(ge=0, le=2**53)]
ShortText = Annotated[str, Field(max_length=256)]
Message = Annotated[str, Field(max_length=32768)]
Digest = Annotated[str, Field(max_length=128)]


class StatusCondition(Part):
    """One thing that is, or is not, true of the job."""

    type: ConditionType
    """What it is about."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: ShortText
    """Why, for a program to switch on."""
    message: Message
    """Why, for a person to act on."""
    last_transition_time: Timestamp
    """When the status last changed."""
    observed_generation: Count | None = None
    """The generation of the job that it was said of."""


class StageStatus(Part):
    """How one stage stands."""

    name: Literal["prepare", "train", "finish"]
    """The stage."""
    key: Digest
    """The digest of the stage's inputs."""
    workers: Count
    """How many pods it has."""
    start_time: Timestamp | None = None
    """When its Job was made."""
    completion_time: Timestamp | None = None
    """When its result was read."""
    done: Count | None = None
    """How far it is, in `unit`."""
    total: Count | None = None
    """How much there is to do, in `unit`."""
    unit: ShortText | None = None
    """What done and total count: rows, epochs, candidates."""
    values: Annotated[dict[ShortText, float], Field(max_length=32)] | None = None
    """The latest figures, such as val_loss and val_accuracy."""
    message: Message | None = None
    """How it ended."""
    restarts: Count | None = None
    """How often the training went on from a checkpoint."""


class CandidateStatus(Part):
    """A weighed candidate."""

    name: ShortText
    """As compression.candidates lists it; Baseline is the model as it was trained."""
    bytes: Count | None = None
    """The size of the model file."""
    metric: float | None = None
    """Its metric on the validation set."""
    drop: float | None = None
    """What it loses against Baseline there; below 0 where it gains."""
    drop_at_most: float | None = None
    """What it loses at most, with compression.confidence."""
    latency_microseconds: float | None = None
    """The median time of one row."""
    within_budget: bool | None = None
    """Whether it is accepted: the loss, or what it is at most, is within compression.maxMetricDrop."""
    over_limit: bool | None = None
    """Whether it is over compression.maxSizeBytes, maxLatencyMicroseconds or maxMemoryBytes; left out where not."""


class MetricStatus(Part):
    """A metric of the chosen model on the test set."""

    value: float
    """Its value."""
    standard_error: float | None = None
    """The standard error of that value."""


class NaiveStatus(Part):
    """A model that says the same of every row: the commonest label of the training set, or its mean."""

    label: ShortText | None = None
    """Classification: what it says."""
    mean: float | None = None
    """Regression: what it says."""
    value: float
    """Its value of the metric, on the test set."""


class ModelStatus(Part):
    """The model that came out."""

    chosen: ShortText | None = None
    """The candidate that was chosen."""
    bytes: Count | None = None
    """The size of its file."""
    baseline: ShortText | None = None
    """What the model without compression (candidate Baseline) is called: float32, or, of scikit-learn's, skops."""
    baseline_bytes: Count | None = None
    """The size of its file."""
    metric: ShortText | None = None
    """The metric that the weighing went by."""
    metrics: Annotated[dict[ShortText, MetricStatus], Field(max_length=32)] | None = None
    """The chosen model's metrics on the test set."""
    naive: NaiveStatus | None = None
    """What a model achieves that ignores the features."""
    doubts: Annotated[list[Annotated[str, Field(max_length=1024)]], Field(max_length=16)] | None = None
    """What makes the metrics doubtful."""
    metric_drop: float | None = None
    """What the choice lost of the metric on the validation set."""
    proved: bool | None = None
    """Whether the choice is proved to lose no more than compression.maxMetricDrop; absent where nothing was to be
    proved."""
    proof: Annotated[str, Field(max_length=1024)] | None = None
    """What was proved, or why nothing was."""
    searched: Annotated[str, Field(max_length=1024)] | None = None
    """compression.candidates [Auto]: how much was trained, and why the search ended."""
    digest: Digest | None = None
    """The digest of the published folder (SHA-256 of its SHA256SUMS)."""
    published: Annotated[list[Annotated[str, Field(max_length=2048)]], Field(max_length=8)] | None = None
    """Where it lies."""
    weighed: Count | None = None
    """How many candidates were weighed, where not all are shown; steelyard.json has all."""
    candidates: Annotated[list[CandidateStatus], Field(max_length=32)] | None = None
    """The weighed candidates; of more than 8 the chosen one, Baseline and the best of the others."""


class StepStatus(Part):
    """What a trial said at one step."""

    step: Count
    """An epoch, or a fold, from 1."""
    value: float
    """The objective there."""


class TrialStatus(Part):
    """The result of a trial."""

    number: Count
    """The trial's number, from 0."""
    state: Literal["Complete", "Pruned", "Failed"]
    """Pruned: it was given up before its end, as it could not become the best."""
    value: float | None = None
    """The objective; where it was pruned, that of the step at which it ended."""
    standard_error: float | None = None
    """The objective's standard error on the validation set; left out where there are folds."""
    secondary: float | None = None
    """The secondary objective: bytes, or microseconds a row."""
    epoch: Count | None = None
    """The best epoch, where the model has epochs."""
    seconds: Annotated[float, Field(ge=0)] = 0.0
    """How long it took."""
    steps: Annotated[list[StepStatus], Field(max_length=MOST_REPORTS)] = []
    """The values of the epochs that were to be reported, or of all folds, in order."""
    reason: Message | None = None
    """Failed: why."""

    @classmethod
    def of(cls, report: TrialReport) -> Self:
        """A report as a status shows it. Raises ValidationError where it is none of a trial that ran."""
        steps = [{"step": step, "value": value} for step, value in report.steps]
        return cls.model_validate(
            {**vars(report), "steps": steps, "reason": report.reason or None}, by_name=True, by_alias=False
        )

    @property
    def report(self) -> TrialReport:
        """The report that `of` was given, bit for bit."""
        return TrialReport(
            number=self.number,
            state=self.state,
            value=self.value,
            steps=tuple((step.step, step.value) for step in self.steps),
            secondary=self.secondary,
            epoch=self.epoch,
            seconds=self.seconds,
            reason=self.reason or "",
            standard_error=self.standard_error,
        )


class TrainingJobStatus(Part):
    """How the job stands. Written by the operator only."""

    observed_generation: Count | None = None
    """The generation of the job that this was said of."""
    phase: Phase | None = None
    """Pending, Waiting (for what may still appear or free itself), Preparing, Training, Finishing, Suspended, Complete
    or Failed."""
    progress: ShortText | None = None
    """How far the job is, such as `train 7/10`."""
    metric: ShortText | None = None
    """The best figure so far, such as `accuracy 0.972`."""
    size: ShortText | None = None
    """The published model's size, such as `94 kB`."""
    start_time: Timestamp | None = None
    """When the operator began. From then on most of the spec can't change."""
    completion_time: Timestamp | None = None
    """When the job was Complete or Failed."""
    trainer_image: Annotated[str, Field(max_length=512)] | None = None
    """The image of all stages, as it was when the job began."""
    disruptions: Count | None = None
    """How many pods of all stages were lost, evicted or ended with "try again"; runPolicy.disruptionLimit bounds it."""
    last_disruption_time: Timestamp | None = None
    """When the last of them ended."""
    suspended_seconds: Count | None = None
    """For how long the job was suspended so far, a pause that still lasts aside; it does not count against
    runPolicy.activeDeadlineSeconds."""
    waiting_since: Timestamp | None = None
    """Since when the job waits for something; runPolicy.startTimeoutSeconds counts from here."""
    stages: Annotated[
        list[StageStatus],
        Field(
            max_length=3, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        ),
    ] = []
    """The stages that began, in their order."""
    conditions: Annotated[
        list[StatusCondition],
        Field(
            max_length=16, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
        ),
    ] = []
    """What is true of the job. Complete and Failed are final."""
    model: ModelStatus | None = None
    """The model that came out."""
    trial: TrialStatus | None = None
    """The result of the job, where it is a trial of a TuningJob."""
