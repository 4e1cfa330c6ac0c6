"""The state machine: from what is observed of a job to its status and what is to be done. Pure: no clock, no API call.

One reconcile observes, decides and carries out. Each decision starts from the status in the cluster and the children
that are there, never from what an earlier reconcile meant to do; so it does not matter when the operator dies.
Imports planning, the api and the controller's pure parts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

from steelyard.api.training_job import TrainingJob
from steelyard.contract.stages import Progress, Reason, StageName
from steelyard.controller.names import spec_config_map_name, workspace_claim_name
from steelyard.controller.observation import Pod, StageJob
from steelyard.controller.policies import deadline, disruptions, endings, lost_nodes, waiting
from steelyard.controller.policies.waiting import Wait
from steelyard.controller.runtime.decision import JobDecision
from steelyard.controller.runtime.events import Event
from steelyard.controller.training.draft import StatusDraft
from steelyard.planning import Plan, Stage

CHECK_AGAIN_SECONDS = 5.0
"""How soon a job is looked at again that lacks something."""


# --- what is to be done, in the order in which a reconcile does it ----------------------------------------------------


@dataclass(frozen=True)
class GiveUpPod:
    """Says that a pod on a dead node has failed, and removes it."""

    pod: Pod


@dataclass(frozen=True)
class DeletePod:
    """Removes a dead pod that nobody needs."""

    pod: Pod


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


# --- what is observed -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Observation:
    """A job, its children, and what was found out about them."""

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
    obstacle: Wait | None = None
    """What kept the last action from being carried out, and may pass."""
    defect: endings.Broken | None = None
    """What makes the job impossible."""


def decide(seen: Observation, now: datetime) -> Decision:
    """What follows from an observation of a job that is not over."""
    draft = StatusDraft(dict(seen.status), seen.generation, now)
    decision = Decision(draft)
    if draft.started is None:
        draft.start(seen.image)
    stage = next((stage for stage in seen.plan.stages if not draft.is_done(stage.name)), None)
    if seen.defect is not None:
        return _fail(decision, seen, stage.name if stage else None, seen.defect.reason, seen.defect.message)
    _pause_or_go_on(decision, seen, stage)
    while stage is not None:
        next_stage = _advance(decision, seen, stage, now)
        if next_stage is stage or decision.is_over:
            _look_at_the_clock(decision, seen, stage)
            return decision
        stage = next_stage
    _complete(decision, seen)
    return decision


def _pause_or_go_on(decision: Decision, seen: Observation, stage: Stage | None) -> None:
    """Says that a job is suspended, or no longer is."""
    draft, is_wanted = decision.draft, seen.job.spec.run_policy.suspend
    if is_wanted and draft.suspended_since is None:
        draft.suspend()
        decision.events.append(Event("Suspended", "the job is suspended (spec.runPolicy.suspend)"))
    elif not is_wanted and draft.suspended_since is not None:
        draft.resume(stage.name if stage is not None else None)
        decision.events.append(Event("Resumed", "the job goes on"))


def _advance(decision: Decision, seen: Observation, stage: Stage, now: datetime) -> Stage | None:
    """One stage's turn; returns the stage that is to be looked at next, the same one where it still runs."""
    draft, job = decision.draft, seen.jobs.get(stage.name)
    if draft.suspended_since is not None and (job is None or (job.outcome == "Running" and not job.is_going)):
        if job is not None and not job.is_suspended:
            decision.before.append(StopJob(job))
        return stage
    if draft.stage(stage.name) is None:
        draft.start_stage(stage)
        workers = f" with {stage.workers} workers" if stage.workers > 1 else ""
        decision.events.append(Event("StageStarted", f"{stage.name} begins{workers}"))
    if job is None:
        decision.after.append(MakeChildren(stage))
        if seen.obstacle is not None:
            _wait(decision, seen, stage, seen.obstacle, now)
        return stage
    if job.is_going:
        decision.again_after = CHECK_AGAIN_SECONDS
        return stage
    if job.outcome == "Running":
        if job.is_suspended:
            decision.before.append(ResumeJob(job))
        else:
            _watch_over(decision, seen, stage, now)
        return stage
    if seen.pods is None:
        decision.needs_pods = True
        return stage
    match endings.ending_of(job, stage.key, seen.pods):
        case endings.Done(result):
            draft.finish_stage(stage, result, seen.job)
            stages = seen.plan.stages
            following = stages.index(stage) + 1
            return stages[following] if following < len(stages) else None
        case endings.Lost(message):
            decision.before.append(DeleteJob(job))
            decision.events.append(Event("ResultLost", f"{message}; {stage.name} runs again", is_warning=True))
            decision.again_after = CHECK_AGAIN_SECONDS
        case endings.Broken(reason, message):
            _fail(decision, seen, stage.name, reason, message)
    return stage


