"""The connection to an API server, where a real one is not needed: which way its requests go."""

import asyncio

import pytest
from kubernetes.aio.client import Configuration

from steelyard.kube import Api

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"kind":"A"}'


@pytest.fixture(autouse=True)
def no_proxy_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("unproxied", "first_line"),
    [
        ("elsewhere", "GET http://localhost:{port}/version HTTP/1.1"),
        ("elsewhere,localhost", "GET /version HTTP/1.1"),
    ],
)
def test_requests_go_by_the_environments_proxy_but_to_those_that_need_none(
    monkeypatch: pytest.MonkeyPatch, unproxied: str, first_line: str
) -> None:
    async def ask() -> tuple[int, str, object]:
        lines: list[str] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            lines.append(head.decode().splitlines()[0])
            writer.write(ANSWER)
            await writer.drain()
            writer.close()

        # Proxy and server in one: the first line tells which of them was asked.
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
            monkeypatch.setenv("no_proxy", unproxied)
            async with Api(Configuration(host=f"http://localhost:{port}"), "default") as api:
                document = await api.request("GET", "/version")
        return port, lines[0], document

    port, line, document = asyncio.run(ask())
    assert line == first_line.format(port=port)
    assert document == {"kind": "A"}
