"""spec.runPolicy.suspend of a TrainingJob: its pods end, nothing begins, no time counts; then it goes on."""

from dataclasses import replace

from controller_support import (
    NOW,
    ago,
    begun,
    conditions,
    decided,
    ended,
    job_with,
    plan_of,
    pod,
    result,
    stage_job,
    waiting_since,
)

from steelyard.api.status import TrainingJobStatus
from steelyard.controller.training.actions import MakeChildren, ResumeJob, StopJob
from steelyard.controller.training.draft import StatusDraft

JOB, PAUSED = job_with(), job_with("runPolicy.suspend=true")
PREPARE, TRAIN, FINISH = plan_of(JOB).stages


def test_a_suspended_job_ends_its_pods_and_says_so() -> None:
    status = begun(JOB, "prepare", "train")
    running = stage_job("train")
    decision = decided(PAUSED, status, running)
    assert (decision.before, decision.after) == ([StopJob(running)], [])
    assert conditions(decision)["Suspended"] == ("True", "Suspended") and decision.draft.status["phase"] == "Suspended"
    assert [event.reason for event in decision.events] == ["Suspended"]
    TrainingJobStatus.model_validate(decision.draft.status)
    again = decided(PAUSED, decision.draft.status, replace(running, is_suspended=True))
    assert (again.before, again.after, again.draft.changes(), again.events) == ([], [], {}, [])


def test_a_job_that_is_suspended_from_the_beginning_makes_nothing() -> None:
    decision = decided(PAUSED, {})
    assert (decision.before, decision.after) == ([], []) and "startTime" in decision.draft.status


def test_a_stage_that_ended_is_read_but_the_next_one_does_not_begin() -> None:
    chief = ended("a", 0, result=result(PREPARE))
    decision = decided(PAUSED, begun(JOB, "prepare"), stage_job("prepare", "Complete"), pods=[chief])
    assert conditions(decision)["Prepared"] == ("True", "Succeeded") and decision.after == []
    assert [stage["name"] for stage in decision.draft.status["stages"]] == ["prepare"]
    on = decided(JOB, decision.draft.status, stage_job("prepare", "Complete"))
    assert on.after == [MakeChildren(TRAIN)] and on.draft.status["phase"] == "Training"


def test_a_job_goes_on_where_it_was_and_the_pause_does_not_count() -> None:
    limit = "runPolicy.activeDeadlineSeconds=100"
    draft = StatusDraft(begun(JOB, "prepare", "train", seconds_ago=1000), 1, ago(950))
    draft.suspend()
    stopped = stage_job("train", is_suspended=True)
    assert decided(job_with(limit, "runPolicy.suspend=true"), draft.status, stopped).is_over is False
    decision = decided(job_with(limit), draft.status, stopped)
    assert decision.before == [ResumeJob(stopped)] and not decision.is_over
    assert conditions(decision)["Suspended"] == ("False", "Resumed") and decision.draft.status["phase"] == "Training"
    assert decision.draft.status["suspendedSeconds"] == 950 and decision.again_after == 50


def test_a_second_pause_adds_to_the_first() -> None:
    draft = StatusDraft({**begun(JOB, "prepare"), "suspendedSeconds": 30}, 1, ago(20))
    draft.suspend()
    later = StatusDraft(draft.status, 1, NOW)
    later.resume()
    assert later.suspended_seconds == 50 and later.suspended_since is None


def test_who_pauses_does_not_wait() -> None:
    status = waiting_since(begun(JOB, "prepare", "train"), 590)
    decision = decided(PAUSED, status, stage_job("train"), pods=[pod(phase="Pending")])
    assert "waitingSince" not in decision.draft.status and conditions(decision)["Waiting"] == ("False", "Suspended")
