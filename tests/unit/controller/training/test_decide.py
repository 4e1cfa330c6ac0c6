"""The state machine: what follows from each observation of a job."""

from dataclasses import replace

import pytest
from controller_support import (
    NOW,
    SUMMARY_OF_FINISH,
    ago,
    begun,
    conditions,
    decided,
    ended,
    job_with,
    observation,
    plan_of,
    pod,
    result,
    stage_job,
    stage_of,
    waiting_since,
)

from steelyard.api.status import TrainingJobStatus
from steelyard.contract.stages import ExitCode, Progress
from steelyard.controller.events import Event
from steelyard.controller.observation import text_of
from steelyard.controller.policies.base import DeletePod, GiveUpPod
from steelyard.controller.policies.endings import Broken
from steelyard.controller.policies.waiting import Wait
from steelyard.controller.runtime.draft import is_terminal
from steelyard.controller.training.actions import DeleteJob, MakeChildren, StopJob
from steelyard.controller.training.decide import decide

JOB = job_with()
PREPARE, TRAIN, FINISH = plan_of(JOB).stages


# --- a job that goes well ---------------------------------------------------------------------------------------------


def test_a_new_job_begins_with_its_first_stage_once_the_status_says_so() -> None:
    decision = decided(JOB, {})
    assert (decision.before, decision.after) == ([], [MakeChildren(PREPARE)])
    assert decision.events == [Event("StageStarted", "prepare begins")]
    status = decision.draft.status
    assert (status["startTime"], status["trainerImage"]) == (text_of(NOW), "trainer:1")
    assert (status["phase"], status["progress"]) == ("Preparing", "prepare")
    assert status["stages"] == [{"name": "prepare", "key": PREPARE.key, "workers": 1, "startTime": text_of(NOW)}]


def test_a_status_that_was_written_is_enough_to_go_on_from() -> None:
    """The operator died between the status and the children."""
    decision = decided(JOB, decided(JOB, {}).draft.status)
    assert decision.draft.changes() == {}
    assert (decision.after, decision.events) == ([MakeChildren(PREPARE)], [])


def test_a_stage_that_runs_is_left_alone() -> None:
    decision = decided(JOB, begun(JOB, "prepare"), stage_job("prepare"))
    assert (decision.before, decision.after, decision.events) == ([], [], [])
    assert decision.draft.changes() == {} and not decision.needs_pods and decision.again_after is None


def test_pods_are_looked_at_before_a_finished_stage_is_judged() -> None:
    decision = decided(JOB, begun(JOB, "prepare"), stage_job("prepare", "Complete"))
    assert decision.needs_pods and decision.draft.changes() == {} and decision.after == []


def test_a_result_ends_a_stage_and_begins_the_next_in_one_write() -> None:
    chief = ended("a", 0, result=result(PREPARE, message="1797 rows"))
    decision = decided(JOB, begun(JOB, "prepare"), stage_job("prepare", "Complete"), pods=[chief])
    prepare, train = decision.draft.status["stages"]
    assert (prepare["completionTime"], prepare["message"]) == (text_of(NOW), "1797 rows")
    assert (train["name"], train["workers"], decision.draft.status["phase"]) == ("train", 2, "Training")
    assert conditions(decision) == {"Prepared": ("True", "Succeeded")}
    assert decision.after == [MakeChildren(TRAIN)]
    assert decision.events == [Event("StageStarted", "train begins with 2 workers")]


def test_the_last_result_completes_the_job_and_shows_the_model() -> None:
    chief = ended("a", 0, result=result(FINISH, message="94 kB", **SUMMARY_OF_FINISH))
    status = begun(JOB, "prepare", "train", "finish")
    decision = decided(JOB, status, stage_job("finish", "Complete"), pods=[chief])
    assert decision.is_over and decision.before == decision.after == []
    assert decision.events == [Event("Complete", "94 kB")]
    done = decision.draft.status
    assert (done["phase"], done["progress"], done["completionTime"]) == ("Complete", "done", text_of(NOW))
    assert (done["metric"], done["size"]) == ("accuracy 0.972", "94 kB")
    assert done["model"]["metrics"] == {"accuracy": {"value": 0.972, "standardError": 0.009}, "logLoss": {"value": 0.1}}
    assert {*conditions(decision)} == {"Prepared", "Trained", "Evaluated", "Compressed", "Published", "Complete"}
    TrainingJobStatus.model_validate(done)


