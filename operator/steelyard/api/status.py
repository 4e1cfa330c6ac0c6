"""`status`: what the operator says of a TrainingJob, in figures for programs and in short texts for the columns of
`kubectl get`. Imports the api only."""

from typing import Annotated, Literal

from pydantic import Field

from steelyard.api.base import Part

ConditionType = Literal[
    "Waiting", "Prepared", "Trained", "Evaluated", "Compressed", "Published", "Suspended", "Complete", "Failed"
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
    """None (float32), DynamicRange, Float16, Int8."""
    bytes: Count | None = None
    """The size of the model file."""
    metric: float | None = None
    """Its metric on the validation part."""
    drop: float | None = None
    """What it loses against float32 there; below 0 where it gains."""
    latency_microseconds: float | None = None
    """The median time of one row."""
    within_budget: bool | None = None
    """Whether the loss is within compression.maxMetricDrop."""


class MetricStatus(Part):
    """A metric of the chosen model on the test part."""

    value: float
    """Its value."""
    standard_error: float | None = None
    """The standard error of that value."""


class ModelStatus(Part):
    """The model that came out."""

    chosen: ShortText | None = None
    """The candidate that was chosen."""
    bytes: Count | None = None
    """The size of its file."""
    baseline_bytes: Count | None = None
    """The size of the float32 model's file."""
    metric: ShortText | None = None
    """The metric that the weighing went by."""
    metrics: Annotated[dict[ShortText, MetricStatus], Field(max_length=32)] | None = None
    """The chosen model's metrics on the test part."""
    metric_drop: float | None = None
    """What the choice lost of the metric on the validation part."""
    digest: Digest | None = None
    """The digest of the published folder (SHA-256 of its SHA256SUMS)."""
    published: Annotated[list[Annotated[str, Field(max_length=2048)]], Field(max_length=8)] | None = None
    """Where it lies."""
    candidates: Annotated[list[CandidateStatus], Field(max_length=32)] | None = None
    """All weighed candidates."""


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
    """When the operator began. From then on the spec can't change."""
    completion_time: Timestamp | None = None
    """When the job was Complete or Failed."""
    trainer_image: Annotated[str, Field(max_length=512)] | None = None
    """The image of all stages, as it was when the job began."""
    disruptions: Count | None = None
    """How many pods of all stages were lost, evicted or ended with "try again"; runPolicy.disruptionLimit bounds it."""
    last_disruption_time: Timestamp | None = None
    """When the last of them ended."""
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