def _watch_over(decision: Decision, seen: Observation, stage: Stage, now: datetime) -> None:
    """A stage that runs, or tries to."""
    draft = decision.draft
    if seen.sample is not None:
        draft.show_progress(stage.name, seen.sample)
    if seen.pods is None:
        return
    lost = lost_nodes.pods_to_give_up(seen.pods, seen.dead_pod_seconds, now)
    # They will be gone at the next look.
    ends = [replace(pod, phase="Failed", finished_at=now) for pod in lost]
    counted = disruptions.count_disruptions([*seen.pods, *ends], draft.disruptions)
    draft.count(counted)
    if counted.newest is not None:
        # Workers that lost each other may have lost the Service.
        decision.after.append(MakeChildren(stage, is_lacking=True))
    limit = seen.job.spec.run_policy.disruption_limit
    if counted.count > limit:
        last = counted.newest
        what = (last.result.message if last.result else last.disruption) if last is not None else ""
        message = f"pods were interrupted {counted.count} times and spec.runPolicy.disruptionLimit is {limit}"
        _fail(decision, seen, stage.name, Reason.RETRIES_EXHAUSTED, f"{message}; last: {what}" if what else message)
        decision.before += [DeletePod(pod) for pod in disruptions.superfluous(seen.pods, counted)]
        return
    decision.before += [GiveUpPod(pod) for pod in lost]
    # Only pods that an earlier, written status has counted.
    written = disruptions.Disruptions(0, StatusDraft(dict(seen.status), seen.generation, now).disruptions.last)
    decision.before += [DeletePod(pod) for pod in disruptions.superfluous(seen.pods, written)]
    wait = waiting.wait_of(seen.pods, stage.workers, seen.words)
    if wait is not None:
        if _is_own_child_lacking(wait, seen.job.metadata.name):
            decision.after.append(MakeChildren(stage, is_lacking=True))
        _wait(decision, seen, stage, wait, now)
    elif all_run(seen.pods, stage.workers):
        draft.stop_waiting(stage.name)


def _is_own_child_lacking(wait: Wait, job: str) -> bool:
    """Whether pods wait for something that the operator makes, and somebody removed."""
    own = (workspace_claim_name(job), spec_config_map_name(job))
    return "not found" in wait.message and any(f'"{name}"' in wait.message for name in own)


def all_run(pods: Sequence[Pod], workers: int) -> bool:
    """Whether every worker has a pod that runs or has done its work."""
    return len({pod.worker for pod in pods if pod.phase in ("Running", "Succeeded")}) == workers


def _wait(decision: Decision, seen: Observation, stage: Stage, wait: Wait, now: datetime) -> None:
    """The job waits; or has waited too long."""
    draft = decision.draft
    if draft.waiting_since is None:
        decision.events.append(Event(wait.reason, f"{stage.name} waits: {wait.message}", is_warning=True))
    draft.wait(stage.name, wait.reason, wait.message)
    since = draft.waiting_since
    assert since is not None
    policy = seen.job.spec.run_policy
    left = waiting.start_seconds_left(policy, since, now)
    if left is not None and left <= 0:
        _fail(
            decision,
            seen,
            stage.name,
            Reason.START_TIMEOUT,
            f"{stage.name} waited {policy.start_timeout_seconds} s (spec.runPolicy.startTimeoutSeconds) in vain: "
            f"{wait.message}",
        )
        return
    decision.again_after = CHECK_AGAIN_SECONDS


def _look_at_the_clock(decision: Decision, seen: Observation, stage: Stage) -> None:
    """Fails a job whose time is up; else sees to it that somebody looks when it will be."""
    draft = decision.draft
    if draft.suspended_since is not None or decision.is_over:
        return
    match deadline.judge(seen.job.spec.run_policy.active_deadline_seconds, draft.counted_seconds, stage.name):
        case endings.Broken(reason, message):
            _fail(decision, seen, stage.name, reason, message)
        case float(left):
            decision.look_within(left)


def _complete(decision: Decision, seen: Observation) -> None:
    name = seen.plan.stages[-1].name
    last = decision.draft.stage(name)
    assert last is not None
    decision.draft.complete(decision.draft.reason_of(name, seen.job), last["message"])
    decision.events.append(Event("Complete", last["message"]))
    decision.after.clear()
    decision.is_over = True


def _fail(decision: Decision, seen: Observation, stage: StageName | None, reason: str, message: str) -> Decision:
    """The end of a job: nothing is made any more, and what runs is stopped before the status says so."""
    decision.draft.fail(stage, seen.job, reason, message)
    decision.events.append(Event(reason, message, is_warning=True))
    running = [job for job in seen.jobs.values() if job.outcome == "Running" and not job.is_going]
    decision.before = [StopJob(job) for job in running]
    decision.after.clear()
    decision.again_after = None
    decision.is_over = True
    return decision
