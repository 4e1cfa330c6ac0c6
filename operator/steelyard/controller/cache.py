"""The latest that the watches said of each object. Imports the controller's observation, due times and finished jobs.

A body that is older than the one that is kept is passed over: answers to our own writes come before their echoes.

Of a job that is over a few words are kept and of its Jobs nothing, in whatever order they are listed: so thousands of
finished jobs cost next to nothing.
"""

from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from steelyard.contract.stages import StageName
from steelyard.controller.due_times import DueTimes
from steelyard.controller.finished import Finished, is_over
from steelyard.controller.observation import StageJob

Key: TypeAlias = tuple[str, str]
"""Namespace and name of a TrainingJob."""
DueKey: TypeAlias = tuple[str, str, str]
"""The plural of a job's kind, its namespace and its name."""


@dataclass
class Cache:
    """TrainingJobs, and the Jobs of stages of those that are not over."""

    _jobs: dict[Key, dict[str, Any]] = field(default_factory=dict)
    _finished: dict[Key, Finished] = field(default_factory=dict)
    _stage_jobs: dict[Key, dict[str, StageJob]] = field(default_factory=dict)
    due: DueTimes[DueKey] = field(default_factory=DueTimes)
    """When something is to be done about what is over."""

    def put_job(self, body: dict[str, Any]) -> Key | None:
        """Takes a TrainingJob's body, and gives its key where that is news. Nothing is to be done about one that is
        over: only `Finished` is kept of it, and its Jobs are forgotten. An edit after the end is to be answered."""
        metadata = body["metadata"]
        # Half of a body, and of no use here.
        metadata.pop("managedFields", None)
        key = (metadata["namespace"], metadata["name"])
        if not is_news(metadata, self._jobs.get(key), self._finished.get(key)):
            return None
        if is_over(body) or "deletionTimestamp" in metadata:
            self._jobs.pop(key, None)
            finished = self._finished[key] = Finished.of(body)
            self.due.put(("trainingjobs", *key), finished.due)
            self._forget_stage_jobs(key, metadata["uid"])
        else:
            self._finished.pop(key, None)
            self.due.put(("trainingjobs", *key), None)
            self._jobs[key] = body
        return key

    def drop_job(self, namespace: str, name: str, uid: str) -> None:
        """Forgets a TrainingJob that is gone, but not its successor of the same name."""
        key = (namespace, name)
        known = self._jobs.get(key)
        if known is not None and known["metadata"]["uid"] == uid:
            del self._jobs[key]
        if is_of(self._finished.get(key), uid):
            del self._finished[key]
            self.due.put(("trainingjobs", *key), None)

    def job(self, key: Key) -> dict[str, Any] | None:
        """A TrainingJob that is not over, or was edited since."""
        return self._jobs.get(key)

    def jobs_in(self, namespace: str) -> list[dict[str, Any]]:
        """The TrainingJobs of a namespace that are not over."""
        return [body for key, body in self._jobs.items() if key[0] == namespace]

    def all_keys(self) -> list[Key]:
        """All TrainingJobs that are not over, or were edited since."""
        return list(self._jobs)

    def put_stage_job(self, stage_job: StageJob) -> Key | None:
        """Takes a stage's Job, and gives the key of its TrainingJob where it says anything new. Most changes of a Job
        are of its pods' number, which nobody here asks for; and nobody asks for those of a TrainingJob that is over."""
        key = (stage_job.namespace, stage_job.job)
        if is_of(self._finished.get(key), stage_job.owner_uid):
            return None
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
        """The Jobs that the TrainingJob of this uid controls, by stage; none where it is over."""
        return {job.stage: job for job in self._stage_jobs.get(key, {}).values() if job.owner_uid == uid}

    def _forget_stage_jobs(self, key: Key, uid: str) -> None:
        siblings = self._stage_jobs.pop(key, {})
        if others := {name: job for name, job in siblings.items() if job.owner_uid != uid}:
            self._stage_jobs[key] = others


def is_news(metadata: dict[str, Any], known: dict[str, Any] | None, finished: Finished | None) -> bool:
    """Whether a job's metadata is of another object than is kept, or of a later version of the same.

    Args:
        metadata: of the body that has come.
        known: the body that is kept, where the job is not over.
        finished: what is kept of it, where it is.
    """
    if known is not None:
        finished = Finished(known["metadata"]["uid"], known["metadata"].get("resourceVersion"))
    if finished is None or metadata["uid"] != finished.uid:
        return True
    version = metadata.get("resourceVersion")
    return version != finished.resource_version and not is_lower(version, finished.resource_version)


def is_of(finished: Finished | None, owner_uid: str) -> bool:
    """Whether it is the end of just this owner, not of another one of the same name."""
    return finished is not None and finished.uid == owner_uid


def is_lower(version: str | None, than: str | None) -> bool:
    """Resource versions of one kind can be compared as numbers (KEP-5504); what is none is taken as new."""
    try:
        return int(version or "") < int(than or "")
    except ValueError:
        return False
