"""The policies of searches, and what they see. Imports the api and the controller's pure parts."""

from dataclasses import dataclass

from steelyard.api.tuning_job import TuningRunPolicy
from steelyard.controller.policies import deadline, suspension
from steelyard.controller.policies.base import Phase, Policies
from steelyard.controller.tuning.draft import TuningDraft
from steelyard.controller.tuning.observation import SearchObservation


@dataclass(frozen=True)
class SearchCase:
    """A search as a whole; its trials are TrainingJobs and have policies of their own."""

    seen: SearchObservation
    draft: TuningDraft
    noun: str = "the search"
    running: str = "the search"

    @property
    def run_policy(self) -> TuningRunPolicy:
        """spec.runPolicy."""
        return self.seen.spec.run_policy


POLICIES: Policies[SearchCase] = (
    (Phase.ADMIT, suspension.judge),
    # Before trials are asked for: what is just being made would be stopped again.
    (Phase.ADMIT, deadline.judge),
)
