"""A TrainingJob, its children, and what was found out about them. Imports planning, the api and the controller's pure
parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from steelyard.api.training_job import TrainingJob
from steelyard.contract.stages import Progress, StageName
from steelyard.controller.observation import Pod, StageJob
from steelyard.controller.policies.endings import Broken
from steelyard.controller.policies.waiting import Wait
from steelyard.planning import Plan


@dataclass(frozen=True)
class Observation:
    """What is seen of a job that is not over."""

    job: TrainingJob
    plan: Plan
    image: str
    """The trainer's image that a job which begins now is given."""
    generation: int
    status: Mapping[str, Any]
    jobs: Mapping[StageName, StageJob]
    """Of this job's uid."""
    dead_pod_seconds: float
    pods: Sequence[Pod] | None = None
    """Of the stage that runs; None where nobody looked."""
    words: Wait | None = None
    """What Events say of pods that are lacking."""
    sample: Progress | None = None
    """The newest progress that a log shows."""
    stalls: tuple[str, ...] = ()
    """Why its workers were started again, where they had stalled, and nobody was told of it."""
    obstacle: Wait | None = None
    """What kept the last action from being carried out, and may pass."""
    defect: Broken | None = None
    """What makes the job impossible."""
