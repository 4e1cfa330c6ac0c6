"""The latest that the watches said of the jobs of one kind, and of their children. Imports the controller's due times
and finished jobs.

What is older than what is kept is passed over: answers to our own writes come before their echoes. Of a job that is
over a few words are kept and of its children nothing, in whatever order they are listed: so thousands of finished jobs
cost next to nothing.
"""

from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from steelyard.controller.runtime.due_times import DueTimes
from steelyard.controller.runtime.finished import Finished, is_over

Key: TypeAlias = tuple[str, str]
"""Namespace and name of a job."""
DueKey: TypeAlias = tuple[str, str, str]
"""The plural of a job's kind, its namespace and its name."""


class ChildFacts(Protocol):
    """What is known of a child. Two are equal where they say the same, whatever their versions."""

    @property
    def name(self) -> str:
        """Its own."""

    @property
    def uid(self) -> str:
        """Its own."""

    @property
    def resource_version(self) -> str:
        """Its own."""

    @property
    def owner_key(self) -> Key:
        """Of the job that it says it belongs to."""

    @property
    def owner_uid(self) -> str:
        """Of the job that controls it."""


C = TypeVar("C", bound=ChildFacts)


@dataclass
class Bodies:
    """The bodies of the jobs of one kind that are not over, or were edited since."""

    resource: str
    """The kind's plural."""
    due: DueTimes[DueKey] = field(default_factory=DueTimes)
    """When something is to be done about what is over."""
    _bodies: dict[Key, dict[str, Any]] = field(default_factory=dict)
    _finished: dict[Key, Finished] = field(default_factory=dict)
    _children: list["Children[Any]"] = field(default_factory=list)

    def put(self, body: dict[str, Any]) -> Key | None:
        """Takes a body, and gives its key where that is news. Nothing is to be done about a job that is over: only
        `Finished` is kept of it, and its children are forgotten. An edit after the end is to be answered."""
        metadata = body["metadata"]
        # Half of a body, and of no use here.
        metadata.pop("managedFields", None)
        key = (metadata["namespace"], metadata["name"])
        if not self._is_news(key, metadata):
            return None
        if is_over(body) or "deletionTimestamp" in metadata:
            self._bodies.pop(key, None)
            finished = self._finished[key] = Finished.of(body)
            self.due.put((self.resource, *key), finished.due)
            self._forget_children(key, metadata["uid"])
        else:
            self._finished.pop(key, None)
            self.due.put((self.resource, *key), None)
            self._bodies[key] = body
        return key

    def drop(self, namespace: str, name: str, uid: str) -> None:
        """Forgets a job that is gone, but not its successor of the same name."""
        key = (namespace, name)
        known = self._bodies.get(key)
        if known is not None and known["metadata"]["uid"] == uid:
            del self._bodies[key]
        if self.is_finished(key, uid):
            del self._finished[key]
            self.due.put((self.resource, *key), None)
        self._forget_children(key, uid)

    def get(self, key: Key) -> dict[str, Any] | None:
        """A job that is not over, or was edited since."""
        return self._bodies.get(key)

    def all_keys(self) -> list[Key]:
        """Of all such jobs."""
        return list(self._bodies)

    def in_namespace(self, namespace: str) -> list[dict[str, Any]]:
        """The jobs of a namespace that are not over."""
        return [body for key, body in self._bodies.items() if key[0] == namespace]

    def is_finished(self, key: Key, uid: str) -> bool:
        """Whether just this job is over, and not another one of the same name."""
        finished = self._finished.get(key)
        return finished is not None and finished.uid == uid

    def _is_news(self, key: Key, metadata: dict[str, Any]) -> bool:
        """Whether it is of another object than is kept, or of a later version of the same."""
        known, finished = self._bodies.get(key), self._finished.get(key)
        if known is not None:
            uid, than = known["metadata"]["uid"], known["metadata"].get("resourceVersion")
        elif finished is not None:
            uid, than = finished.uid, finished.resource_version
        else:
            return True
        version = metadata.get("resourceVersion")
        return metadata["uid"] != uid or (version != than and not is_lower(version, than))

    def _forget_children(self, key: Key, uid: str) -> None:
        for children in self._children:
            children.forget(key, uid)


class Children(Generic[C]):
    """The children of one sort of the jobs that are not over, by their owner and their name."""

    def __init__(self, owners: Bodies) -> None:
        self._owners = owners
        self._by_owner: dict[Key, dict[str, C]] = {}
        owners._children.append(self)

    def put(self, child: C) -> Key | None:
        """Takes what a child says of itself, and gives the key of its job where that is news. Most changes are of what
        nobody here asks for; and nobody asks for those of a job that is over."""
        key = child.owner_key
        if self._owners.is_finished(key, child.owner_uid):
            return None
        siblings = self._by_owner.setdefault(key, {})
        known = siblings.get(child.name)
        if known is not None and known.uid == child.uid and is_lower(child.resource_version, known.resource_version):
            return None
        siblings[child.name] = child
        return None if known == child else key

    def drop(self, child: C) -> Key:
        """Forgets a child that is gone, but not its successor of the same name."""
        key = child.owner_key
        siblings = self._by_owner.get(key, {})
        known = siblings.get(child.name)
        if known is not None and known.uid == child.uid:
            del siblings[child.name]
        if not siblings:
            self._by_owner.pop(key, None)
        return key

    def of(self, key: Key, uid: str) -> list[C]:
        """Those that the job of this uid controls; none where it is over."""
        return [child for child in self._by_owner.get(key, {}).values() if child.owner_uid == uid]

    def forget(self, key: Key, uid: str) -> None:
        """Forgets those that the job of this uid controls."""
        siblings = self._by_owner.pop(key, {})
        if others := {name: child for name, child in siblings.items() if child.owner_uid != uid}:
            self._by_owner[key] = others


def is_lower(version: str | None, than: str | None) -> bool:
    """Resource versions of one kind can be compared as numbers (KEP-5504); what is none is taken as new."""
    try:
        return int(version or "") < int(than or "")
    except ValueError:
        return False
