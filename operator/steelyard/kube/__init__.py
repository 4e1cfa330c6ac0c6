"""A connection to a Kubernetes API server, for the operator and for the commands. Imports the api only."""

from steelyard.kube.api import Api
from steelyard.kube.errors import ApiError, ConnectionFailedError, Requester
from steelyard.kube.exec import CommandError, exec_output
from steelyard.kube.paths import path_of

__all__ = ["Api", "ApiError", "CommandError", "ConnectionFailedError", "Requester", "exec_output", "path_of"]
