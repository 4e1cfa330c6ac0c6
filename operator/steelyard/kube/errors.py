"""What can go wrong between us and an API server, and what every way to it has in common. Imports the api only."""

from typing import Any, Protocol, TypeAlias, TypedDict, Unpack

from steelyard.api.errors import ConfigurationError
from steelyard.contract.stages import Reason

Object: TypeAlias = dict[str, Any]
"""An object of the cluster as plain JSON values: on the operator's hot path models cost more than the work itself."""


class ApiError(Exception):
    """The API server refused a request."""

    def __init__(
        self, status: int, reason: str, message: str, causes: tuple[Object, ...] = (), continue_token: str = ""
    ) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        """The HTTP status, such as 404."""
        self.reason = reason
        """The server's reason, such as NotFound, AlreadyExists, Conflict, Forbidden, Invalid."""
        self.message = message
        """The server's words."""
        self.causes = causes
        """The server's list of what is wrong: {"field", "message", "reason"} each."""
        self.continue_token = continue_token
        """Where a list took too long (status 410): by what the rest of it can be had; else empty."""

    @property
    def is_passing(self) -> bool:
        """Whether the same request may succeed later: an overloaded or restarting server, too many requests."""
        return self.status in (408, 429) or self.status >= 500


class ConnectionFailedError(ConfigurationError):
    """No API server answers, or it is not clear which one to ask."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason=Reason.NO_CONNECTION)


class RequestOptions(TypedDict, total=False):
    """What a request may have beside its path and body."""

    query: dict[str, str] | None
    """Further parameters, such as labelSelector."""
    content_type: str | None
    """Of the body; a PATCH needs one, such as application/merge-patch+json."""
    timeout: float | None
    """Seconds. Default: the connection's own."""


class Requester(Protocol):
    """Anything that requests can be sent through: a connection, or what guards or counts its requests."""

    async def request(
        self,
        method: str,
        path: str,
        body: Object | list[Object] | None = None,
        **options: Unpack[RequestOptions],
    ) -> Object:
        """Sends a request and returns the object that the server answers with.

        Args:
            method: GET, POST, PATCH, PUT or DELETE.
            path: the path, from `path_of`.
            body: what is sent.
            options: see RequestOptions.

        Raises:
            ApiError: the server refused.
            ConnectionFailedError: there was no answer.
        """
        ...
