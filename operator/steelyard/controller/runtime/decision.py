"""What follows from looking at a job of either kind. Pure; imports the runtime's pure parts."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from steelyard.controller.events import Event
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

    def look_within(self, seconds: float) -> None:
        """Sees to it that somebody looks again at the latest after so many seconds."""
        self.again_after = seconds if self.again_after is None else min(seconds, self.again_after)
