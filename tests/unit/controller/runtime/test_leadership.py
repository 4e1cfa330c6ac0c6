"""Leader election against a server that fails as a real one hardly ever does, and the fence around writes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from steelyard.controller.runtime.leadership import (
    Fenced,
    LeadershipLostError,
    LeaseLeadership,
    SoleReplica,
    new_identity,
)
from steelyard.controller.runtime.lease import Timing
from steelyard.kube import ApiError, ConnectionFailedError

# The clock is the tests' own: these are the pauses between two requests, and how long one may take.
TIMING = Timing(lease_seconds=100, renew_deadline_seconds=2, retry_seconds=0.01)
PATH = "/apis/coordination.k8s.io/v1/namespaces/steelyard/leases/operator"
Handler = Callable[[], Awaitable[None]]


class Server:
    """Keeps one Lease, and other objects not at all. `before` and `after` run around each request."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.requests: list[tuple[str, str]] = []
        self.before: Handler = self.nothing
        self.after: Handler = self.nothing
        self.on_write = asyncio.Event()

    async def nothing(self) -> None:
        pass

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        **_: object,
    ) -> dict[str, Any]:
        self.requests.append((method, path))
        await self.before()
        answer = self._serve(method, path, body)
        await self.after()
        return answer

    def _serve(self, method: str, path: str, body: Any) -> dict[str, Any]:
        if "/leases" not in path:
            return {}
        if method == "POST":
            if self.lease is not None:
                raise ApiError(409, "AlreadyExists", "it is there")
            assert f"{path}/{body['metadata']['name']}" == PATH
        elif self.lease is None:
            raise ApiError(404, "NotFound", "it is not there")
        elif method == "PUT" and body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "it has been modified")
        if method != "GET":
            self.put(body["spec"], **{key: value for key, value in body["metadata"].items() if key == "labels"})
            self.on_write.set()
        assert self.lease is not None
        return self.lease

    def put(self, spec: dict[str, Any], **metadata: Any) -> None:
        version = int(self.lease["metadata"]["resourceVersion"]) + 1 if self.lease else 1
        self.lease = {"metadata": {"name": "operator", "resourceVersion": str(version), **metadata}, "spec": spec}

    @property
    def spec(self) -> dict[str, Any]:
        assert self.lease is not None
        spec: dict[str, Any] = self.lease["spec"]
        return spec

    async def written(self, times: int = 1) -> None:
        """Waits for that many further writes of the Lease."""
        for _ in range(times):
            self.on_write.clear()
            await asyncio.wait_for(self.on_write.wait(), 30)


class Clock:
    """A clock that a test turns."""

    now = 5000.0

    def __call__(self) -> float:
        return self.now


class Stage:
    """One replica, its server and its clock."""

    def __init__(self) -> None:
        self.server, self.clock = Server(), Clock()
        self.leadership = self.replica("me")
        self.api = Fenced(self.server, self.leadership)

    def replica(self, identity: str) -> LeaseLeadership:
        return LeaseLeadership(
            self.server, namespace="steelyard", name="operator", identity=identity, timing=TIMING, clock=self.clock
        )


