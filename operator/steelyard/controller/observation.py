"""What the operator sees of a job's children: facts drawn from the bodies that the API server sends. Pure.

Imports the contract and the controller's names only.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from steelyard.contract.stages import EndKind, Result, StageName
from steelyard.controller.names import BEFORE_PROGRAMS, CONTAINER, JOB_LABEL, STAGE_LABEL

_LONGEST_REASON = 256
"""What the status has room for."""
_LONGEST_WORDS = 600
_INDEX_LABEL = "batch.kubernetes.io/job-completion-index"


Outcome: TypeAlias = Literal["Running", "Complete", "Failed"]


@dataclass(frozen=True, slots=True)
class StageJob:
    """The Job of a stage."""

    namespace: str
    name: str
    uid: str
    resource_version: str = field(compare=False)
    """Two that differ in it alone say the same."""
    job: str
    """The name of the TrainingJob that it belongs to."""
    stage: StageName
    owner_uid: str
    is_going: bool
    """Whether it was deleted and is not yet gone."""
    outcome: Outcome
    reason: str
    """The Job controller's, where it has failed."""
    message: str
    failed: int
    """How many of its pods have failed; ignored ones are not counted by the Job controller."""
    is_suspended: bool = False
    """Whether it is to have no pods for now."""

    @property
    def owner_key(self) -> tuple[str, str]:
        """Namespace and name of the job that it belongs to."""
        return (self.namespace, self.job)

    @classmethod
    def of(cls, body: dict[str, Any]) -> "StageJob | None":
        """None for a Job that is no stage's."""
        labels = body["metadata"].get("labels") or {}
        stage, job = labels.get(STAGE_LABEL), labels.get(JOB_LABEL)
        if job is None or stage not in ("prepare", "train", "finish"):
            return None
        return cls.of_stage(body, job, stage)

    @classmethod
    def of_stage(cls, body: dict[str, Any], job: str, stage: StageName) -> "StageJob":
        """A Job of which it is known whose it is."""
        metadata, status = body["metadata"], body.get("status") or {}
        outcome, reason, message = outcome_of(status)
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            resource_version=metadata.get("resourceVersion", ""),
            job=job,
            stage=stage,
            owner_uid=controller_uid(metadata),
            is_going="deletionTimestamp" in metadata,
            outcome=outcome,
            reason=reason,
            message=message,
            failed=int(status.get("failed") or 0),
            is_suspended=bool((body.get("spec") or {}).get("suspend")),
        )


@dataclass(frozen=True)
class Pod:
    """A pod of a stage."""

    name: str
    uid: str
    worker: int
    """Its index among the stage's workers."""
    phase: str
    """Pending, Running, Succeeded or Failed."""
    exit_code: int | None
    """Of the trainer, where it has ended."""
    result: Result | None
    """The document that the trainer left."""
    finished_at: datetime | None
    deleted_at: datetime | None
    """When it was to be gone, where it was deleted."""
    is_disrupted: bool
    """Whether Kubernetes says that the node, an eviction or a drain ended it."""
    disruption: str
    """Kubernetes' words for that."""
    waiting_reason: str
    """What keeps it from running, as the scheduler or the kubelet calls it; empty where nothing is known."""
    waiting_message: str
    is_out_of_memory: bool
    """Whether the kernel killed the container for its memory limit."""
    last_words: str = ""
    """What the kubelet kept of a program that left no document: what it, or the system that could not start it, said
    last."""

    @property
    def was_interrupted(self) -> bool:
        """Whether it ended before its work was done, through no fault of the work's."""
        if self.phase != "Failed":
            return False
        return self.is_disrupted or (self.exit_code is not None and EndKind.of(self.exit_code) is EndKind.INTERRUPTED)

    @classmethod
    def of(cls, body: dict[str, Any]) -> "Pod":
        """From a pod's body."""
        metadata, status = body["metadata"], body.get("status") or {}
        conditions = {condition["type"]: condition for condition in status.get("conditions") or ()}
        disrupted = conditions.get("DisruptionTarget", {})
        container = _container_state(status)
        terminated = container.get("terminated") or {}
        result, said = _result_of(terminated.get("message", "")), terminated.get("message", "")
        waiting_reason, waiting_message = _what_it_waits_for(conditions, container)
        return cls(
            name=metadata["name"],
            uid=metadata["uid"],
            worker=_index_of(metadata.get("labels") or {}),
            phase=status.get("phase", "Pending"),
            exit_code=terminated.get("exitCode"),
            result=result,
            finished_at=time_of(terminated.get("finishedAt")),
            deleted_at=time_of(metadata.get("deletionTimestamp")),
            is_disrupted=disrupted.get("status") == "True",
            disruption=disrupted.get("message", ""),
            waiting_reason=waiting_reason,
            waiting_message=waiting_message,
            is_out_of_memory=terminated.get("reason") == "OOMKilled",
            last_words="" if result is not None else " ".join(said.split())[-_LONGEST_WORDS:],
        )


