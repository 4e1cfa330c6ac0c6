"""What is kept of a job of either kind that is over. Pure; imports the controller's policies, names, observation and
draft."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from steelyard.controller.names import workspace_claim_name
from steelyard.controller.observation import controller_uid, time_of
from steelyard.controller.policies import retention, time_to_live
from steelyard.controller.runtime.draft import is_terminal


@dataclass(frozen=True, slots=True)
class Finished:
    """What is kept of a job that is over, or on its way out: there may be thousands."""

    uid: str
    resource_version: str | None
    remove_at: datetime | None = None
    """When the job goes (runPolicy.ttlSecondsAfterFinished)."""
    release_at: datetime | None = None
    """When its workspace goes (workspace.retain)."""

    @property
    def due(self) -> datetime | None:
        """When something is to be done about it."""
        times = [time for time in (self.remove_at, self.release_at) if time is not None]
        return min(times, default=None)

    @classmethod
    def of(cls, body: dict[str, Any]) -> "Finished":
        """From the body of a TrainingJob or a TuningJob."""
        metadata, spec, status = body["metadata"], body.get("spec"), body.get("status") or {}
        uid, version = metadata["uid"], metadata.get("resourceVersion")
        if "deletionTimestamp" in metadata or not isinstance(spec, Mapping) or not is_over(body):
            # What somebody else's finalizer holds is not removed again.
            return cls(uid, version)
        ended = time_of(status.get("completionTime"))
        # The jobs of a search go with it.
        remove_at = None if controller_uid(metadata) else time_to_live.removal_time(spec, ended)
        claim = workspace_claim_name(metadata["name"])
        release_at = retention.release_time(job_spec(spec), status, ended, claim)
        return cls(uid, version, remove_at, release_at)


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
