"""The operator's HTTP port: /healthz, /readyz and /metrics. Imports aiohttp and prometheus_client only."""

import errno
import logging
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Self

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from steelyard.api.errors import ConfigurationError

logger = logging.getLogger(__name__)

Check = Callable[[], str | None]
"""Says what is wrong; None where nothing is. It must answer at once."""


class Heartbeat:
    """A check that fails where work waits and nothing has moved for too long.

    Args:
        limit_seconds: more than the longest that one step of the work may take.
        has_work: whether something waits or is being worked on. While nothing is, there is nothing to be late with.
        clock: seconds that only rise.
    """

    def __init__(
        self, limit_seconds: float, has_work: Callable[[], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit_seconds = limit_seconds
        self._has_work = has_work
        self._clock = clock
        self._last = clock()

    def beat(self) -> None:
        """Something moved."""
        self._last = self._clock()

    def __call__(self) -> str | None:
        """What is wrong, if anything."""
        if not self._has_work():
            self.beat()
        age = self._clock() - self._last
        return f"work waits, but nothing has moved for {age:.0f} s" if age > self._limit_seconds else None


class HealthServer:
    """Serves the probes and the metrics, while entered.

    /healthz and /readyz answer 200 where all their checks pass, else 503 and what is wrong, by the check's name. That
    /healthz answers at all shows that the event loop turns.

    Args:
        port: 0 takes any that is free; see `port` then.
        alive: the checks of /healthz: where one fails, only a restart helps.
        ready: the checks of /readyz.
        host: the address that is listened on. Default: all.
    """

    def __init__(
        self,
        port: int,
        registry: CollectorRegistry,
        *,
        alive: Mapping[str, Check],
        ready: Mapping[str, Check],
        host: str | None = None,
    ) -> None:
        self.port = port
        self._host = host
        self._registry = registry
        application = web.Application()
        application.router.add_get("/healthz", partial(_answer, alive))
        application.router.add_get("/readyz", partial(_answer, ready))
        application.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(application, access_log=None)

    async def __aenter__(self) -> Self:
        """Listens from now on. Raises ConfigurationError where the port can't be had."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self.port).start()
        except OSError as error:
            await self._runner.cleanup()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
                raise
            # The error's own text is asyncio's, and names an address that nobody has set.
            raise ConfigurationError(f"port {self.port} can't be listened on: {os.strerror(error.errno)}") from None
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _answer(checks: Mapping[str, Check], request: web.Request) -> web.Response:
    problems = {name: problem for name, check in checks.items() if (problem := check()) is not None}
    for name, problem in problems.items():
        # A kubelet tells the status of a failed probe, but not the words.
        logger.warning("%s fails: %s: %s", request.path, name, problem)
    lines = [f"{name}: {problems.get(name, 'ok')}" for name in checks] or ["ok"]
    return web.Response(status=503 if problems else 200, text="\n".join(lines) + "\n")