@pytest.mark.parametrize(
    ("overrides", "stages"),
    [
        (["publish=[]", "compression=null"], ["prepare", "train"]),
        (["publish=[]", "compression=null", "dataset.format=Prepared"], ["train"]),
        (["dataset.format=Prepared"], ["train", "finish"]),
    ],
)
def test_a_job_has_the_stages_of_its_plan_and_no_other(overrides: list[str], stages: list[str]) -> None:
    job = job_with(*overrides)
    status: dict[str, object] = {}
    for expected in plan_of(job).stages:
        decision = decided(job, status)
        assert decision.after == [MakeChildren(expected)]
        chief = ended("a", 0, result=result(expected))
        done = decided(job, decision.draft.status, stage_job(expected.name, "Complete"), pods=[chief])
        status = done.draft.status
    assert [stage["name"] for stage in done.draft.status["stages"]] == stages
    assert done.is_over and is_terminal(done.draft.status)


def test_progress_is_shown_with_its_best_figure() -> None:
    sample = Progress("train", 7, 10, "epochs", {"loss": 0.5, "val_accuracy": 0.9512})
    decision = decided(JOB, begun(JOB, "prepare", "train"), stage_job("train"), sample=sample)
    status = decision.draft.status
    assert (status["progress"], status["metric"]) == ("train 7/10", "val_accuracy 0.951")
    assert {"done": 7, "total": 10, "unit": "epochs"}.items() <= status["stages"][-1].items()
    assert decided(JOB, status, stage_job("train"), sample=sample).draft.changes() == {}


def test_a_gang_that_was_started_again_as_it_had_stalled_is_told_of() -> None:
    decision = decided(JOB, begun(JOB, "prepare", "train"), stage_job("train"), stalls=("worker 1 stalled: ...",))
    assert decision.events == [Event("Stalled", "worker 1 stalled: ...", is_warning=True)]
    assert decision.draft.changes() == {}


def test_progress_of_another_stage_is_passed_over() -> None:
    sample = Progress("prepare", 7, 10, "rows")
    assert decided(JOB, begun(JOB, "prepare", "train"), stage_job("train"), sample=sample).draft.changes() == {}


# --- children that are gone, or on their way out ----------------------------------------------------------------------


def test_a_job_that_was_deleted_is_waited_for_and_then_made_again() -> None:
    status = begun(JOB, "prepare", "train")
    going = decided(JOB, status, stage_job("train", is_going=True))
    assert going.again_after and going.after == going.before == []
    gone = decided(JOB, status)
    assert (gone.after, gone.events) == ([MakeChildren(TRAIN)], [])


def test_a_lost_result_makes_the_stage_run_again() -> None:
    status = begun(JOB, "prepare", "train")
    decision = decided(JOB, status, stage_job("train", "Complete"), pods=[])
    assert decision.before == [DeleteJob(stage_job("train", "Complete"))]
    assert [event.reason for event in decision.events] == ["ResultLost"]
    assert decision.draft.changes() == {} and decision.again_after and not decision.is_over


def test_jobs_of_stages_that_are_done_are_not_looked_at() -> None:
    status = begun(JOB, "prepare", "train")
    decision = decided(JOB, status, stage_job("prepare", "Failed"), stage_job("train"))
    assert not decision.needs_pods and not decision.is_over


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_permanent_failure_ends_the_job_with_the_documents_words() -> None:
    bad = ended("a", ExitCode.DATA, result=result(PREPARE, "InvalidData", "row 7 has no target"))
    decision = decided(JOB, begun(JOB, "prepare"), stage_job("prepare", "Failed"), pods=[bad])
    assert decision.is_over and decision.after == [] and decision.again_after is None
    assert conditions(decision) == {"Prepared": ("False", "InvalidData"), "Failed": ("True", "InvalidData")}
    assert decision.events == [Event("InvalidData", "row 7 has no target", is_warning=True)]
    assert (decision.draft.status["phase"], decision.draft.status["completionTime"]) == ("Failed", text_of(NOW))
    assert "waitingSince" not in decision.draft.status


@pytest.mark.parametrize("status", [{}, begun(JOB, "prepare", "train")])
def test_a_defect_fails_the_job_at_whatever_stage_it_is(status: dict[str, object]) -> None:
    defect = Broken("ChildNameTaken", "somebody else's")
    decision = decided(JOB, status, stage_job("train"), defect=defect)
    assert decision.is_over and decision.after == []
    assert decision.before == [StopJob(stage_job("train"))]
    assert conditions(decision)["Failed"] == ("True", "ChildNameTaken")


