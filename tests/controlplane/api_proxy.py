"""A proxy before the API server that counts an operator's writes, and calls back at one of them."""

import asyncio
import base64
import ssl
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from enum import Enum
from pathlib import Path
from types import TracebackType

import aiohttp
import yaml
from aiohttp import web
from cluster.certificates import write_kubeconfig

WRITES = ("POST", "PUT", "PATCH", "DELETE")
_OF_ONE_CONNECTION = ("Connection", "Content-Length", "Host", "Keep-Alive", "Transfer-Encoding")
"""Headers that are not handed on."""


class Moment(Enum):
    """When something happens to a write."""

    BEFORE = "before it is forwarded"
    AFTER = "after it was answered, before the answer is handed on"


class ApiProxy:
    """Plain HTTP on this machine's own address; upstream with the certificate of a kubeconfig. A context manager.

    Watches are passed on as they come. It runs in a thread of its own.
    """

    def __init__(self, upstream: Path, folder: Path) -> None:
        """`upstream` is a kubeconfig with a client certificate; the proxy's own is written into `folder`."""
        self.kubeconfig = folder / "proxy.kubeconfig"
        self.writes = 0
        """How many came so far."""
        self.was_struck = threading.Event()
        """Whether the write in question came."""
        self._server, self._context = _target(upstream)
        self._strike_at: tuple[int, Moment] | None = None
        self._strike: Callable[[], None] = lambda: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def strike_at(self, number: int, moment: Moment, strike: Callable[[], None]) -> None:
        """Calls `strike` once, at the write of this number (from 1); its client never gets an answer."""
        self._strike_at, self._strike = (number, moment), strike

    def __enter__(self) -> "ApiProxy":
        started: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        self._thread.start()
        write_kubeconfig(self.kubeconfig, f"http://127.0.0.1:{started.result()}", "", {})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None and self._thread is not None
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _serve(self, started: "Future[int]") -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        connector = aiohttp.TCPConnector(limit=0, ssl=self._context)
        try:
            async with aiohttp.ClientSession(
                connector=connector, auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)
            ) as self._session:
                # A client that is gone takes its watches upstream with it.
                runner = web.ServerRunner(web.Server(self._handle), handler_cancellation=True, shutdown_timeout=0.1)
                await runner.setup()
                site = web.TCPSite(runner, "127.0.0.1", 0)
                await site.start()
                started.set_result(runner.addresses[0][1])
                await self._end.wait()
                await runner.cleanup()
        except BaseException as error:
            if not started.done():
                started.set_exception(error)
            raise

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        moment = None
        if request.method in WRITES:
            self.writes += 1
            if self._strike_at is not None and self._strike_at[0] == self.writes:
                moment = self._strike_at[1]
        body = await request.read()
        if moment is Moment.BEFORE:
            return self._struck(request)
        async with self._session.request(
            request.method,
            self._server + request.raw_path,
            data=body or None,
            headers=_handed_on(request.headers),
            skip_auto_headers=("User-Agent", "Content-Type"),
        ) as answer:
            if moment is Moment.AFTER:
                await answer.read()
                return self._struck(request)
            response = web.StreamResponse(status=answer.status, headers=_handed_on(answer.headers))
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    def _struck(self, request: web.BaseRequest) -> web.StreamResponse:
        self._strike()
        self.was_struck.set()
        if request.transport is not None:
            request.transport.abort()
        return web.Response()


def _handed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.title() not in _OF_ONE_CONNECTION}


def _target(kubeconfig: Path) -> tuple[str, ssl.SSLContext]:
    """The server of a kubeconfig, and how it is trusted on both sides."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=_decoded(cluster["certificate-authority-data"]))
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(_decoded(user["client-certificate-data"]) + _decoded(user["client-key-data"]))
        file.flush()
        context.load_cert_chain(file.name)
    return cluster["server"], context


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()
