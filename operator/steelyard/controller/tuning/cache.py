"""What is kept of searches, of their TrainingJobs and of their packs. Imports the runtime and the controller's facts.

Of a child only small facts are kept, and of a trial whose answer is in the log nothing: so a search of a thousand
trials costs next to nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from steelyard.controller.names import workspace_claim_name
from steelyard.controller.runtime.cache import Bodies, Children
from steelyard.controller.tuning.facts import Child, Pack


@dataclass
class TuningCache:
    """TuningJobs, and the children of those that are not over."""

    bodies: Bodies = field(default_factory=lambda: Bodies("tuningjobs"))
    jobs: Children[Child] = field(init=False)
    """TrainingJobs: trials, the one that prepares the data, and the one that publishes the best model."""
    packs: Children[Pack] = field(init=False)

    def __post_init__(self) -> None:
        self.jobs = Children(self.bodies)
        self.packs = Children(self.bodies)

    def drop_answered(self, jobs: Iterable[Child], packs: Iterable[Pack]) -> None:
        """Forgets children whose answers are in the log."""
        for job in jobs:
            self.jobs.drop(job)
        for pack in packs:
            self.packs.drop(pack)

    def claim_of(self, namespace: str, uid: str) -> str | None:
        """The claim that is made for the TuningJob of this uid; None where no such one is known, or it is over."""
        for body in self.bodies.in_namespace(namespace):
            if body["metadata"]["uid"] == uid:
                return workspace_claim_name(body["metadata"]["name"])
        return None
