"""`status` of a TuningJob: how the search stands, and its log, which is its memory. Imports the api only."""

from typing import Annotated, Literal

from pydantic import Field

from steelyard.api.base import Part
from steelyard.api.status import Count, Message, ModelStatus, ShortText, Timestamp

TuningConditionType = Literal[
    "Prepared", "Searched", "Published", "Suspended", "Complete", "Failed", "WorkspaceRemoved"
]
TuningPhase = Literal["Pending", "Preparing", "Searching", "Finishing", "Suspended", "Complete", "Failed"]

LogLine = Annotated[str, Field(max_length=4096)]
"""An entry of the log, as `Entry.encode` writes it."""

MOST_ENTRIES = 10_000


class TuningCondition(Part):
    """One thing that is, or is not, true of the search."""

    type: TuningConditionType
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
    """The generation of the search that it was said of."""


class TrialCounts(Part):
    """How many trials there are, by how they stand."""

    created: Count = 0
    """Trials that were created; the sum of the others."""
    running: Count = 0
    """Trials that run or wait for room."""
    complete: Count = 0
    """Trials that ran to their end."""
    pruned: Count = 0
    """Trials that were given up before their end."""
    failed: Count = 0
    """Trials that failed; spec.maxFailedTrials bounds them."""
    repeated: Count = 0
    """Trials whose values an earlier trial had already; its result is theirs."""


class BestTrial(Part):
    """The best trial so far; of several equal ones the first."""

    trial: Count
    """Its number, from 0."""
    value: float
    """Its value of the objective."""
    secondary: float | None = None
    """Its value of the secondary objective: bytes, or microseconds a row."""
    epoch: Count | None = None
    """Its best epoch."""
    parameters: Annotated[
        dict[Annotated[str, Field(max_length=256)], Annotated[str, Field(max_length=4096)]], Field(max_length=64)
    ] = {}
    """Its values, by the parameters' paths, each as JSON."""


class TuningJobStatus(Part):
    """How the search stands. Written by the operator only."""

    observed_generation: Count | None = None
    """The generation of the search that this was said of."""
    phase: TuningPhase | None = None
    """Pending, Preparing (the data), Searching, Finishing (compressing and publishing the best), Suspended, Complete or
    Failed."""
    progress: ShortText | None = None
    """Finished trials of all, such as `12/30`."""
    metric: ShortText | None = None
    """The best value so far, such as `accuracy 0.981`."""
    size: ShortText | None = None
    """The published model's size, such as `94 kB`."""
    start_time: Timestamp | None = None
    """When the operator began. From then on only maxTrials, runPolicy and template.workspace.retain can change."""
    completion_time: Timestamp | None = None
    """When the search was Complete or Failed."""
    seconds_left: Annotated[float, Field(ge=0)] | None = None
    """About how long the rest of the trials will take, by those that are done."""
    active_since: Timestamp | None = None
    """Since when the search has not been suspended; none while it is."""
    active_seconds: Annotated[float, Field(ge=0)] = 0.0
    """Seconds that it had run before that: maxMinutes and activeDeadlineSeconds do not count suspended time."""
    trainer_image: Annotated[str, Field(max_length=512)] | None = None
    """The image of all trials, as it was when the search began."""
    packed: bool | None = None
    """Whether one pod works off many trials, where placement is Auto and that is decided."""
    trials: TrialCounts = TrialCounts()
    """How many trials there are."""
    best: BestTrial | None = None
    """The best trial so far."""
    front: Annotated[list[Count], Field(max_length=MOST_ENTRIES)] = []
    """With a secondary objective: the numbers of the trials that no other beats in both, best first."""
    exhausted_at: Count | None = None
    """The number of the first trial for which no combination was left."""
    prior: Annotated[list[LogLine], Field(max_length=MOST_ENTRIES)] = []
    """The log of the search that spec.warmStart names, as it was when this one began."""
    log: Annotated[list[LogLine], Field(max_length=MOST_ENTRIES)] = []
    """The finished trials, a line of JSON each, by number; `steelyard trials NAME` shows them."""
    conditions: Annotated[
        list[TuningCondition],
        Field(
            max_length=16, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
        ),
    ] = []
    """What is true of the search. With a larger maxTrials, what is Complete goes on."""
    model: ModelStatus | None = None
    """The published model."""
