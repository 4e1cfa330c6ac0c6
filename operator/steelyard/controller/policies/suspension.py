"""`runPolicy.suspend`: the job pauses, and goes on when it is false again."""

from steelyard.controller.events import Event
from steelyard.controller.policies.base import GO, Case, Verdict


def judge(case: Case) -> Verdict:
    """Says that a job is suspended, or no longer is."""
    is_wanted, is_said = case.run_policy.suspend, case.draft.suspended_since is not None
    if is_wanted and is_said:
        return Verdict(holds=True)
    if is_wanted:
        case.draft.suspend()
        event = Event("Suspended", f"{case.noun} is suspended (spec.runPolicy.suspend)")
        return Verdict(holds=True, events=(event,))
    if is_said:
        case.draft.resume()
        return Verdict(events=(Event("Resumed", f"{case.noun} goes on"),))
    return GO