def test_a_failure_stops_what_runs_and_leaves_what_has_ended_or_goes() -> None:
    children = (stage_job("prepare", "Complete"), stage_job("train", is_going=True))
    decision = decided(JOB, begun(JOB, "prepare", "train"), *children, defect=Broken("ChildRefused", "no"))
    assert decision.before == []


def test_a_job_that_ended_waits_for_nothing() -> None:
    status = waiting_since(begun(JOB, "prepare", "train"), 5)
    decision = decided(JOB, status, stage_job("train"), defect=Broken("ChildRefused", "no"))
    assert conditions(decision)["Waiting"][0] == "False"
    assert decision.draft.status["conditions"][-1]["type"] == "Failed"


# --- the deadline -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("began", "is_over"), [(9, False), (10, True), (11, True)])
def test_the_deadline_counts_from_the_start_of_the_job(began: float, is_over: bool) -> None:
    job = job_with("runPolicy.activeDeadlineSeconds=10")
    decision = decided(job, begun(job, "prepare", seconds_ago=began), stage_job("prepare"))
    assert decision.is_over == is_over
    if is_over:
        assert conditions(decision)["Failed"] == ("True", "DeadlineExceeded")
        assert decision.before == [StopJob(stage_job("prepare"))]
    else:
        assert decision.again_after == 1


def test_what_comes_first_decides_when_to_look_again() -> None:
    waits = Wait("Unschedulable", "no room")
    for seconds, expected in ((100, 5), (2, 2)):
        job = job_with(f"runPolicy.activeDeadlineSeconds={60 + seconds}")
        decision = decided(job, begun(job, "prepare"), stage_job("prepare"), pods=[], words=waits)
        assert decision.again_after == expected


def test_a_result_that_is_there_counts_even_past_the_deadline() -> None:
    job = job_with("publish=[]", "compression=null", "dataset.format=Prepared", "runPolicy.activeDeadlineSeconds=10")
    (train,) = plan_of(job).stages
    status = begun(job, "train", seconds_ago=11)
    chief = ended("a", 0, result=result(train))
    decision = decided(job, status, stage_job("train", "Complete"), pods=[chief])
    assert conditions(decision)["Complete"] == ("True", "Succeeded")


# --- waiting ----------------------------------------------------------------------------------------------------------


def unschedulable(**fields: object) -> object:
    return pod("a", "Pending", waiting_reason="Unschedulable", waiting_message="0/3 nodes", **fields)


def test_a_job_that_lacks_something_says_so_in_the_words_of_who_knows() -> None:
    decision = decided(JOB, begun(JOB, "prepare", "train"), stage_job("train"), pods=[unschedulable()])
    assert conditions(decision)["Waiting"] == ("True", "Unschedulable")
    status = decision.draft.status
    assert (status["phase"], status["progress"], status["waitingSince"]) == ("Waiting", "train", text_of(NOW))
    assert decision.events == [Event("Unschedulable", "train waits: a: 0/3 nodes", is_warning=True)]
    again = decided(JOB, status, stage_job("train"), pods=[unschedulable()])
    assert again.draft.changes() == {} and again.events == []


def test_waiting_ends_when_all_pods_run() -> None:
    status = waiting_since(begun(JOB, "prepare", "train"), 5)
    one = decided(JOB, status, stage_job("train"), pods=[pod("a"), pod("b", "Pending", worker=1)])
    assert conditions(one)["Waiting"][0] == "True"
    both = decided(JOB, status, stage_job("train"), pods=[pod("a"), pod("b", worker=1)])
    assert conditions(both)["Waiting"][0] == "False"
    assert both.draft.status["phase"] == "Training" and both.draft.changes()["waitingSince"] is None


@pytest.mark.parametrize(("waited", "is_over"), [(599, False), (600, True), (601, True)])
def test_who_waits_too_long_fails(waited: float, is_over: bool) -> None:
    status = waiting_since(begun(JOB, "prepare", "train"), waited)
    decision = decided(JOB, status, stage_job("train"), pods=[unschedulable()])
    assert decision.is_over == is_over
    if is_over:
        assert conditions(decision)["Failed"] == ("True", "StartTimeout")
        assert "0/3 nodes" in decision.events[-1].message
        assert decision.draft.changes()["waitingSince"] is None


def test_a_start_timeout_of_0_is_none() -> None:
    job = job_with("runPolicy.startTimeoutSeconds=0")
    status = waiting_since(begun(job, "prepare", "train"), 1e6)
    assert not decided(job, status, stage_job("train"), pods=[unschedulable()]).is_over


