"""Which replica may write: leader election by a Lease, as client-go does it, and the fence around every write. Imports
the API connection (kube) and the pure rules of the election (`lease`) only.
"""

import asyncio
import logging
import os
import random
import signal
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, Unpack

from steelyard.controller.runtime.lease import CLIENT_GO_TIMING, JITTER, Decision, LeaseState, Timing
from steelyard.kube import ApiError, ConnectionFailedError, Requester, path_of
from steelyard.kube.errors import Object, RequestOptions

logger = logging.getLogger(__name__)


class LeadershipLostError(Exception):
    """This replica may write no more; its process is to end."""


class Leadership(Protocol):
    """Whether this replica may write, and how it comes to that."""

    async def acquire(self) -> None:
        """Returns when this replica leads."""

    async def hold(self) -> None:
        """Goes on leading until that is lost. Raises LeadershipLostError."""

    async def release(self) -> None:
        """Lets another replica lead at once. No write may be on its way any more, and hold() must have ended."""

    def is_leader_now(self) -> bool:
        """Whether a write may be sent at this moment."""

    def check(self) -> None:
        """Raises LeadershipLostError where a write must not be sent at this moment."""

    def seconds_left(self) -> float | None:
        """Seconds until another replica may write; None: never."""


class SoleReplica:
    """The leadership of an operator that has one replica only: nothing to acquire, nothing to lose."""

    async def acquire(self) -> None:
        """Returns at once."""

    async def hold(self) -> None:
        """Never returns."""
        await asyncio.Event().wait()

    async def release(self) -> None:
        """Does nothing."""

    def is_leader_now(self) -> bool:
        """Always."""
        return True

    def check(self) -> None:
        """Never raises."""

    def seconds_left(self) -> float | None:
        """Without end."""
        return None


