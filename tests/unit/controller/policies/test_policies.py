"""The policies: endings, disruptions, lost nodes, waiting, the deadline."""

from dataclasses import dataclass, replace
from datetime import datetime

import pytest
from controller_support import NOW, ago, ended, pod, result, stage_job, stage_of
from hypothesis import given
from hypothesis import strategies as st

from steelyard.api.run_policy import RunPolicy
from steelyard.contract.stages import ExitCode, Result
from steelyard.controller.observation import Pod, text_of
from steelyard.controller.policies import deadline
from steelyard.controller.policies.base import GO, Phase, Policies, Verdict, verdicts
from steelyard.controller.policies.clock import counted_seconds
from steelyard.controller.policies.disruptions import KEPT_DEAD_PODS, Disruptions, count_disruptions, superfluous
from steelyard.controller.policies.endings import Broken, Done, Lost, ending_of
from steelyard.controller.policies.lost_nodes import pods_to_give_up
from steelyard.controller.policies.waiting import Wait, start_seconds_left, wait_of

TRAIN = stage_of("train")
PREPARE = stage_of("prepare")


# --- how a stage ended ------------------------------------------------------------------------------------------------


def test_worker_0_says_how_a_stage_was_done() -> None:
    chief = ended("a", 0, result=result(TRAIN, message="10 epochs"))
    other = ended("b", 0, worker=1, result=result(TRAIN, message="what another worker says"))
    assert ending_of(stage_job("train", "Complete"), TRAIN.key, [other, chief]) == Done(chief.result)


def test_only_exit_code_0_is_success() -> None:
    """A document that says so does not make it one: the pod that ended with 0 left none of its own."""
    dead = ended("a", ExitCode.TRY_AGAIN, result=result(TRAIN))
    found = ending_of(stage_job("train", "Complete"), TRAIN.key, [dead])
    assert isinstance(found, Lost)


@pytest.mark.parametrize("pods", [[], [ended("b", 0, worker=1, result=result(TRAIN))]])
def test_a_result_that_nobody_read_is_lost(pods: list[Pod]) -> None:
    assert ending_of(stage_job("train", "Complete"), TRAIN.key, pods) == Lost(
        "the pods of digits-train were gone before the result was read"
    )


@pytest.mark.parametrize(
    "document",
    [None, result(PREPARE), Result("train", "another key", "Succeeded", "done"), Result("train", "", "Succeeded", "")],
)
def test_success_without_a_result_of_this_stage_and_key_fails(document: Result | None) -> None:
    found = ending_of(stage_job("train", "Complete"), TRAIN.key, [ended("a", 0, result=document)])
    assert isinstance(found, Broken) and found.reason == "Crashed"
    assert "worker 0 of train ended with exit code 0" in found.message


@pytest.mark.parametrize(
    ("code", "reason"), [(10, "GateFailed"), (65, "InvalidData"), (78, "InvalidConfiguration")], ids=str
)
def test_a_permanent_exit_code_has_the_documents_reason_or_its_own(code: int, reason: str) -> None:
    job = stage_job("prepare", "Failed", reason="PodFailurePolicy")
    said = ended("a", code, result=result(PREPARE, "CheckFailed", "too few rows"))
    assert ending_of(job, PREPARE.key, [said]) == Broken("CheckFailed", "too few rows")
    for document in (None, result(TRAIN, "CheckFailed", "of another stage")):
        found = ending_of(job, PREPARE.key, [ended("a", code, result=document)])
        assert found == Broken(reason, f"prepare ended with exit code {code} and left no result")


def test_a_permanent_exit_code_counts_more_than_a_later_crash_of_the_others() -> None:
    pods = [ended("a", 1, 0), ended("b", 65, 9, worker=1, result=result(TRAIN, "InvalidData", "a hole"))]
    assert ending_of(stage_job("train", "Failed"), TRAIN.key, pods) == Broken("InvalidData", "a hole")


def test_crashes_end_with_the_words_of_the_last_one() -> None:
    pods = [
        ended("a", 1, 9, result=result(TRAIN, "Crashed", "the first")),
        ended("b", 134, 1, worker=1, result=result(TRAIN, "Crashed", "the last")),
        ended("c", ExitCode.TRY_AGAIN, 0, result=result(TRAIN, "WorkerLost", "an interruption")),
    ]
    found = ending_of(stage_job("train", "Failed", failed=4), TRAIN.key, pods)
    assert isinstance(found, Broken) and found.reason == "BackoffLimitExceeded"
    assert found.message.startswith("worker 1 of train crashed, the last of 4 crashes")
    assert found.message.endswith("the last")


