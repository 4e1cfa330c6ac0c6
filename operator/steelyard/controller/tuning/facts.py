"""What the operator sees of a search's children: small facts drawn from the bodies that the API server sends. Pure.

Imports the search, the api and the controller's names and observation only.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import ValidationError

from steelyard.api.status import TrialStatus
from steelyard.contract.stages import StageName
from steelyard.contract.trial_report import TrialReport
from steelyard.controller.names import (
    PACK_STAGE,
    SEARCH_ANNOTATION,
    STAGE_KEY_ANNOTATION,
    STAGE_LABEL,
    TRIALS_ANNOTATION,
    TUNING_LABEL,
)
from steelyard.controller.observation import Outcome, StageJob, controller_uid, outcome_of
from steelyard.search.log import Values


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A trial's number and the values of its parameters."""

    number: int
    values: Values
    seen: tuple[int, ...] | None = None
    """The numbers of the answers that it was asked with, where the search is asynchronous."""

    def to_json(self) -> list[Any]:
        """JSON values."""
        return [self.number, self.values, None if self.seen is None else list(self.seen)]


def suggestions_text(suggestions: Sequence[Suggestion]) -> str:
    """What TRIALS_ANNOTATION holds."""
    document = [suggestion.to_json() for suggestion in suggestions]
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def suggestions_of(metadata: dict[str, Any]) -> tuple[Suggestion, ...]:
    """What a child answers; nothing where it says nothing that can be understood: somebody may have edited it."""
    try:
        document = json.loads((metadata.get("annotations") or {}).get(TRIALS_ANNOTATION) or "[]")
        return tuple(
            Suggestion(int(number), dict(values), None if seen is None else tuple(map(int, seen)))
            for number, values, seen in document
        )
    except (ValueError, TypeError, RecursionError):
        return ()


@dataclass(frozen=True, slots=True)
class Child:
    """A TrainingJob of a search: the one that prepares the data, a trial, or the one that publishes the best model."""

    namespace: str
    name: str
    uid: str
    resource_version: str = field(compare=False)
    """Two that differ in it alone say the same."""
    tuning_job: str
    """The name of the TuningJob that it belongs to."""
    owner_uid: str
    suggestion: Suggestion | None
    """What it answers, where it is a trial."""
    search: str
    """The ConfigMap with the search whose best model it publishes; empty for all others."""
    outcome: Outcome
    reason: str
    """Of its end."""
    message: str
    report: TrialReport | None
    """What it answered."""
    model: dict[str, Any] | None
    """status.model, where it publishes one."""
    size: str
    """status.size."""
    is_suspended: bool
    """Whether it is to pause."""
    is_going: bool
    """Whether it was deleted and is not yet gone."""

    @property
    def owner_key(self) -> tuple[str, str]:
        """Namespace and name of its TuningJob."""
        return (self.namespace, self.tuning_job)

    @classmethod
    def of(cls, body: dict[str, Any]) -> "Child | None":
        """None for a TrainingJob that is no TuningJob's."""
        metadata, status = body["metadata"], body.get("status") or {}
        tuning_job = (metadata.get("labels") or {}).get(TUNING_LABEL)
        owner = controller_uid(metadata)
        if not tuning_job or not owner:
            return None
        outcome, reason, message = outcome_of(status)
        spec = body.get("spec") or {}
        suggestions = suggestions_of(metadata)
        search = (metadata.get("annotations") or {}).get(SEARCH_ANNOTATION, "")
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            resource_version=metadata.get("resourceVersion", ""),
            tuning_job=tuning_job,
            owner_uid=owner,
            suggestion=suggestions[0] if suggestions else None,
            search=search,
            outcome=outcome,
            reason=reason,
            message=message,
            report=_report_of(status.get("trial")),
            model=status.get("model") if search else None,
            size=status.get("size", "") if search else "",
            is_suspended=bool((spec.get("runPolicy") or {}).get("suspend")),
            is_going="deletionTimestamp" in metadata,
        )


def _report_of(status: Any) -> TrialReport | None:
    try:
        return TrialStatus.model_validate(status).report if status else None
    except ValidationError:
        return None


@dataclass(frozen=True, slots=True)
class Pack:
    """The Job of a pack: one pod that works off many trials."""

    job: StageJob
    key: str
    """What its result document is to name."""
    suggestions: tuple[Suggestion, ...]
    is_suspended: bool

    @property
    def name(self) -> str:
        """The Job's."""
        return self.job.name

    @property
    def uid(self) -> str:
        """The Job's."""
        return self.job.uid

    @property
    def resource_version(self) -> str:
        """The Job's."""
        return self.job.resource_version

    @property
    def owner_key(self) -> tuple[str, str]:
        """Namespace and name of its TuningJob."""
        return self.job.owner_key

    @property
    def owner_uid(self) -> str:
        """Of its TuningJob."""
        return self.job.owner_uid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.job.outcome == "Running"

    @classmethod
    def of(cls, body: dict[str, Any]) -> "Pack | None":
        """None for a Job that is no pack's."""
        metadata = body["metadata"]
        labels = metadata.get("labels") or {}
        tuning_job = labels.get(TUNING_LABEL)
        if labels.get(STAGE_LABEL) != PACK_STAGE or not tuning_job:
            return None
        job = StageJob.of_stage(body, tuning_job, cast(StageName, PACK_STAGE))
        key = (metadata.get("annotations") or {}).get(STAGE_KEY_ANNOTATION, "")
        return cls(job, key, suggestions_of(metadata), job.is_suspended)
