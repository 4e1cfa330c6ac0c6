"""What follows from looking at a job of either kind. Pure; imports the policies and the runtime's pure parts."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from steelyard.controller.events import Event
from steelyard.controller.policies.base import Verdict
from steelyard.controller.runtime.draft import Draft

D = TypeVar("D", bound=Draft)
Action = TypeVar("Action")


@dataclass
class JobDecision(Generic[D, Action]):
    """What follows from an observation."""

    draft: D
    before: list[Action] = field(default_factory=list)
    """What comes before the status is written: after a final status nobody looks at the job again."""
    after: list[Action] = field(default_factory=list)
    """What comes after it: from startTime on the spec can't change, so children are made of what was read."""
    events: list[Event] = field(default_factory=list)
    again_after: float | None = None
    """Seconds after which to look again, though nothing may have changed."""
    is_over: bool = False
    """Whether the job is Complete or Failed."""

    def follow(self, verdict: Verdict) -> None:
        """Takes from a policy's verdict what means the same for both kinds: all but a failure and the actions."""
        self.events += verdict.events
        again_after = verdict.again_after
        if again_after is not None:
            self.again_after = again_after if self.again_after is None else min(again_after, self.again_after)
