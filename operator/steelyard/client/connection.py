"""Requests to an API server for code that is not asynchronous: a notebook's, a command's. Imports kube only."""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from steelyard.kube import Api, exec_output, pages
from steelyard.kube.errors import Object

_T = TypeVar("_T")


class Connection:
    """A connection whose requests are carried out by a thread of its own, as a notebook has an event loop already.

    Whatever interrupts the caller, such as Ctrl-C, ends the request as well.
    """

    def __init__(self, context: str | None = None, namespace: str | None = None) -> None:
        """See `Api.connect`. Raises ConnectionFailedError."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="steelyard-client", daemon=True)
        self._thread.start()
        try:
            self._api = self._wait_for(Api.connect(context=context, namespace=namespace, user_agent="steelyard-client"))
        except BaseException:
            self._end_loop()
            raise
        self.namespace = self._api.namespace
        """What is meant where no namespace is named."""
        self.host = self._api.host

    def close(self) -> None:
        """Closes the connection; a second time, does nothing."""
        if not self._loop.is_closed():
            self._wait_for(self._api.close())
            self._end_loop()

    def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        query: dict[str, str] | None = None,
    ) -> Object:
        """See `Requester.request`."""
        return self._wait_for(self._api.request(method, path, body, query=query))

    def pages(self, path: str, query: Mapping[str, str] | None = None) -> Iterator[list[Object]]:
        """See `kube.pages`."""
        return self._iterate(pages(self._api, path, query))

    def lines(self, path: str, *, query: dict[str, str]) -> Iterator[str]:
        """See `Api.lines`."""
        return self._iterate(self._api.lines(path, query=query))

    def exec_output(self, namespace: str, pod: str, container: str, command: Sequence[str]) -> Iterator[bytes]:
        """See `kube.exec_output`."""
        return self._iterate(exec_output(self._api, namespace, pod, container, command))

    def _iterate(self, source: AsyncIterator[_T]) -> Iterator[_T]:
        try:
            while True:
                try:
                    item = self._wait_for(_next(source))
                except StopAsyncIteration:
                    return
                yield item
        finally:
            if not self._loop.is_closed():
                self._wait_for(_close(source))

    def _wait_for(self, work: Coroutine[Any, Any, _T]) -> _T:
        ended = threading.Event()

        async def run() -> _T:
            try:
                return await work
            finally:
                ended.set()

        future = asyncio.run_coroutine_threadsafe(run(), self._loop)
        try:
            return future.result()
        except BaseException:
            # Interrupted here or failed there: there, it has ended in either case before anything else begins.
            if future.cancel():
                ended.wait()
            raise

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _next(source: AsyncIterator[_T]) -> _T:
    return await anext(source)


async def _close(source: AsyncIterator[Any]) -> None:
    if (close := getattr(source, "aclose", None)) is not None:
        await close()
