"""The Python client: TrainingJobs from a notebook or a program. Imports planning, kube, serving and the api only."""

from steelyard.client.client import Client
from steelyard.client.errors import JobExistsError, JobFailedError, JobNotFoundError, NotAllowedError, RefusedError
from steelyard.client.handle import JobHandle

__all__ = [
    "Client",
    "JobExistsError",
    "JobFailedError",
    "JobHandle",
    "JobNotFoundError",
    "NotAllowedError",
    "RefusedError",
]