def condition_of(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The condition of a type; empty where there is none."""
    return next((each for each in status.get("conditions") or () if each.get("type") == kind), {})


def is_true(status: Mapping[str, Any], kind: str) -> bool:
    """Whether the condition of a type is True."""
    return condition_of(status, kind).get("status") == "True"


def outcome_of(status: Mapping[str, Any]) -> tuple[Outcome, str, str]:
    """How a Job, or a job of ours, stands: whether it has ended and how, the reason of that, and the message."""
    for condition in status.get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return condition["type"], condition.get("reason", ""), condition.get("message", "")
    return "Running", "", ""


def controller_uid(metadata: dict[str, Any]) -> str:
    """The uid of the object that controls this one; empty where none does."""
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            return str(reference["uid"])
    return ""


def time_of(text: str | None) -> datetime | None:
    """An RFC 3339 time of the API server's; in a status that somebody has edited, 't' and 'z' are allowed as well."""
    return datetime.fromisoformat(text.upper()) if text else None


def text_of(time: datetime) -> str:
    """As the API server writes a time: RFC 3339, whole seconds, UTC."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _index_of(labels: dict[str, str]) -> int:
    """0 too where somebody else has written a label that is no index."""
    index = labels.get(_INDEX_LABEL, "")
    return int(index) if index.isdecimal() else 0


def _container_state(status: dict[str, Any]) -> dict[str, Any]:
    """How the trainer stands, or what runs in its place; before it has begun, one of those before it that has failed,
    or waits for something."""
    state: dict[str, Any]
    for container in status.get("initContainerStatuses") or ():
        state = container.get("state") or {}
        has_failed = (state.get("terminated") or {}).get("exitCode", 0) != 0
        if container["name"] not in BEFORE_PROGRAMS:
            continue
        if has_failed or (state.get("waiting") or {}).get("reason", "") not in _ON_ITS_WAY:
            return state
    for container in status.get("containerStatuses") or ():
        if container["name"] == CONTAINER:
            state = container.get("state") or {}
            return state
    return {}


# The kubelet's words for a container on its way; everything else that it waits for is a problem.
_ON_ITS_WAY = frozenset({"ContainerCreating", "PodInitializing", ""})


def _what_it_waits_for(conditions: dict[str, Any], container: dict[str, Any]) -> tuple[str, str]:
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return scheduled.get("reason") or "Unschedulable", scheduled.get("message", "")
    waiting = container.get("waiting") or {}
    if (reason := waiting.get("reason", "")) not in _ON_ITS_WAY:
        return reason, waiting.get("message", "")
    return "", ""


def _result_of(message: str) -> Result | None:
    """The result document in a termination message; None for anything else: a container may leave what it likes."""
    try:
        result = Result.from_json(json.loads(message, parse_constant=_refuse_constant))
    except (ValueError, TypeError, RecursionError):
        return None
    return result if len(result.reason) <= _LONGEST_REASON else None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
