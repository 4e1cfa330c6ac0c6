"""A job's conditions: what is true of it, since when and why. Pure functions. Imports the api only."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from steelyard.api.status import ConditionType
from steelyard.api.training_job import TrainingJob
from steelyard.contract.stages import StageName


@dataclass(frozen=True)
class Condition:
    """One thing that is, or is not, true of a job."""

    type: ConditionType
    status: Literal["True", "False"]
    reason: str
    """For a program to switch on."""
    message: str
    """For a person to act on."""
    last_transition_time: str
    """When the status last changed, as RFC 3339."""

    def to_json(self) -> dict[str, Any]:
        """The condition as Kubernetes spells one."""
        document = asdict(self)
        document["lastTransitionTime"] = document.pop("last_transition_time")
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Condition":
        """Raises TypeError or KeyError where the document is no condition."""
        # The CRD allows it, for writers that keep it; it is not kept here.
        fields = {name: value for name, value in document.items() if name != "observedGeneration"}
        return cls(last_transition_time=fields.pop("lastTransitionTime"), **fields)


Conditions = tuple[Condition, ...]


def types_of_stage(stage: StageName, job: TrainingJob) -> tuple[ConditionType, ...]:
    """What becomes true when a stage succeeds, first to last."""
    match stage:
        case "prepare":
            return ("Prepared",)
        case "train" if job.spec.has_finish:
            return ("Trained",)
        case "train":
            return ("Trained", "Evaluated")
        case "finish" if job.spec.compression is not None:
            return ("Evaluated", "Compressed", "Published")
        case "finish":
            return ("Evaluated", "Published")


def set_condition(conditions: Iterable[Condition], new: Condition) -> Conditions:
    """The conditions with one put in place of that of the same type; its time stays where the status does."""
    kept = []
    for old in conditions:
        if old.type != new.type:
            kept.append(old)
        elif old.status == new.status:
            new = replace(new, last_transition_time=old.last_transition_time)
    return (*kept, new)


def after_start(conditions: Iterable[Condition]) -> Conditions:
    """The conditions when a job is run again: how it ended before is no longer its end."""
    return tuple(condition for condition in conditions if condition.type not in ("Complete", "Failed"))


def after_redo(conditions: Conditions, stages: Sequence[StageName], job: TrainingJob, why: str, now: str) -> Conditions:
    """The conditions when stages that were done are done again: what they had made true no longer is."""
    undone = {type for stage in stages for type in types_of_stage(stage, job)}
    for type in sorted({old.type for old in conditions if old.status == "True"} & undone):
        conditions = set_condition(conditions, Condition(type, "False", "DoneAgain", why, now))
    return conditions


def after_success(
    conditions: Conditions, stage: StageName, job: TrainingJob, reason: str, message: str, now: str
) -> Conditions:
    """The conditions when a stage succeeded."""
    for type in types_of_stage(stage, job):
        conditions = set_condition(conditions, Condition(type, "True", reason, message, now))
    return conditions


def after_failure(
    conditions: Conditions, stage: StageName, job: TrainingJob, reason: str, message: str, now: str
) -> Conditions:
    """The conditions when a stage, and with it the job, failed."""
    first = types_of_stage(stage, job)[0]
    conditions = set_condition(conditions, Condition(first, "False", reason, message, now))
    return set_condition(conditions, Condition("Failed", "True", reason, message, now))


def after_all(conditions: Conditions, reason: str, message: str, now: str) -> Conditions:
    """The conditions when the whole job is done."""
    return set_condition(conditions, Condition("Complete", "True", reason, message, now))
