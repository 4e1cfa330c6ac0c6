"""A connection to a Kubernetes API server, for the operator and for the commands. Imports the api only."""

from steelyard.kube.api import Api
from steelyard.kube.errors import ApiError, ConnectionFailedError, Requester
from steelyard.kube.exec import CommandError, exec_output
from steelyard.kube.lists import PAGE_SIZE, pages
from steelyard.kube.paths import path_of

__all__ = [
    "PAGE_SIZE",
    "Api",
    "ApiError",
    "CommandError",
    "ConnectionFailedError",
    "Requester",
    "exec_output",
    "pages",
    "path_of",
]
