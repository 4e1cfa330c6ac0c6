"""`runPolicy.activeDeadlineSeconds`: how long a job may take in all."""

from steelyard.api.run_policy import RunPolicy


def seconds_left(policy: RunPolicy, counted: float) -> float | None:
    """Seconds until the deadline, 0 or less where it has passed; None without one.

    Args:
        policy: the job's.
        counted: for how long the job has run, since its own start: a Job's startTime is reset when it is suspended.
    """
    if policy.active_deadline_seconds is None:
        return None
    return policy.active_deadline_seconds - counted
