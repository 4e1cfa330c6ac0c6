"""The policies of TrainingJobs, and what they see. Imports planning, the api and the controller's pure parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from steelyard.api.run_policy import RunPolicy
from steelyard.controller.names import spec_config_map_name, workspace_claim_name
from steelyard.controller.observation import Pod, StageJob
from steelyard.controller.policies import deadline, disruptions, lost_nodes, suspension, waiting
from steelyard.controller.policies.base import Phase, Policies
from steelyard.controller.policies.waiting import Wait
from steelyard.controller.training.draft import StatusDraft
from steelyard.controller.training.observation import Observation
from steelyard.controller.training.program_pods import is_own_program
from steelyard.planning import Stage
from steelyard.texts.images import ways_out


@dataclass(slots=True)
class StageCase:
    """A job, and the stage that is not done. Made at every reconcile, so as cheap as can be."""

    seen: Observation
    draft: StatusDraft
    stage: Stage | None
    """None where all are done."""
    now: datetime
    noun: str = "the job"

    @property
    def run_policy(self) -> RunPolicy:
        """spec.runPolicy."""
        return self.seen.job.spec.run_policy

    @property
    def running(self) -> str:
        """The stage that is not done."""
        return self.stage.name if self.stage is not None else ""

    @property
    def workers(self) -> int:
        """How many pods it needs."""
        return self.stage.workers if self.stage is not None else 0

    @property
    def pods(self) -> Sequence[Pod] | None:
        """Of its Job, where that is to have pods; None where nobody looked at them."""
        job = self._job
        is_at_work = job is not None and job.outcome == "Running" and not job.is_going and not job.is_suspended
        return self.seen.pods if is_at_work else None

    def told(self, wait: Wait) -> Wait:
        """With what to do about an image of the user's own."""
        if not is_own_program(self.seen.job.spec, self.running):
            return wait
        way = ways_out(f"{wait.reason}: {wait.message}")
        return Wait(wait.reason, f"{wait.message}; {way}") if way else wait

    @property
    def words(self) -> Wait | None:
        """What Events say of pods that are lacking."""
        return self.seen.words

    @property
    def obstacle(self) -> Wait | None:
        """What kept the stage's Job from being made, and may pass."""
        return self.seen.obstacle if self._job is None else None

    @property
    def own_children(self) -> tuple[str, ...]:
        """What the operator makes for all stages."""
        name = self.seen.job.metadata.name
        return (workspace_claim_name(name), spec_config_map_name(name))

    @property
    def dead_pod_seconds(self) -> float:
        """How long a pod may be on its way out."""
        return self.seen.dead_pod_seconds

    @property
    def _job(self) -> StageJob | None:
        return self.seen.jobs.get(self.stage.name) if self.stage is not None else None


POLICIES: Policies[StageCase] = (
    (Phase.ADMIT, suspension.judge),
    (Phase.RUN, lost_nodes.judge),
    (Phase.RUN, disruptions.judge),
    (Phase.RUN, waiting.judge),
    # What is done in time is not undone.
    (Phase.RUN, deadline.judge),
)
