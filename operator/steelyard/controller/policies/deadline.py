"""`runPolicy.activeDeadlineSeconds`: how long a job may take in all."""

from steelyard.contract.stages import Reason
from steelyard.controller.policies.base import GO, Case, Verdict
from steelyard.controller.policies.endings import Broken


def judge(case: Case) -> Verdict:
    """Fails a job whose time is up; else sees to it that somebody looks when it will be.

    The time is the job's own: a Job's startTime is reset when it is suspended."""
    limit = case.run_policy.active_deadline_seconds
    if limit is None:
        return GO
    counted = case.draft.counted_seconds
    if counted >= limit:
        message = f"{case.running} still ran after {limit} s (spec.runPolicy.activeDeadlineSeconds)"
        return Verdict(Broken(Reason.DEADLINE_EXCEEDED, message))
    return Verdict(again_after=limit - counted)
