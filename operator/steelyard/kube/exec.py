"""A command in a container of a running pod, as `kubectl exec` starts one. Imports the api and kube only."""

import json
from collections.abc import AsyncIterator, Sequence

import aiohttp

from steelyard.kube.api import Api
from steelyard.kube.errors import ConnectionFailedError
from steelyard.kube.paths import path_of

_PROTOCOL = "v4.channel.k8s.io"


class CommandError(Exception):
    """The command did not end with 0."""

    def __init__(self, message: str, errors: str) -> None:
        super().__init__(message)
        self.errors = errors
        """What it wrote to standard error."""


async def exec_output(
    api: Api, namespace: str, pod: str, container: str, command: Sequence[str]
) -> AsyncIterator[bytes]:
    """Starts a command and yields what it writes to standard output, byte for byte, until it has ended with 0.

    Raises:
        CommandError: the command could not be started, or ended with another code than 0.
        ApiError: the server refused; it takes the permission to create pods/exec.
        ConnectionFailedError: the connection ended before the command did.
    """
    query = [("container", container), ("stdout", "true"), ("stderr", "true")]
    query += [("command", word) for word in command]
    errors, status = bytearray(), b""
    path = path_of("pods", namespace, pod, "exec")
    async with api.websocket(path, query=query, protocol=_PROTOCOL) as socket:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.BINARY or len(message.data) < 2:
                continue
            content: bytes = message.data[1:]
            # The first byte says what the rest is: standard output, standard error, or how the command ended.
            match message.data[0]:
                case 1:
                    yield content
                case 2:
                    errors += content
                case 3:
                    status += content
    if not status:
        raise ConnectionFailedError(f"the connection to the pod {pod} ended before its command did")
    document = json.loads(status)
    if document.get("status") != "Success":
        raise CommandError(str(document.get("message", "")), errors.decode(errors="replace").strip())
