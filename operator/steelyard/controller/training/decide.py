"""The state machine: from what is observed of a job to its status and what is to be done. Pure: no clock, no API call.

One reconcile observes, decides and carries out. Each decision starts from the status in the cluster and the children
that are there, never from what an earlier reconcile meant to do; so it does not matter when the operator dies. What the
fields of runPolicy make of a job say its policies (policies.py). Imports planning, the api and the controller's pure
parts.
"""

from datetime import datetime

from steelyard.contract.stages import Reason, StageName
from steelyard.controller.events import Event
from steelyard.controller.policies import endings
from steelyard.controller.policies.base import CHECK_AGAIN_SECONDS, GO, Phase, RemakeMissing, verdicts
from steelyard.controller.training.actions import Decision, DeleteJob, MakeChildren, ResumeJob, StopJob
from steelyard.controller.training.draft import StatusDraft
from steelyard.controller.training.observation import Observation
from steelyard.controller.training.policies import POLICIES, StageCase
from steelyard.controller.training.program_pods import is_own_program
from steelyard.planning import Stage


def decide(seen: Observation, now: datetime) -> Decision:
    """What follows from an observation of a job that is not over."""
    draft = StatusDraft(dict(seen.status), seen.generation, now)
    decision = Decision(draft)
    if draft.started is None:
        draft.start(seen.image)
    stage = next((stage for stage in seen.plan.stages if not draft.is_done(stage.name)), None)
    if seen.defect is not None:
        return _fail(decision, seen, stage.name if stage else None, seen.defect.reason, seen.defect.message)
    is_held = _ask(Phase.ADMIT, decision, StageCase(seen, draft, stage, now))
    while stage is not None and not decision.is_over:
        next_stage = _advance(decision, seen, stage, is_held)
        if next_stage is stage:
            if not is_held and not decision.is_over:
                _ask(Phase.RUN, decision, StageCase(seen, draft, stage, now))
            return decision
        stage = next_stage
    if not decision.is_over:
        _complete(decision, seen)
    return decision


def _ask(phase: Phase, decision: Decision, case: StageCase) -> bool:
    """Asks the policies of a phase and follows them; returns whether one of them has the job pause."""
    verdict = GO
    for verdict in verdicts(POLICIES, phase, case):
        decision.follow(verdict)
        if verdict.failure is not None:
            failure, stage = verdict.failure, case.stage.name if case.stage is not None else None
            _fail(decision, case.seen, stage, failure.reason, failure.message)
        for action in verdict.actions:
            if not isinstance(action, RemakeMissing):
                decision.before.append(action)
            elif case.stage is not None:
                decision.after.append(MakeChildren(case.stage, is_lacking=True))
    return verdict.holds


def _advance(decision: Decision, seen: Observation, stage: Stage, is_held: bool) -> Stage | None:
    """One stage's turn; returns the stage that is to be looked at next, the same one where it still runs."""
    draft, job = decision.draft, seen.jobs.get(stage.name)
    if is_held and (job is None or (job.outcome == "Running" and not job.is_going)):
        if job is not None and not job.is_suspended:
            decision.before.append(StopJob(job))
        return stage
    if draft.stage(stage.name) is None:
        draft.start_stage(stage)
        workers = f" with {stage.workers} workers" if stage.workers > 1 else ""
        decision.events.append(Event("StageStarted", f"{stage.name} begins{workers}"))
    if job is None:
        decision.after.append(MakeChildren(stage))
        return stage
    if job.is_going:
        decision.again_after = CHECK_AGAIN_SECONDS
        return stage
    if job.outcome == "Running":
        if job.is_suspended:
            decision.before.append(ResumeJob(job))
        elif seen.sample is not None:
            draft.show_progress(stage.name, seen.sample)
        decision.events += [Event(Reason.STALLED, told, is_warning=True) for told in seen.stalls]
        return stage
    if seen.pods is None:
        decision.needs_pods = True
        return stage
    own_program = is_own_program(seen.job.spec, stage.name)
    match endings.ending_of(job, stage.key, seen.pods, own_program=own_program):
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
