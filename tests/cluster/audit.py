"""Reads the audit log of an API server: who asked for what, when, and with what answer. Standard library only."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

WRITES = ("create", "update", "patch", "delete", "deletecollection")


@dataclass(frozen=True)
class Entry:
    """One request."""

    user: str
    verb: str
    """get, list, watch, or one of WRITES."""
    resource: str
    """The plural with the subresource after a slash, as in RBAC: jobs, pods/status, trainingjobs/status."""
    group: str
    namespace: str
    name: str
    code: int
    received: datetime
    answered: datetime
    agent: str

    @property
    def is_write(self) -> bool:
        """Whether it asked for a change, granted or not."""
        return self.verb in WRITES


class AuditLog:
    """The log from a moment on: from its beginning, or from the last `mark`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0

    def mark(self) -> None:
        """Forgets what was so far: `entries` begins here."""
        self._offset = self.path.stat().st_size

    def since(self) -> "AuditLog":
        """A log of its own that begins now; this one stays as it is."""
        log = AuditLog(self.path)
        log.mark()
        return log

    def entries(
        self, user: str | None = None, *, namespace: str | None = None, writes: bool | None = None
    ) -> list[Entry]:
        """The requests for resources in the order of their answers, each once; those of a user, of a namespace,
        writes only (or, with False, reads only) where it is given."""
        return [
            entry
            for entry in self._read()
            if user in (None, entry.user)
            and namespace in (None, entry.namespace)
            and (writes is None or entry.is_write == writes)
        ]

    def counts(
        self, user: str | None = None, *, namespace: str | None = None, writes: bool | None = None
    ) -> Counter[tuple[str, str]]:
        """How many requests there were of each (verb, resource)."""
        return Counter((entry.verb, entry.resource) for entry in self.entries(user, namespace=namespace, writes=writes))

    def _read(self) -> Iterator[Entry]:
        seen = set()
        with self.path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # It is being written.
                document = json.loads(line)
                if "objectRef" in document and document["auditID"] not in seen:
                    seen.add(document["auditID"])
                    yield _entry(document)


def _entry(document: dict[str, Any]) -> Entry:
    target = document["objectRef"]
    subresource = target.get("subresource")
    return Entry(
        user=document["user"]["username"],
        verb=document["verb"],
        resource=f"{target['resource']}/{subresource}" if subresource else target["resource"],
        group=target.get("apiGroup", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=document.get("responseStatus", {}).get("code", 0),
        received=datetime.fromisoformat(document["requestReceivedTimestamp"]),
        answered=datetime.fromisoformat(document["stageTimestamp"]),
        agent=document.get("userAgent", ""),
    )
