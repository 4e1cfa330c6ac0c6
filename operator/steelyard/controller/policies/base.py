"""What a policy is: asked in one phase of a job's life, it gives a verdict. Imports the controller's observation and
events, and what a failure is.

A policy looks at a case, which is what its kind of job shows of itself, and may write into the draft of the status what
is its own there. What is to become of the job it leaves to whoever asked.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol, TypeAlias, TypeVar

from steelyard.api.run_policy import RunPolicy
from steelyard.api.tuning_job import TuningRunPolicy
from steelyard.controller.events import Event
from steelyard.controller.observation import Pod
from steelyard.controller.policies.endings import Broken

CHECK_AGAIN_SECONDS = 5.0
"""How soon a job is looked at again that lacks something, or has something on its way out."""


class Phase(Enum):
    """When in a job's life a policy is asked. Once it is over there are others: see runtime/finished.py."""

    ADMIT = "before anything of it is begun, or goes on"
    RUN = "of what runs, or is to run as soon as it can"


@dataclass(frozen=True)
class GiveUpPod:
    """Says that a pod on a dead node has failed, and removes it."""

    pod: Pod


@dataclass(frozen=True)
class DeletePod:
    """Removes a dead pod that nobody needs."""

    pod: Pod


@dataclass(frozen=True)
class RemakeMissing:
    """Makes again what the pods need and what is gone."""


PodAction: TypeAlias = GiveUpPod | DeletePod | RemakeMissing


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows for a job. As it stands: nothing, it goes its way."""

    failure: Broken | None = None
    """The job has failed; what it asked for until now is no longer done."""
    holds: bool = False
    """The job pauses: what runs is stopped and nothing is begun."""
    actions: tuple[PodAction, ...] = ()
    events: tuple[Event, ...] = ()
    again_after: float | None = None
    """Seconds after which it is to be asked again, though nothing may have changed."""

    @property
    def is_last(self) -> bool:
        """Whether no later policy is asked."""
        return self.holds or self.failure is not None


GO = Verdict()


class JobDraft(Protocol):
    """What every policy may read of a status, and write into it."""

    @property
    def suspended_since(self) -> datetime | None:
        """None where it is not."""

    @property
    def counted_seconds(self) -> float:
        """For how long the job has run, pauses aside."""

    def suspend(self) -> None:
        """The job pauses."""

    def resume(self) -> None:
        """It goes on."""


class Case(Protocol):
    """What every policy sees of a job of either kind."""

    @property
    def run_policy(self) -> RunPolicy | TuningRunPolicy:
        """spec.runPolicy."""

    @property
    def draft(self) -> JobDraft:
        """Its status."""

    @property
    def noun(self) -> str:
        """What the job is, such as the search."""

    @property
    def running(self) -> str:
        """What of it runs, or is to, such as train."""


@dataclass(frozen=True)
class EndedJob:
    """What the policies see of a job of either kind that is over. It is as it is in the cluster: an older CRD may have
    let in anything."""

    spec: Mapping[str, Any]
    job_spec: Mapping[str, Any]
    """The spec of a TrainingJob: its own, or, of a search, that of all its jobs."""
    status: Mapping[str, Any]
    ended: datetime | None
    """status.completionTime; None where it says none."""
    claim: str
    """The name of the workspace that was made for it, where one was."""
    is_owned: bool
    """Whether it belongs to another object, such as a search, and goes with it."""


DueTime: TypeAlias = Callable[[EndedJob], datetime | None]
"""When something is to be done about a job that is over; None where nothing is."""

C = TypeVar("C")
Policy: TypeAlias = Callable[[C], Verdict]
Policies: TypeAlias = tuple[tuple[Phase, Policy[C]], ...]
"""The policies of a kind, in the order in which they are asked."""


def verdicts(policies: Iterable[tuple[Phase, Policy[C]]], phase: Phase, case: C) -> Iterator[Verdict]:
    """What the policies of a phase say, up to the first that has the job pause or fail."""
    for its_phase, judge in policies:
        if its_phase is phase:
            verdict = judge(case)
            yield verdict
            if verdict.is_last:
                return
