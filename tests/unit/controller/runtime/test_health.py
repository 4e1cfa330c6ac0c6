"""The operator's HTTP port: what a probe is told."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientSession
from prometheus_client import CollectorRegistry, Counter

from steelyard.api.errors import ConfigurationError
from steelyard.controller.runtime.health import Check, HealthServer, Heartbeat

Get = Callable[[str], Awaitable[tuple[int, str]]]


def fine() -> str | None:
    return None


def served(
    test: Callable[[Get], Awaitable[None]],
    *,
    alive: dict[str, Check] | None = None,
    ready: dict[str, Check] | None = None,
    registry: CollectorRegistry | None = None,
) -> None:
    """Runs a test against a server on a free port of this machine's own address."""

    async def main() -> None:
        server = HealthServer(
            0, registry or CollectorRegistry(), alive=alive or {}, ready=ready or {}, host="127.0.0.1"
        )
        async with server, ClientSession() as session:

            async def get(path: str) -> tuple[int, str]:
                async with session.get(f"http://127.0.0.1:{server.port}{path}") as answer:
                    return answer.status, await answer.text()

            await test(get)

    asyncio.run(main())


def test_probes_answer_200_where_all_is_well() -> None:
    async def test(get: Get) -> None:
        assert await get("/healthz") == (200, "queue: ok\n")
        assert await get("/readyz") == (200, "ok\n")
        assert (await get("/"))[0] == 404

    served(test, alive={"queue": fine})


def test_a_failing_check_is_named_and_the_other_probe_does_not_mind(caplog: pytest.LogCaptureFixture) -> None:
    problem: str | None = "stuck"

    async def test(get: Get) -> None:
        nonlocal problem
        assert await get("/healthz") == (503, "loop: ok\nqueue: stuck\n")
        assert (await get("/readyz"))[0] == 200
        problem = None
        assert (await get("/healthz"))[0] == 200

    served(test, alive={"loop": fine, "queue": lambda: problem}, ready={"watches": fine})
    assert caplog.messages == ["/healthz fails: queue: stuck"]


def test_metrics_are_served_as_prometheus_reads_them() -> None:
    registry = CollectorRegistry()
    Counter("steelyard_things", "Things.", registry=registry).inc(3)

    async def test(get: Get) -> None:
        status, text = await get("/metrics")
        assert status == 200 and "steelyard_things_total 3.0" in text.splitlines()

    served(test, registry=registry)


def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = HealthServer(port, CollectorRegistry(), alive={}, ready={}, host="127.0.0.1")
        with pytest.raises(ConfigurationError, match=f"port {port} can't be listened on: .*in use"):
            asyncio.run(server.__aenter__())


class Clock:
    """A clock that a test turns."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_heartbeat_is_late_only_while_there_is_work() -> None:
    clock, has_work = Clock(), False
    heartbeat = Heartbeat(60, lambda: has_work, clock)
    clock.now += 3600
    assert heartbeat() is None
    has_work = True
    clock.now += 60
    assert heartbeat() is None
    clock.now += 1
    assert heartbeat() == "work waits, but nothing has moved for 61 s"
    heartbeat.beat()
    assert heartbeat() is None
    clock.now += 61
    has_work = False
    assert heartbeat() is None