def test_a_child_that_can_not_be_made_yet_is_waited_for() -> None:
    obstacle = Wait("Forbidden", "exceeded quota")
    decision = decided(JOB, begun(JOB, "prepare"), obstacle=obstacle)
    assert conditions(decision)["Waiting"] == ("True", "Forbidden")
    assert decision.again_after == 5 and not decision.is_over


def test_a_claim_that_is_not_found_is_made_again_if_it_is_ours() -> None:
    lacking = pod("a", "Pending", waiting_reason="Unschedulable", waiting_message='claim "digits-workspace" not found')
    decision = decided(JOB, begun(JOB, "prepare", "train"), stage_job("train"), pods=[lacking])
    assert decision.after == [MakeChildren(TRAIN, is_lacking=True)]


# --- pods that were lost ----------------------------------------------------------------------------------------------


def interrupted(count: int, first: int = 0) -> list[object]:
    """Pods that ended with "try again", each a second after the one before; the newest last."""
    return [ended(f"dead-{n:03}", ExitCode.TRY_AGAIN, 100 - n) for n in range(first, first + count)]


def test_each_interrupted_pod_is_counted_once_over_several_looks() -> None:
    status = begun(JOB, "prepare", "train")
    for seen, expected in (([], 0), (interrupted(2), 2), (interrupted(2), 2), (interrupted(2, first=1), 3)):
        decision = decided(JOB, status, stage_job("train"), pods=[pod("a"), pod("b", worker=1), *seen])
        status = decision.draft.status
        assert status.get("disruptions", 0) == expected
    assert not decision.is_over


def test_an_interruption_may_have_lost_the_service_too() -> None:
    status = begun(JOB, "prepare", "train")
    decision = decided(JOB, status, stage_job("train"), pods=interrupted(1))
    assert decision.after == [MakeChildren(TRAIN, is_lacking=True)]
    assert decided(JOB, decision.draft.status, stage_job("train"), pods=interrupted(1)).after == []


@pytest.mark.parametrize(("limit", "is_over"), [(0, True), (2, True), (3, False)])
def test_too_many_interruptions_fail_the_job(limit: int, is_over: bool) -> None:
    job = job_with(f"runPolicy.disruptionLimit={limit}")
    *others, last = interrupted(3)
    last = replace(last, result=result(stage_of("train"), "WorkerLost", "worker 1 is silent"))
    decision = decided(job, begun(job, "prepare", "train"), stage_job("train"), pods=[*others, last])
    assert decision.is_over == is_over
    if is_over:
        assert conditions(decision)["Failed"] == ("True", "RetriesExhausted")
        assert decision.events[-1].message.endswith("last: worker 1 is silent")
        assert f"disruptionLimit is {limit}" in decision.events[-1].message
        assert decision.before == [StopJob(stage_job("train"))]


def test_all_but_three_dead_pods_are_removed_once_the_written_status_counts_them() -> None:
    status, dead = begun(JOB, "prepare", "train"), interrupted(5)
    first = decided(JOB, status, stage_job("train"), pods=dead)
    assert first.before == []
    second = decided(JOB, first.draft.status, stage_job("train"), pods=dead)
    assert second.before == [DeletePod(dead[0]), DeletePod(dead[1])]


def test_the_last_dead_pods_are_left_to_read_of_a_job_that_was_interrupted_too_often() -> None:
    job, dead = job_with("runPolicy.disruptionLimit=4"), interrupted(5)
    decision = decided(job, begun(job, "prepare", "train"), stage_job("train"), pods=dead)
    assert decision.before == [StopJob(stage_job("train")), DeletePod(dead[0]), DeletePod(dead[1])]


def test_a_pod_on_a_dead_node_is_given_up_and_counted() -> None:
    lost = pod("a", is_disrupted=True, deleted_at=ago(60))
    decision = decided(JOB, begun(JOB, "prepare", "train"), stage_job("train"), pods=[lost, pod("b", worker=1)])
    assert decision.before == [GiveUpPod(lost)]
    # It leaves nothing that could be counted at the next look.
    assert decision.draft.status["disruptions"] == 1


# --- what never happens -----------------------------------------------------------------------------------------------


def test_a_decision_changes_nothing_of_what_it_was_made_from() -> None:
    status = begun(JOB, "prepare")
    before = repr(status)
    chief = ended("a", 0, result=result(PREPARE))
    seen = observation(JOB, status, stage_job("prepare", "Complete"), pods=[chief])
    first, second = decide(seen, NOW), decide(seen, NOW)
    assert repr(status) == before
    assert first.draft.status == second.draft.status and first.after == second.after