def test_a_stall_is_named_as_what_it_is() -> None:
    pods = [
        ended("a", 1, 9, result=result(TRAIN, "Crashed", "first")),
        ended("b", 1, 1, result=result(TRAIN, "Stalled", "hung")),
    ]
    found = ending_of(stage_job("train", "Failed", failed=2), TRAIN.key, pods)
    assert found == Broken(
        "Stalled", "hung; it ended early 2 times, more often than spec.runPolicy.backoffLimit allows"
    )
    spent = ended("a", ExitCode.SPENT, result=result(TRAIN, "Stalled", "hung too often"))
    assert ending_of(stage_job("train", "Failed"), TRAIN.key, [spent]) == Broken("Stalled", "hung too often")


def test_a_crash_without_a_word_is_told_by_its_code() -> None:
    found = ending_of(stage_job("prepare", "Failed"), PREPARE.key, [ended("a", 1)])
    assert isinstance(found, Broken)
    assert "of 1 crashes" in found.message and found.message.endswith("exit code 1 and left no result")


def test_memory_is_named_where_it_was_short() -> None:
    job = stage_job("train", "Failed")
    by_supervisor = ended("a", 1, result=result(TRAIN, "OutOfMemory", "TensorFlow was killed"))
    found = ending_of(job, TRAIN.key, [by_supervisor])
    assert found == Broken("OutOfMemory", "worker 0 of train: TensorFlow was killed")
    by_kernel = ending_of(job, TRAIN.key, [ended("a", 137, is_out_of_memory=True)])
    assert isinstance(by_kernel, Broken) and by_kernel.reason == "OutOfMemory"
    assert by_kernel.message.endswith("raise spec.template.resources.train.limits.memory")


@pytest.mark.parametrize(
    "pods", [[], [ended("a", 0)], [ended("a", ExitCode.TRY_AGAIN)], [ended("a", 137, is_disrupted=True)]]
)
def test_without_a_crashed_pod_the_job_controllers_words_must_do(pods: list[Pod]) -> None:
    job = stage_job("train", "Failed", reason="DeadlineExceeded", message="it took too long")
    assert ending_of(job, TRAIN.key, pods) == Broken("DeadlineExceeded", "digits-train failed: it took too long")
    unsaid = ending_of(replace(job, reason="", message=""), TRAIN.key, pods)
    assert isinstance(unsaid, Broken) and unsaid.reason == "BackoffLimitExceeded"


# --- interruptions ----------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 50), max_size=12), st.lists(st.integers(0, 12), max_size=5))
def test_however_often_is_looked_each_end_counts_once(seconds: list[int], looks: list[int]) -> None:
    """Pods come in the order of their ends; a look sees all that have ended by then."""
    dead = [ended(f"p{n}", ExitCode.TRY_AGAIN, 100 - second) for n, second in enumerate(sorted(seconds))]
    at_once = count_disruptions(dead, Disruptions(0, None))
    assert at_once.count == len(dead)
    counted = Disruptions(0, None)
    for look in sorted(looks):
        # Ends of the same second are seen together here.
        last = dead[look - 1].finished_at if 0 < look <= len(dead) else None
        counted = count_disruptions([pod for pod in dead if last and pod.finished_at <= last], counted)
    assert count_disruptions(dead, counted).count == len(dead)


@pytest.mark.parametrize(
    ("each", "expected"),
    [
        (ended("a", ExitCode.TRY_AGAIN), 1),
        (ended("a", 137, is_disrupted=True), 1),
        (ended("a", 1), 0),
        (ended("a", 0, is_disrupted=True), 0),
        (pod("a", is_disrupted=True), 0),
        (pod("a", "Failed", is_disrupted=True), 0),
    ],
    ids=["75", "evicted", "crash", "done all the same", "still runs", "no time of an end"],
)
def test_what_counts_as_an_interruption(each: Pod, expected: int) -> None:
    assert count_disruptions([each], Disruptions(0, None)).count == expected


def test_nothing_new_leaves_the_count() -> None:
    before = Disruptions(7, ago(1))
    assert count_disruptions([ended("a", ExitCode.TRY_AGAIN, 1)], before) == before
    assert count_disruptions([ended("a", ExitCode.TRY_AGAIN, 0)], before).count == 8


def test_the_last_dead_pods_are_kept_and_so_is_what_is_not_counted() -> None:
    dead = [ended(f"p{n}", ExitCode.TRY_AGAIN, 10 - n) for n in range(KEPT_DEAD_PODS + 3)]
    others = [pod("runs"), ended("crashed", 1, 100), ended("done", 0, 100)]
    going = ended("going", ExitCode.TRY_AGAIN, 100, deleted_at=NOW)
    everything = [*others, going, *reversed(dead)]
    assert superfluous(everything, Disruptions(6, ago(0))) == dead[:3]
    assert superfluous(everything, Disruptions(2, dead[1].finished_at)) == dead[:2]
    assert superfluous(everything, Disruptions(0, None)) == []
    assert superfluous(dead[:KEPT_DEAD_PODS], Disruptions(3, ago(0))) == []


