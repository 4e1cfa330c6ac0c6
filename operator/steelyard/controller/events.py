"""What is told of a job beside its status. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """An Event of a job, as `kubectl describe` shows it."""

    reason: str
    message: str
    is_warning: bool = False