def played(scene: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(scene(Stage()), 60)

    asyncio.run(main())


async def fail() -> None:
    raise ConnectionFailedError("no answer")


async def hang() -> None:
    await asyncio.Event().wait()


def test_a_replica_acquires_and_renews_and_its_writes_pass() -> None:
    async def scene(stage: Stage) -> None:
        with pytest.raises(LeadershipLostError, match="me does not hold the lease steelyard/operator"):
            await stage.api.request("POST", "/jobs", {})
        await stage.leadership.acquire()
        first = stage.server.spec
        assert (first["holderIdentity"], first["leaseDurationSeconds"], first["leaseTransitions"]) == ("me", 100, 0)
        holding = asyncio.create_task(stage.leadership.hold())
        await stage.server.written(times=3)
        assert stage.server.spec["renewTime"] > first["renewTime"]
        assert stage.server.spec["acquireTime"] == first["acquireTime"]
        await stage.api.request("POST", "/jobs", {})
        assert stage.server.requests.count(("GET", PATH)) == 1, "a leader need not read what it wrote itself"
        holding.cancel()

    played(scene)


def test_a_follower_waits_then_takes_over_and_counts_it() -> None:
    async def scene(stage: Stage) -> None:
        stage.server.put(
            {"holderIdentity": "other", "leaseDurationSeconds": 15, "leaseTransitions": 4}, labels={"a": "b"}
        )
        acquiring = asyncio.create_task(stage.leadership.acquire())
        while len(stage.server.requests) < 5:
            await asyncio.sleep(0.001)
        assert not acquiring.done() and not stage.leadership.is_leader_now()
        stage.clock.now += 15
        await acquiring
        assert (stage.server.spec["holderIdentity"], stage.server.spec["leaseTransitions"]) == ("me", 5)
        assert stage.server.lease is not None and stage.server.lease["metadata"]["labels"] == {"a": "b"}

    played(scene)


def test_a_leader_without_an_answer_stops_writing_at_its_deadline_and_ends() -> None:
    async def scene(stage: Stage) -> None:
        await stage.leadership.acquire()
        stage.server.before = fail
        holding = asyncio.create_task(stage.leadership.hold())
        stage.clock.now += 1.9
        stage.leadership.check()
        stage.clock.now += 0.1
        sent = len(stage.server.requests)
        with pytest.raises(LeadershipLostError):
            await stage.api.request("PATCH", "/jobs/a", {})
        with pytest.raises(LeadershipLostError):
            await holding
        assert ("PATCH", "/jobs/a") not in stage.server.requests[sent:]
        stage.server.before = stage.server.nothing
        await stage.api.request("GET", "/jobs/a")

    played(scene)


def test_a_renewal_that_hangs_is_given_up_and_the_next_one_counts() -> None:
    async def scene(stage: Stage) -> None:
        await stage.leadership.acquire()
        stage.server.before = hang
        holding = asyncio.create_task(stage.leadership.hold())
        while len(stage.server.requests) < 3:
            await asyncio.sleep(0.001)
        stage.server.before = stage.server.nothing
        await stage.server.written()
        holding.cancel()
        stage.leadership.check()

    played(scene)


def test_a_renewal_whose_answer_is_lost_is_found_to_be_its_own() -> None:
    async def scene(stage: Stage) -> None:
        await stage.leadership.acquire()
        stage.server.after = fail
        holding = asyncio.create_task(stage.leadership.hold())
        await stage.server.written()
        stage.server.after = stage.server.nothing
        stage.clock.now += 1.9
        await stage.server.written(times=2)
        stage.clock.now += 1.9
        stage.leadership.check()
        holding.cancel()

    played(scene)


def test_a_leader_ends_when_another_holds_the_lease() -> None:
    async def scene(stage: Stage) -> None:
        await stage.leadership.acquire()
        stage.server.put({"holderIdentity": "other", "leaseDurationSeconds": 15})
        with pytest.raises(LeadershipLostError):
            await stage.leadership.hold()

    played(scene)


def test_a_leader_makes_a_deleted_lease_again() -> None:
    async def scene(stage: Stage) -> None:
        await stage.leadership.acquire()
        stage.server.lease = None
        holding = asyncio.create_task(stage.leadership.hold())
        await stage.server.written()
        assert stage.server.spec["holderIdentity"] == "me" and not holding.done()
        holding.cancel()

    played(scene)


def test_a_released_lease_is_another_s_at_once_and_the_first_writes_no_more() -> None:
    async def scene(stage: Stage) -> None:
        await stage.leadership.acquire()
        await stage.leadership.release()
        assert stage.server.spec["holderIdentity"] == ""
        with pytest.raises(LeadershipLostError):
            await stage.api.request("POST", "/jobs", {})
        await stage.replica("other").acquire()
        await stage.leadership.release()
        assert stage.server.spec["holderIdentity"] == "other", "only one's own is released"

    played(scene)


def test_a_release_that_fails_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(stage: Stage) -> None:
        await stage.leadership.acquire()
        stage.server.before = fail
        await stage.leadership.release()

    played(scene)
    assert "the lease steelyard/operator was not released: no answer" in caplog.messages


def test_a_refusal_is_told_once_and_waited_out(caplog: pytest.LogCaptureFixture) -> None:
    async def forbid() -> None:
        raise ApiError(403, "Forbidden", "leases is forbidden")

    async def scene(stage: Stage) -> None:
        stage.server.before = forbid
        acquiring = asyncio.create_task(stage.leadership.acquire())
        while len(stage.server.requests) < 4:
            await asyncio.sleep(0.001)
        stage.server.before = stage.server.nothing
        await acquiring

    caplog.set_level(logging.INFO)
    played(scene)
    told = [message for message in caplog.messages if message.startswith("the lease")]
    assert told == ["the lease steelyard/operator was not had this time: 403 Forbidden: leases is forbidden"]


def test_a_write_is_given_up_when_another_replica_may_begin() -> None:
    class AlmostOver(SoleReplica):
        def seconds_left(self) -> float | None:
            return 0.01

    async def scene(stage: Stage) -> None:
        stage.server.before = hang
        with pytest.raises(LeadershipLostError, match="POST /jobs was not answered before another replica may write"):
            await Fenced(stage.server, AlmostOver()).request("POST", "/jobs", {})

    played(scene)


def test_a_time_out_of_the_connection_itself_is_passed_on() -> None:
    async def time_out() -> None:
        raise TimeoutError("slow")

    async def scene(stage: Stage) -> None:
        await stage.leadership.acquire()
        stage.server.before = time_out
        with pytest.raises(TimeoutError, match="slow"):
            await stage.api.request("POST", "/jobs", {})

    played(scene)


def test_a_sole_replica_leads_always() -> None:
    async def scene(stage: Stage) -> None:
        sole = SoleReplica()
        await sole.acquire()
        await Fenced(stage.server, sole).request("POST", "/jobs", {})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sole.hold(), 0.01)
        await sole.release()
        assert sole.is_leader_now() and stage.server.requests == [("POST", "/jobs")]

    played(scene)


def test_no_two_processes_have_one_identity() -> None:
    assert new_identity("pod-0").startswith("pod-0_") and new_identity("pod-0") != new_identity("pod-0")
