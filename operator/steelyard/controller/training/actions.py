"""What a TrainingJob can ask to be done, and what follows from an observation. Imports planning and the controller's
pure parts."""

from dataclasses import dataclass
from typing import TypeAlias

from steelyard.controller.observation import StageJob
from steelyard.controller.policies.base import DeletePod, GiveUpPod
from steelyard.controller.runtime.decision import JobDecision
from steelyard.controller.training.draft import StatusDraft
from steelyard.planning import Stage


@dataclass(frozen=True)
class DeleteJob:
    """Removes a stage's Job with its pods."""

    job: StageJob


@dataclass(frozen=True)
class StopJob:
    """Ends the pods of a stage's Job that live. The dead ones stay, for whoever wants to read their logs."""

    job: StageJob


@dataclass(frozen=True)
class ResumeJob:
    """Lets a stage's Job have pods again."""

    job: StageJob


@dataclass(frozen=True)
class MakeChildren:
    """Makes what a stage needs, and its Job. What is there already stays."""

    stage: Stage
    is_lacking: bool = False
    """Whether also what an earlier stage has made may be gone."""


Action: TypeAlias = GiveUpPod | DeletePod | DeleteJob | StopJob | ResumeJob | MakeChildren


@dataclass
class Decision(JobDecision[StatusDraft, Action]):
    """What follows from the observation of a TrainingJob."""

    needs_pods: bool = False
    """Whether the pods must be looked at before anything can be decided."""
