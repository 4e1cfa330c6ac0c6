"""Reading a TrainingJob's status, for all tests that have a cluster."""

from typing import Any


def condition(job: dict[str, Any], kind: str) -> dict[str, Any]:
    """A condition of a job; empty where it has none of that kind."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition["type"] == kind), {})


def is_over(job: dict[str, Any]) -> bool:
    """Whether a job is Complete or Failed."""
    return any(condition(job, kind).get("status") == "True" for kind in ("Complete", "Failed"))
