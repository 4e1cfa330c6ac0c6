"""What is kept of TrainingJobs and of their stages' Jobs. Imports the runtime and the controller's observation."""

from dataclasses import dataclass, field

from steelyard.contract.stages import StageName
from steelyard.controller.observation import StageJob
from steelyard.controller.runtime.cache import Bodies, Children, Key


@dataclass
class Cache:
    """TrainingJobs, and the Jobs of stages of those that are not over."""

    bodies: Bodies = field(default_factory=lambda: Bodies("trainingjobs"))
    stage_jobs: Children[StageJob] = field(init=False)

    def __post_init__(self) -> None:
        self.stage_jobs = Children(self.bodies)

    def stages(self, key: Key, uid: str) -> dict[StageName, StageJob]:
        """The Jobs that the TrainingJob of this uid controls, by stage; none where it is over."""
        return {job.stage: job for job in self.stage_jobs.of(key, uid)}