class LeaseLeadership:
    """The leadership of one of several replicas: that which holds the Lease. For one term: once lost, it stays lost.

    Args:
        api: a connection that is not fenced.
        namespace, name: the Lease's.
        identity: who holds it; no two processes may have the same, so see `new_identity`.
        clock: seconds that only rise, and go on while the process is stopped or the machine sleeps.
        chance: a number from 0 to 1, for each pause of a follower.
    """

    def __init__(
        self,
        api: Requester,
        namespace: str,
        name: str,
        identity: str,
        *,
        timing: Timing = CLIENT_GO_TIMING,
        clock: Callable[[], float] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._place = f"{namespace}/{name}"
        self._path = path_of("leases", namespace, name)
        self._identity = identity
        self._timing = timing
        self._clock = clock or _seconds_since_boot
        self._chance = chance
        self._state = LeaseState(identity, timing)
        self._own: Object | None = None
        """The Lease as this replica wrote it last, unless it may be another by now."""
        self._last_words = ""

    async def acquire(self) -> None:
        """Returns when this replica holds the Lease. What the server refuses is logged and tried again without end."""
        while not await self._try():
            await asyncio.sleep(self._timing.retry_seconds * (1 + JITTER * self._chance()))
        self._say(logging.INFO, f"{self._identity} holds the lease {self._place}: this replica leads")

    async def hold(self) -> None:
        """Renews the Lease until that fails for longer than the renew deadline, or another replica holds it.

        Raises:
            LeadershipLostError: always in the end.
        """
        while True:
            await asyncio.sleep(self._timing.retry_seconds)
            await self._try()
            self.check()

    async def release(self) -> None:
        """Empties the Lease if this replica holds it, so that another need not wait for its end. Never fails: where the
        server doesn't answer, the others wait."""
        self._state.resign()
        try:
            async with asyncio.timeout(self._timing.renew_deadline_seconds / 2):
                lease = self._own or await self._read()
                spec = (lease or {}).get("spec") or {}
                if lease is None or spec.get("holderIdentity") != self._identity:
                    return
                spec = {**spec, "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _time_of_day()}
                await self._api.request("PUT", self._path, {**lease, "spec": spec})
                self._say(logging.INFO, f"released the lease {self._place}")
        except (ApiError, ConnectionFailedError, OSError) as error:
            self._say(logging.WARNING, f"the lease {self._place} was not released: {_words(error)}")

    def is_leader_now(self) -> bool:
        """Whether a write may be sent at this moment."""
        return self._state.is_leader(self._clock())

    def check(self) -> None:
        """Raises LeadershipLostError where a write must not be sent at this moment."""
        if not self.is_leader_now():
            raise self._lost()

    def seconds_left(self) -> float | None:
        """Seconds until another replica may write; negative once one may."""
        return self._state.seconds_left(self._clock())

    async def _try(self) -> bool:
        """Acquires or renews the Lease if it can; says whether it did. Raises LeadershipLostError."""
        patience = self._timing.renew_deadline_seconds / 2
        if self.is_leader_now():
            patience = min(patience, self._state.seconds_to_renew(self._clock()))
        try:
            async with asyncio.timeout(patience):
                lease = self._own or await self._read()
                decision = self._state.decide(self._clock(), lease)
                if decision is Decision.LOST:
                    raise self._lost()
                if decision is Decision.WAIT:
                    holder = lease["spec"]["holderIdentity"] if lease else "another replica"
                    self._say(logging.INFO, f"the lease {self._place} is held by {holder}: this replica waits")
                    return False
                await self._write(lease)
                self._last_words = ""
                return True
        except (ApiError, ConnectionFailedError, OSError) as error:
            level = logging.INFO if isinstance(error, ApiError) and error.status == 409 else logging.WARNING
            self._say(level, f"the lease {self._place} was not had this time: {_words(error)}")
            return False

    async def _read(self) -> Object | None:
        try:
            return await self._api.request("GET", self._path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def _write(self, lease: Object | None) -> None:
        """Puts this replica's name into the Lease; the server refuses if it changed since it was read."""
        self._own = None  # Until the answer says what it is.
        sent_at = self._clock()
        if lease is None:
            metadata = {"name": self._name}
            body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
            answer = await self._api.request(
                "POST", path_of("leases", self._namespace), {**body, "spec": self._claim({})}
            )
        else:
            body = {**lease, "spec": self._claim(lease.get("spec") or {})}
            answer = await self._api.request("PUT", self._path, body)
        self._state.renewed(sent_at, answer)
        self._own = answer

    def _claim(self, before: Object) -> Object:
        """The Lease's spec with this replica as its holder. Its times are for people: no replica relies on them."""
        now = _time_of_day()
        spec = {
            **before,
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._timing.lease_seconds,
            "renewTime": now,
        }
        if before.get("holderIdentity") != self._identity:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = (before.get("leaseTransitions") or 0) + 1 if before else 0
        return spec

    def _lost(self) -> LeadershipLostError:
        return LeadershipLostError(f"{self._identity} does not hold the lease {self._place}: it may not write")

    def _say(self, level: int, words: str) -> None:
        """Logs what is new."""
        if words != self._last_words:
            self._last_words = words
            logger.log(level, words)


class Fenced:
    """A connection that refuses to write where this replica doesn't lead.

    A write that is not answered when another replica may begin to write is given up: so a process that was stopped in
    the middle of one, and goes on much later, sends nothing more.
    """

    def __init__(self, api: Requester, leadership: Leadership) -> None:
        self._api = api
        self._leadership = leadership

    async def request(
        self,
        method: str,
        path: str,
        body: Object | list[Object] | None = None,
        **options: Unpack[RequestOptions],
    ) -> Object:
        """See `Requester.request`. Raises LeadershipLostError as well, for what is no GET."""
        if method == "GET":
            return await self._api.request(method, path, body, **options)
        self._leadership.check()
        try:
            async with asyncio.timeout(self._leadership.seconds_left()) as term:
                return await self._api.request(method, path, body, **options)
        except TimeoutError:
            if term.expired():
                raise LeadershipLostError(
                    f"{method} {path} was not answered before another replica may write"
                ) from None
            raise


def end_when_lost_in_a_stop(leadership: Leadership, exit_code: int) -> None:
    """Has the process end at once where it goes on after SIGSTOP and no longer leads. To be called once it leads.

    A check before a write is no help where the process is stopped between the two. This one comes first of all when it
    goes on, before the next instruction of Python's.
    """

    def check(_number: int, _frame: object) -> None:
        if not leadership.is_leader_now():
            # Nothing else is safe here: a lock of the log may be held by what was interrupted.
            os.write(2, b"the leadership was lost while this process was stopped: it ends\n")
            os._exit(exit_code)

    signal.signal(signal.SIGCONT, check)


def new_identity(pod_name: str) -> str:
    """A name for this process: a pod's container that was restarted is another replica than it was before."""
    return f"{pod_name}_{uuid.uuid4()}"


def _seconds_since_boot() -> float:
    """A clock that goes on while the process is stopped, and on Linux while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _time_of_day() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
