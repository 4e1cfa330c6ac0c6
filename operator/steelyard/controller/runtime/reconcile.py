"""The core of both controllers: from a key in the queue to one step of that job, and what can get in its way.

Nothing is remembered from one reconcile to the next but what saves work. Imports kube and the controller's cluster.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from steelyard.controller.events import Event
from steelyard.controller.policies.endings import Broken
from steelyard.controller.runtime import cluster
from steelyard.controller.runtime.cache import Bodies, Key
from steelyard.controller.runtime.cluster import NotNowError
from steelyard.kube import ApiError, ConnectionFailedError, Requester
from steelyard.kube.errors import Object

logger = logging.getLogger(__name__)

A = TypeVar("A")


@dataclass
class Memory(Generic[A]):
    """What saves work while a job runs."""

    version: tuple[str, int]
    """The job's uid and generation."""
    admitted: A | Broken
    """What its manifest says, or why it can't be run."""


M = TypeVar("M", bound=Memory[Any])


class JobReconciler(ABC, Generic[M]):
    """Reconciles the jobs of one kind."""

    api: Requester
    """Guarded and counted."""
    _memories: dict[Key, M]

    @property
    @abstractmethod
    def bodies(self) -> Bodies:
        """The jobs of the kind."""

    @abstractmethod
    def _admit(self, body: Object, version: tuple[str, int]) -> M:
        """Looks at a job whose manifest was not seen before."""

    @abstractmethod
    async def _step(self, key: Key, body: Object) -> float | None:
        """Brings a job one step further; returns as `reconcile` does."""

    async def reconcile(self, key: Key) -> float | None:
        """Brings a job one step further.

        Returns:
            Seconds after which to reconcile again though nothing may have changed; None where an event will tell.

        Raises:
            NotNowError, ApiError, ConnectionFailedError: try again later.
        """
        body = self.bodies.get(key)
        try:
            return None if body is None else await self._step(key, body)
        except ApiError as error:
            assert body is not None
            if cluster.is_namespace_going(error):
                # The job itself goes as well, or has gone.
                logger.info("the job or its namespace is on its way out: %s", error.message)
                self.bodies.drop(*key, body["metadata"]["uid"])
                return None
            if error.status == 409:
                # Somebody else changed the job, and its event is on the way.
                raise NotNowError("the job was changed meanwhile") from None
            raise
        finally:
            if self.bodies.get(key) is None:
                self._memories.pop(key, None)

    def _recall(self, key: Key, body: Object) -> M:
        """What is remembered of this very manifest."""
        metadata = body["metadata"]
        version = (metadata["uid"], metadata.get("generation", 1))
        memory = self._memories.get(key)
        if memory is None or memory.version != version:
            memory = self._memories[key] = self._admit(body, version)
        return memory

    async def _write(self, body: Object, changes: Mapping[str, Any]) -> Object:
        """Writes the status; returns the job as it is then."""
        body = await cluster.patch_status(self.api, body, dict(changes), self.bodies.resource)
        self.bodies.put(body)
        return body

    async def _write_or_drop(self, body: Object, changes: Mapping[str, Any], otherwise: str) -> Object | None:
        """The same for a job that an older CRD has let in: today's may have the API server refuse every change of it
        but a mended spec. Then the log says `otherwise`, the job is forgotten, and None is returned."""
        try:
            return await self._write(body, changes)
        except ApiError as error:
            if error.status != 422:
                raise
            metadata = body["metadata"]
            logger.warning("%s (%s)", otherwise, error.message)
            self.bodies.drop(metadata["namespace"], metadata["name"], metadata["uid"])
            return None

    async def _tell(self, body: Object, events: Iterable[Event]) -> None:
        """Posts Events. One that can't be posted is no error: the status says the same."""
        time = now()
        posts = (cluster.post_event(self.api, body, event, time) for event in events)
        for outcome in await asyncio.gather(*posts, return_exceptions=True):
            if isinstance(outcome, ApiError | ConnectionFailedError):
                logger.debug("an Event could not be posted: %s", outcome)
            elif isinstance(outcome, BaseException):
                raise outcome


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)
