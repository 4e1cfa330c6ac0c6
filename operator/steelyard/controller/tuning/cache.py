"""The latest that the watches said of searches and their children. Imports the controller's cache, finished jobs
and facts.

Of a child only small facts are kept, and of a trial whose answer is in the log nothing: so a search of a thousand
trials, and a cluster full of finished searches, cost next to nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from steelyard.controller.cache import DueKey, Key, is_lower, is_news, is_of
from steelyard.controller.due_times import DueTimes
from steelyard.controller.finished import Finished, is_over
from steelyard.controller.names import workspace_claim_name
from steelyard.controller.tuning.facts import Child, Pack


@dataclass
class TuningCache:
    """TuningJobs that are not over, or whose spec has changed since, and their children."""

    _tunings: dict[Key, dict[str, Any]] = field(default_factory=dict)
    _finished: dict[Key, Finished] = field(default_factory=dict)
    """Those that are over: nobody asks for their children."""
    _children: dict[Key, dict[str, Child]] = field(default_factory=dict)
    _packs: dict[Key, dict[str, Pack]] = field(default_factory=dict)
    due: DueTimes[DueKey] = field(default_factory=DueTimes)
    """When something is to be done about what is over."""

    def put_tuning(self, body: dict[str, Any]) -> Key | None:
        """Takes a TuningJob's body, and gives its key where that is news."""
        metadata = body["metadata"]
        metadata.pop("managedFields", None)
        key = (metadata["namespace"], metadata["name"])
        if not is_news(metadata, self._tunings.get(key), self._finished.get(key)):
            return None
        if is_over(body) or "deletionTimestamp" in metadata:
            self._tunings.pop(key, None)
            self._children.pop(key, None)
            self._packs.pop(key, None)
            finished = self._finished[key] = Finished.of(body)
            self.due.put(("tuningjobs", *key), finished.due)
        else:
            self._finished.pop(key, None)
            self.due.put(("tuningjobs", *key), None)
            self._tunings[key] = body
        return key

    def drop_tuning(self, namespace: str, name: str, uid: str) -> None:
        """Forgets a TuningJob that is gone, but not its successor of the same name."""
        key = (namespace, name)
        known = self._tunings.get(key)
        if known is not None and known["metadata"]["uid"] == uid:
            del self._tunings[key]
        if is_of(self._finished.get(key), uid):
            del self._finished[key]
            self.due.put(("tuningjobs", *key), None)
        for children in (self._children, self._packs):
            if known is None or known["metadata"]["uid"] == uid:
                children.pop(key, None)

    def tuning(self, key: Key) -> dict[str, Any] | None:
        """A TuningJob that is not over."""
        return self._tunings.get(key)

    def tunings_in(self, namespace: str) -> list[dict[str, Any]]:
        """The TuningJobs of a namespace that are not over."""
        return [body for key, body in self._tunings.items() if key[0] == namespace]

    def all_keys(self) -> list[Key]:
        """All TuningJobs that are not over."""
        return list(self._tunings)

    def put_child(self, child: Child) -> Key | None:
        """Takes what a TrainingJob says of itself, and gives the key of its TuningJob where that is news."""
        key = (child.namespace, child.tuning_job)
        if is_of(self._finished.get(key), child.owner_uid):
            return None
        siblings = self._children.setdefault(key, {})
        known = siblings.get(child.name)
        if known is not None and known.uid == child.uid and is_lower(child.resource_version, known.resource_version):
            return None
        siblings[child.name] = child
        is_same = known is not None and replace(known, resource_version=child.resource_version) == child
        return None if is_same else key

    def drop_child(self, child: Child) -> Key:
        """Forgets a TrainingJob that is gone, but not its successor of the same name."""
        key = (child.namespace, child.tuning_job)
        siblings = self._children.get(key, {})
        known = siblings.get(child.name)
        if known is not None and known.uid == child.uid:
            del siblings[child.name]
        if not siblings:
            self._children.pop(key, None)
        return key

    def drop_answered(self, key: Key, children: Iterable[Child], packs: Iterable[Pack]) -> None:
        """Forgets children whose answers are in the log."""
        for child in children:
            self.drop_child(child)
        for pack in packs:
            self._packs.get(key, {}).pop(pack.job.name, None)

    def children(self, key: Key, uid: str) -> list[Child]:
        """The TrainingJobs that the TuningJob of this uid controls."""
        return [child for child in self._children.get(key, {}).values() if child.owner_uid == uid]

    def put_pack(self, pack: Pack) -> Key | None:
        """Takes a pack's Job, and gives the key of its TuningJob where it says anything new."""
        key = (pack.job.namespace, pack.job.job)
        if is_of(self._finished.get(key), pack.job.owner_uid):
            return None
        siblings = self._packs.setdefault(key, {})
        known = siblings.get(pack.job.name)
        if known is not None and known.job.uid == pack.job.uid:
            if is_lower(pack.job.resource_version, known.job.resource_version):
                return None
            same_version = replace(known.job, resource_version=pack.job.resource_version)
            if replace(known, job=same_version) == pack:
                siblings[pack.job.name] = pack
                return None
        siblings[pack.job.name] = pack
        return key

    def drop_pack(self, pack: Pack) -> Key:
        """Forgets a pack's Job that is gone, but not its successor of the same name."""
        key = (pack.job.namespace, pack.job.job)
        siblings = self._packs.get(key, {})
        known = siblings.get(pack.job.name)
        if known is not None and known.job.uid == pack.job.uid:
            del siblings[pack.job.name]
        return key

    def packs(self, key: Key, uid: str) -> list[Pack]:
        """The packs that the TuningJob of this uid controls."""
        return [pack for pack in self._packs.get(key, {}).values() if pack.job.owner_uid == uid]

    def claim_of(self, namespace: str, uid: str) -> str | None:
        """The claim that is made for the TuningJob of this uid; None where no such one is known, or it is over."""
        for (where, name), body in self._tunings.items():
            if where == namespace and body["metadata"]["uid"] == uid:
                return workspace_claim_name(name)
        return None
