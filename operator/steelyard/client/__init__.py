"""The Python client: jobs and searches from a notebook or a program. Imports tuning, kube, serving and the api."""

from steelyard.client.client import Client
from steelyard.client.errors import JobExistsError, JobFailedError, JobNotFoundError, NotAllowedError, RefusedError
from steelyard.client.handle import JobHandle, SearchHandle

__all__ = [
    "Client",
    "JobExistsError",
    "JobFailedError",
    "JobHandle",
    "JobNotFoundError",
    "NotAllowedError",
    "RefusedError",
    "SearchHandle",
]
