"""What is kept of a job of either kind that is over. Pure; imports the controller's policies, names, observation and
draft."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from steelyard.controller.names import workspace_claim_name
from steelyard.controller.observation import controller_uid, time_of
from steelyard.controller.policies import retention, time_to_live
from steelyard.controller.policies.base import DueTime, EndedJob
from steelyard.controller.runtime.draft import is_terminal

Removal: TypeAlias = Literal["job", "workspace"]
"""What can go of a job that is over."""

POLICIES: tuple[tuple[Removal, DueTime], ...] = (("job", time_to_live.due), ("workspace", retention.due))
"""The policies of jobs that are over, of both kinds, and what goes by each. The first whose time has come holds."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What is kept of a job that is over, or on its way out: there may be thousands."""

    uid: str
    resource_version: str | None
    removals: tuple[tuple[Removal, datetime], ...] = ()
    """What goes of it, and when."""

    @property
    def due(self) -> datetime | None:
        """When something is to be done about it."""
        return min((time for _, time in self.removals), default=None)

    def removal(self, now: datetime) -> Removal | None:
        """What is to go now."""
        return next((what for what, time in self.removals if time <= now), None)

    @classmethod
    def of(cls, body: dict[str, Any]) -> "Finished":
        """From the body of a TrainingJob or a TuningJob."""
        metadata, spec, status = body["metadata"], body.get("spec"), body.get("status") or {}
        uid, version = metadata["uid"], metadata.get("resourceVersion")
        if "deletionTimestamp" in metadata or not isinstance(spec, Mapping) or not is_over(body):
            # What somebody else's finalizer holds is not removed again.
            return cls(uid, version)
        job = EndedJob(
            spec=spec,
            job_spec=job_spec(spec),
            status=status,
            ended=time_of(status.get("completionTime")),
            claim=workspace_claim_name(metadata["name"]),
            is_owned=bool(controller_uid(metadata)),
        )
        times = ((what, due(job)) for what, due in POLICIES)
        return cls(uid, version, tuple((what, time) for what, time in times if time is not None))


def is_over(body: Mapping[str, Any]) -> bool:
    """Whether nothing is to be done about a job of either kind: it has ended, and its spec is as it was answered then.

    `kubectl wait` passes over the conditions of an older generation; where none is said, it takes them as they are."""
    status, generation = body.get("status") or {}, body["metadata"].get("generation", 1)
    return is_terminal(status) and status.get("observedGeneration", generation) == generation


def job_spec(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The spec of a TrainingJob: its own, or, of a search, that of all its jobs."""
    if "parameters" not in spec:
        return spec
    template = spec.get("template")
    return template if isinstance(template, Mapping) else {}
