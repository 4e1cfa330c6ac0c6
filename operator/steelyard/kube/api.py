"""Requests to an API server in plain JSON, upon the official client's configuration (kubeconfig, service account).

The official client's model classes are left out: they cost more time than the requests. Imports the api and kube only.
"""

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from steelyard.kube.errors import ApiError, ConnectionFailedError, Object, RequestOptions

REQUEST_TIMEOUT_SECONDS = 30.0
_CONNECT_TIMEOUT_SECONDS = 10.0
_HEARTBEAT_SECONDS = 30.0
"""How often a websocket is asked whether it is still there."""
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True)
class Credentials:
    """By which a connection is trusted on both sides."""

    ca_file: str | None
    certificate_file: str | None
    key_file: str | None
    scheme: str | None
    """Such as Bearer."""
    token: str | None
    is_insecure: bool
    """Whether the server's certificate is not checked."""


class Api:
    """A connection. Close it, or use it as an asynchronous context manager."""

    def __init__(self, configuration: Configuration, namespace: str, user_agent: str = "steelyard") -> None:
        """Needs a running event loop.

        Args:
            configuration: the official client's: host, certificates, token.
            namespace: what a request without a namespace means, for the callers.
            user_agent: how the audit log names us.
        """
        self.namespace = namespace
        self.host: str = configuration.host
        self._configuration = configuration
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=_ssl_context(configuration)),
            timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS, sock_connect=_CONNECT_TIMEOUT_SECONDS),
            headers={"Accept": "application/json", "User-Agent": user_agent},
            proxy=_proxy_of(self.host),
        )

    @classmethod
    async def connect(cls, *, context: str | None = None, namespace: str | None = None, user_agent: str) -> "Api":
        """Finds the server as kubectl does: in a pod by its service account, else by KUBECONFIG or ~/.kube/config.

        Args:
            context: the kubeconfig's context; default: its current one.
            namespace: default: the context's, or the pod's own; else `default`.
            user_agent: how the audit log names us.

        Raises:
            ConnectionFailedError: there is no usable configuration.
        """
        configuration = Configuration()
        in_pod = "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ and context is None
        try:
            if in_pod:
                load_incluster_config(client_configuration=configuration)
                own = _NAMESPACE_FILE.read_text(encoding="utf-8").strip() if _NAMESPACE_FILE.exists() else "default"
            else:
                file = os.environ.get("KUBECONFIG") or "~/.kube/config"
                if not any(path and Path(path).expanduser().exists() for path in file.split(os.pathsep)):
                    raise ConfigException(f"the kubeconfig {file} does not exist")
                loader = await load_kube_config(
                    config_file=file, context=context, client_configuration=configuration, persist_config=False
                )
                own = loader.current_context["context"].get("namespace") or "default"
        except (ConfigException, OSError, KeyError, TypeError, ValueError, AttributeError, yaml.YAMLError) as error:
            raise ConnectionFailedError(
                f"no cluster can be found: {error}; name a kubeconfig by KUBECONFIG, or its context by --context"
            ) from None
        return cls(configuration, namespace or own, user_agent)

    async def __aenter__(self) -> "Api":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes all connections."""
        await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        body: Object | list[Object] | None = None,
        **options: Unpack[RequestOptions],
    ) -> Object:
        """See `Requester.request`."""
        async with self._open(method, path, body, **options) as response:
            try:
                # Half of what a request costs is its answer: an object with its managedFields is 10 to 30 kB.
                document: Object = orjson.loads(await response.read())
            except ValueError:
                raise ConnectionFailedError(f"{self.host} answers, but not as an API server does") from None
            return document

    async def text(self, path: str, *, query: dict[str, str] | None = None, timeout: float | None = None) -> str:
        """The answer to a GET as text, such as a pod's log. Raises as `request` does."""
        async with self._open("GET", path, query=query, timeout=timeout) as response:
            return await response.text(errors="replace")

    async def lines(self, path: str, *, query: dict[str, str] | None = None) -> AsyncIterator[str]:
        """The lines of an answer that may go on for ever, such as a followed log. Raises as `request` does."""
        # 0: no limit; a worker may be silent for hours.
        async with self._open("GET", path, query=query, timeout=0) as response:
            # Not the reader's own lines: they have a longest one.
            rest = b""
            async for chunk in response.content.iter_any():
                *complete, rest = (rest + chunk).split(b"\n")
                for line in complete:
                    yield line.decode(errors="replace")
            if rest:
                yield rest.decode(errors="replace")

    @asynccontextmanager
    async def websocket(
        self, path: str, *, query: list[tuple[str, str]], protocol: str
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A connection for messages both ways, such as that of a command in a pod. Raises as `request` does."""
        headers = {"Accept": "*/*", **await self._authorization()}
        try:
            async with self._session.ws_connect(
                self.host + path,
                params=query,
                headers=headers,
                protocols=(protocol,),
                heartbeat=_HEARTBEAT_SECONDS,
                max_msg_size=0,
            ) as socket:
                yield socket
        except aiohttp.WSServerHandshakeError as error:
            # The server's words are in a body that is not handed on.
            reason = {403: "Forbidden", 404: "NotFound"}.get(error.status, "")
            raise ApiError(error.status, reason, f"{path} is refused with status {error.status}") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._no_answer(error) from None

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        body: Object | list[Object] | None = None,
        *,
        query: dict[str, str] | None = None,
        content_type: str | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        options: dict[str, Any] = {"headers": await self._authorization()}
        if body is not None:
            options["data"] = json.dumps(body, separators=(",", ":")).encode()
            options["headers"]["Content-Type"] = content_type or "application/json"
        if timeout is not None:
            options["timeout"] = aiohttp.ClientTimeout(total=timeout or None, sock_connect=_CONNECT_TIMEOUT_SECONDS)
        try:
            async with self._session.request(method, self.host + path, params=query, **options) as response:
                if response.status >= 400:
                    raise _error_of(response.status, await response.text(errors="replace"))
                yield response
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise self._no_answer(error) from None

    def _no_answer(self, error: Exception) -> ConnectionFailedError:
        problem = str(error) or type(error).__name__
        return ConnectionFailedError(f"the API server {self.host} does not answer: {problem}")

    async def credentials(self) -> "Credentials":
        """What another client needs for the same connection; the token may expire."""
        scheme, _, token = (await self._authorization()).get("authorization", "").partition(" ")
        configuration = self._configuration
        return Credentials(
            ca_file=configuration.ssl_ca_cert,
            certificate_file=configuration.cert_file,
            key_file=configuration.key_file,
            scheme=scheme or None,
            token=token or None,
            is_insecure=not configuration.verify_ssl,
        )

    async def _authorization(self) -> dict[str, str]:
        """Asked anew for each request: tokens are renewed."""
        settings = await self._configuration.auth_settings()
        return {setting["key"]: setting["value"] for setting in settings.values() if setting["value"]}


def _ssl_context(configuration: Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _proxy_of(host: str) -> str | None:
    """The proxy by which the environment wants a host to be reached (HTTPS_PROXY, NO_PROXY). Looked up once: aiohttp
    would do it for each request, in threads, which costs as much as the request."""
    url = urlsplit(host)
    if url.hostname is None or proxy_bypass(url.hostname):
        return None
    return getproxies().get(url.scheme)


def _error_of(status: int, text: str) -> ApiError:
    """From the Status object that the server sends, or from whatever stands between us and it."""
    try:
        document = orjson.loads(text)
        details = document.get("details") or {}
        return ApiError(
            status,
            document.get("reason") or "",
            document.get("message") or text,
            tuple(details.get("causes") or ()),
            (document.get("metadata") or {}).get("continue") or "",
        )
    except (ValueError, AttributeError):
        return ApiError(status, "", text.strip()[:1000])