# --- lost nodes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("each", "expected"),
    [
        (pod("a", is_disrupted=True, deleted_at=ago(60)), True),
        (pod("a", is_disrupted=True, deleted_at=ago(59)), False),
        (pod("a", "Pending", is_disrupted=True, deleted_at=ago(600)), True),
        (pod("a", is_disrupted=True), False),
        (pod("a", deleted_at=ago(600)), False),
        (ended("a", 75, is_disrupted=True, deleted_at=ago(600)), False),
        (ended("a", 0, is_disrupted=True, deleted_at=ago(600)), False),
    ],
    ids=["due", "a second early", "never ran", "not deleted", "deleted by a user", "failed", "succeeded"],
)
def test_a_pod_is_given_up_that_its_node_will_not_end(each: Pod, expected: bool) -> None:
    assert pods_to_give_up([each], 60, NOW) == ([each] if expected else [])


# --- waiting ----------------------------------------------------------------------------------------------------------

WORDS = Wait("FailedCreate", "exceeded quota")
PULL = pod("b", "Pending", waiting_reason="ImagePullBackOff", waiting_message="not there")


@pytest.mark.parametrize(
    ("pods", "words", "expected"),
    [
        ([], None, None),
        ([], WORDS, WORDS),
        ([pod("a")], WORDS, WORDS),
        ([pod("a"), pod("b")], WORDS, None),
        ([pod("a"), pod("b", "Pending")], WORDS, WORDS),
        ([pod("a"), PULL], WORDS, Wait("ImagePullBackOff", "b: not there")),
        ([pod("a"), replace(PULL, waiting_message="")], None, Wait("ImagePullBackOff", "b: ImagePullBackOff")),
        ([pod("a"), pod("c"), replace(PULL, deleted_at=NOW)], WORDS, None),
        ([ended("a", 0), pod("b")], WORDS, None),
        ([ended("a", 1), pod("b")], WORDS, WORDS),
    ],
    ids=["too soon", "none", "one short", "all", "starting", "says", "names", "goes", "one done", "one died"],
)
def test_what_a_stage_of_two_workers_waits_for(pods: list[Pod], words: Wait | None, expected: Wait | None) -> None:
    assert wait_of(pods, 2, words) == expected


@dataclass(frozen=True)
class RanFor:
    """A job that has run for so long, as a policy sees it."""

    counted_seconds: float
    limit: int | None
    noun: str = "the job"
    running: str = "train"
    suspended_since: datetime | None = None

    @property
    def draft(self) -> "RanFor":
        return self

    @property
    def run_policy(self) -> RunPolicy:
        return RunPolicy(activeDeadlineSeconds=self.limit)

    def suspend(self) -> None:
        raise AssertionError

    def resume(self) -> None:
        raise AssertionError


def test_the_time_left() -> None:
    assert start_seconds_left(RunPolicy(startTimeoutSeconds=0), ago(1e6), NOW) is None
    assert start_seconds_left(RunPolicy(startTimeoutSeconds=60), ago(60), NOW) == 0
    assert start_seconds_left(RunPolicy(), NOW, NOW) == 600
    assert deadline.judge(RanFor(1e6, None)) == GO
    assert deadline.judge(RanFor(-1.0, 60)) == Verdict(again_after=61)
    message = "train still ran after 60 s (spec.runPolicy.activeDeadlineSeconds)"
    assert deadline.judge(RanFor(60.0, 60)) == Verdict(Broken("DeadlineExceeded", message))


def test_pauses_do_not_count() -> None:
    began = {"startTime": text_of(ago(100))}
    pause = {"type": "Suspended", "status": "True", "lastTransitionTime": text_of(ago(20))}
    assert counted_seconds({}, NOW) == 0
    assert counted_seconds(began, NOW) == 100
    assert counted_seconds({**began, "suspendedSeconds": 30}, NOW) == 70
    assert counted_seconds({**began, "suspendedSeconds": 30, "conditions": [pause]}, NOW) == 50
    assert counted_seconds({**began, "activeSeconds": 30.5}, NOW) == 30.5, "a search that pauses"
    assert counted_seconds({**began, "activeSince": text_of(ago(20))}, NOW) == 20
    assert counted_seconds({**began, "activeSeconds": 30.5, "activeSince": text_of(ago(20))}, NOW) == 50.5


# --- in what order they are asked -------------------------------------------------------------------------------------

BROKEN = Verdict(Broken("Refused", "no"))


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ([GO, Verdict(again_after=5), GO], 3),
        ([GO, Verdict(holds=True), GO], 2),
        ([BROKEN, Verdict(holds=True)], 1),
        ([], 0),
    ],
    ids=["all", "one holds", "one fails", "none"],
)
def test_no_policy_is_asked_after_one_that_holds_or_fails_the_job(said: list[Verdict], heard: int) -> None:
    policies: Policies[str] = tuple((Phase.RUN, lambda _case, verdict=verdict: verdict) for verdict in said)
    assert list(verdicts(policies, Phase.RUN, "a job")) == said[:heard]
    assert list(verdicts(policies, Phase.ADMIT, "a job")) == [], "each is asked in its phase only"
