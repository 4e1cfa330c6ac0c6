"""A client of the API server for what kubectl is too slow or too coarse for: a few lines upon the standard library."""

import http.client
import json
import ssl
import tempfile
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml


class ApiError(Exception):
    """An answer other than 2xx."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Api:
    """Requests with the user of a kubeconfig; each has a connection of its own, so threads may share it."""

    def __init__(self, kubeconfig: Path, timeout: float = 60) -> None:
        document = yaml.safe_load(kubeconfig.read_text())
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        self._address = urlsplit(cluster["server"]).netloc
        self._timeout = timeout
        self._context = ssl.create_default_context(cadata=b64decode(cluster["certificate-authority-data"]).decode())
        self._headers = {"Accept": "application/json"}
        if "token" in user:
            self._headers["Authorization"] = f"Bearer {user['token']}"
        else:
            with tempfile.NamedTemporaryFile() as file:
                file.write(b64decode(user["client-certificate-data"]) + b64decode(user["client-key-data"]))
                file.flush()
                self._context.load_cert_chain(file.name)

    def request(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> Any:
        """One request; gives the document that came back. Raises ApiError, OSError."""
        connection, answer = self._send(method, path, body, content_type)
        try:
            return json.loads(answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """A document. Raises ApiError, OSError."""
        return self.request("GET", path)

    def watch(self, path: str, **parameters: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The objects of a list, then each change: (ADDED, MODIFIED or DELETED, object); ends with the connection.

        Raises ApiError, OSError.
        """
        listed = self.get(f"{path}?{urlencode(parameters)}")
        yield from (("ADDED", item) for item in listed["items"])
        more = {"watch": "true", "resourceVersion": listed["metadata"]["resourceVersion"], **parameters}
        connection, answer = self._send("GET", f"{path}?{urlencode(more)}", None, "", timeout=None)
        try:
            for line in answer:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                yield event["type"], event["object"]
        except (http.client.HTTPException, ValueError) as error:
            raise ConnectionError("the watch was cut off in the middle") from error
        finally:
            connection.close()

    def _send(
        self, method: str, path: str, body: object, content_type: str, timeout: float | None = 0
    ) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
        patience = self._timeout if timeout == 0 else timeout
        connection = http.client.HTTPSConnection(self._address, timeout=patience, context=self._context)
        headers = self._headers | ({"Content-Type": content_type} if body is not None else {})
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            if answer.status >= 300:
                text = answer.read().decode(errors="replace")
                raise ApiError(answer.status, _message(text))
        except BaseException:
            connection.close()
            raise
        return connection, answer


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text
