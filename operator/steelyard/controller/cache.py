"""The latest that the watches said of each object. Imports the controller's observation only.

A body that is older than the one that is kept is passed over: answers to our own writes come before their echoes.
"""

from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from steelyard.api.contract import StageName
from steelyard.controller.draft import is_terminal
from steelyard.controller.observation import StageJob

Key: TypeAlias = tuple[str, str]
"""Namespace and name of a TrainingJob."""


@dataclass
class Cache:
    """TrainingJobs that are not over, and the Jobs of stages."""

    _jobs: dict[Key, dict[str, Any]] = field(default_factory=dict)
    _stage_jobs: dict[Key, dict[str, StageJob]] = field(default_factory=dict)

    def put_job(self, body: dict[str, Any]) -> Key | None:
        """Takes a TrainingJob's body, and gives its key where that is news; one that is over is forgotten, since
        nothing is to be done about it."""
        metadata = body["metadata"]
        # Half of a body, and of no use here.
        metadata.pop("managedFields", None)
        key = (metadata["namespace"], metadata["name"])
        known = self._jobs.get(key)
        if known is not None and not is_newer(metadata, known["metadata"]):
            return None
        if is_terminal(body.get("status") or {}) or "deletionTimestamp" in metadata:
            self._jobs.pop(key, None)
        else:
            self._jobs[key] = body
        return key

    def drop_job(self, namespace: str, name: str, uid: str) -> None:
        """Forgets a TrainingJob that is gone, but not its successor of the same name."""
        known = self._jobs.get((namespace, name))
        if known is not None and known["metadata"]["uid"] == uid:
            del self._jobs[namespace, name]

    def job(self, key: Key) -> dict[str, Any] | None:
        """A TrainingJob that is not over."""
        return self._jobs.get(key)

    def all_keys(self) -> list[Key]:
        """All TrainingJobs that are not over."""
        return list(self._jobs)

    def put_stage_job(self, stage_job: StageJob) -> Key | None:
        """Takes a stage's Job, and gives the key of its TrainingJob where it says anything new. Most changes of a Job
        are of its pods' number, which nobody here asks for."""
        key = (stage_job.namespace, stage_job.job)
        siblings = self._stage_jobs.setdefault(key, {})
        known = siblings.get(stage_job.name)
        if (
            known is not None
            and known.uid == stage_job.uid
            and is_lower(stage_job.resource_version, known.resource_version)
        ):
            return None
        siblings[stage_job.name] = stage_job
        is_same = known is not None and replace(known, resource_version=stage_job.resource_version) == stage_job
        return None if is_same else key

    def drop_stage_job(self, stage_job: StageJob) -> Key:
        """Forgets a stage's Job that is gone, but not its successor of the same name."""
        key = (stage_job.namespace, stage_job.job)
        siblings = self._stage_jobs.get(key, {})
        known = siblings.get(stage_job.name)
        if known is not None and known.uid == stage_job.uid:
            del siblings[stage_job.name]
        if not siblings:
            self._stage_jobs.pop(key, None)
        return key

    def stage_jobs(self, key: Key, uid: str) -> dict[StageName, StageJob]:
        """The Jobs that the TrainingJob of this uid controls, by stage."""
        return {job.stage: job for job in self._stage_jobs.get(key, {}).values() if job.owner_uid == uid}


def is_newer(metadata: dict[str, Any], than: dict[str, Any]) -> bool:
    """Whether one of two bodies' metadata is of another object, or of a later version of the same."""
    version, known = metadata.get("resourceVersion"), than.get("resourceVersion")
    return metadata["uid"] != than["uid"] or (version != known and not is_lower(version, known))


def is_lower(version: str | None, than: str | None) -> bool:
    """Resource versions of one kind can be compared as numbers (KEP-5504); what is none is taken as new."""
    try:
        return int(version or "") < int(than or "")
    except ValueError:
        return False
