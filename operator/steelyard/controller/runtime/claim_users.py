"""Who needs a claim: the pods of a namespace that mount it, and its Jobs by their owner. Imports kube and the
controller's names and observation.

Read for many jobs at once: where a thousand are to be cleaned up, the namespace's pods are not listed a thousand times.
"""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from steelyard.controller.names import JOB_LABEL, MANAGED_BY, TUNING_LABEL
from steelyard.controller.observation import controller_uid
from steelyard.kube import Requester, pages, path_of

FRESH_SECONDS = 20.0
"""How long what was read counts; less than the pause between two looks at one claim."""


@dataclass(frozen=True, slots=True)
class PodFact:
    """A pod that mounts a claim, whether it runs, waits or has ended: Kubernetes keeps the claim for all of them."""

    name: str
    job: str
    """The TrainingJob that it belongs to, or the pack; empty where it is none of ours."""
    tuning_job: str
    """The TuningJob that it belongs to; empty where it is none's."""
    owner: str
    """Who made it, such as `Job nightly`; empty where nobody says."""

    @property
    def words(self) -> str:
        """What to call it."""
        if self.tuning_job:
            return f"the pod {self.name} of the TuningJob {self.tuning_job}"
        if self.job:
            return f"the pod {self.name} of the TrainingJob {self.job}"
        return f"the pod {self.name} of the {self.owner}" if self.owner else f"the pod {self.name}"


@dataclass(frozen=True, slots=True)
class JobFact:
    """A Job that the operator has made."""

    name: str
    uid: str


@dataclass
class Usage:
    """A namespace at one moment."""

    read_at: datetime
    """When it began to be read."""
    good_until: float
    """By the monotonic clock."""
    pods: dict[str, list[PodFact]] = field(default_factory=dict)
    """By the claim that they mount."""
    jobs: dict[str, list[JobFact]] = field(default_factory=dict)
    """By the uid of their controller."""


class ClaimUsers:
    """Looks who needs claims."""

    def __init__(self, api: Requester) -> None:
        self._api = api
        self._known: dict[str, Usage] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def of(self, namespace: str, after: datetime) -> Usage:
        """A namespace as it was at most FRESH_SECONDS ago.

        Args:
            namespace: its name.
            after: when the job was over that is asked for: what was read before lacks its last Jobs.

        Raises:
            ApiError, ConnectionFailedError: it can't be read.
        """
        async with self._locks.setdefault(namespace, asyncio.Lock()):
            now = time.monotonic()
            self._known = {name: usage for name, usage in self._known.items() if usage.good_until > now}
            known = self._known.get(namespace)
            if known is None or known.read_at < after:
                known = self._known[namespace] = await self._read(namespace)
            return known

    async def _read(self, namespace: str) -> Usage:
        usage = Usage(read_at=datetime.now(UTC), good_until=time.monotonic() + FRESH_SECONDS)
        async for page in pages(self._api, path_of("jobs", namespace), {"labelSelector": MANAGED_BY}):
            for body in page:
                metadata = body["metadata"]
                fact = JobFact(metadata["name"], metadata["uid"])
                usage.jobs.setdefault(controller_uid(metadata), []).append(fact)
        async for page in pages(self._api, path_of("pods", namespace)):
            for body in page:
                for claim in _claims_of(body):
                    usage.pods.setdefault(claim, []).append(_fact_of(body["metadata"]))
        return usage


def _claims_of(pod: dict[str, Any]) -> set[str]:
    volumes = pod["spec"].get("volumes") or ()
    return {volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume}


def _fact_of(metadata: dict[str, Any]) -> PodFact:
    labels = metadata.get("labels") or {}
    owners = [each for each in metadata.get("ownerReferences") or () if each.get("controller")]
    owner = f"{owners[0]['kind']} {owners[0]['name']}" if owners else ""
    return PodFact(metadata["name"], labels.get(JOB_LABEL, ""), labels.get(TUNING_LABEL, ""), owner)
