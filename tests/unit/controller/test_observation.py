"""Facts from the bodies that the API server sends; bodies of users' containers too, which hold whatever they like."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.controller.observation import Pod, StageJob, controller_uid, text_of, time_of

LABELS = {"steelyard.dev/job": "digits", "steelyard.dev/stage": "train"}
OWNER = {"kind": "TrainingJob", "name": "digits", "uid": "uid-1", "controller": True}


def job_body(*conditions: dict[str, str], **metadata: Any) -> dict[str, Any]:
    own = {"namespace": "team", "name": "digits-train", "uid": "u", "resourceVersion": "7", "labels": LABELS}
    return {"metadata": {**own, "ownerReferences": [OWNER], **metadata}, "status": {"conditions": [*conditions]}}


def pod_body(state: dict[str, Any] | None = None, *conditions: dict[str, str], **status: Any) -> dict[str, Any]:
    metadata = {"name": "p", "uid": "u", "labels": {**LABELS, "batch.kubernetes.io/job-completion-index": "3"}}
    containers = [{"name": "mesh", "state": {"terminated": {"exitCode": 9}}}, {"name": "trainer", "state": state}]
    return {"metadata": metadata, "status": {"conditions": [*conditions], "containerStatuses": containers, **status}}


def terminated(message: str = "", code: int = 0, **fields: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "message": message, "finishedAt": "2026-01-02T03:04:05Z", **fields}}


def test_a_new_job_runs() -> None:
    job = StageJob.of({"metadata": job_body()["metadata"]})
    assert job is not None
    assert (job.outcome, job.job, job.stage, job.owner_uid) == ("Running", "digits", "train", "uid-1")
    assert (job.failed, job.is_going) == (0, False)


@pytest.mark.parametrize("kind", ["Complete", "Failed"])
def test_a_job_has_ended_when_its_condition_is_true(kind: str) -> None:
    said = {"type": kind, "status": "True", "reason": "R", "message": "M"}
    job = StageJob.of(job_body({"type": "Suspended", "status": "True"}, said))
    assert job is not None and (job.outcome, job.reason, job.message) == (kind, "R", "M")
    # Pods still end after these.
    for early in (said | {"status": "False"}, said | {"type": "FailureTarget"}, said | {"type": "SuccessCriteriaMet"}):
        job = StageJob.of(job_body(early))
        assert job is not None and job.outcome == "Running"


def test_a_deleted_job_is_going() -> None:
    job = StageJob.of(job_body(deletionTimestamp="2026-01-02T03:04:05Z"))
    assert job is not None and job.is_going


@pytest.mark.parametrize(
    "labels",
    [
        None,
        {},
        {"steelyard.dev/job": "digits"},
        {"steelyard.dev/stage": "train"},
        {**LABELS, "steelyard.dev/stage": "other"},
    ],
)
def test_other_jobs_are_no_stages(labels: dict[str, str] | None) -> None:
    assert StageJob.of(job_body(labels=labels)) is None


def test_only_the_controller_owns() -> None:
    assert controller_uid({"ownerReferences": [{**OWNER, "controller": False, "uid": "other"}, OWNER]}) == "uid-1"
    assert controller_uid({"ownerReferences": [{**OWNER, "controller": False}]}) == ""
    assert controller_uid({}) == ""


def test_a_pod_is_read_by_its_trainer_and_not_by_a_container_beside_it() -> None:
    document = {"stage": "train", "key": "k", "reason": "Succeeded", "message": "m", "summary": {}}
    found = Pod.of(pod_body(terminated(json.dumps(document)), phase="Succeeded"))
    assert (found.worker, found.exit_code, found.phase) == (3, 0, "Succeeded")
    assert found.result is not None and found.result.message == "m"
    assert found.finished_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("index", ["", "x", "-1", "1.5"])
def test_a_label_that_somebody_else_wrote_is_no_index(index: str) -> None:
    body = pod_body(terminated())
    assert Pod.of(body).worker == 3
    body["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] = index
    assert Pod.of(body).worker == 0


def test_a_pod_that_is_just_made_has_no_facts() -> None:
    found = Pod.of({"metadata": {"name": "p", "uid": "u"}})
    assert (found.phase, found.worker, found.exit_code, found.result) == ("Pending", 0, None, None)
    assert not found.was_interrupted and found.waiting_reason == ""


def test_what_runs_before_a_program_tells_why_the_pod_has_failed() -> None:
    document = json.dumps({"stage": "train", "key": "k", "reason": "NotWritable", "message": "m", "summary": {}})
    own = [{"name": "mesh-init", "state": terminated("x", 1)}, {"name": "folders", "state": terminated(document, 78)}]
    found = Pod.of(pod_body({"waiting": {"reason": "PodInitializing"}}, initContainerStatuses=own, phase="Failed"))
    assert found.exit_code == 78 and found.result is not None and found.result.reason == "NotWritable"
    own = [{"name": "supervisor", "state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}]
    assert Pod.of(pod_body(None, initContainerStatuses=own)).waiting_reason == "ErrImagePull"
    own = [{"name": "folders", "state": terminated("{}")}]
    found = Pod.of(pod_body(terminated("Killed\nsegmentation fault", 139), initContainerStatuses=own))
    assert (found.exit_code, found.last_words) == (139, "Killed segmentation fault")


GOOD = {"stage": "train", "key": "k", "reason": "Succeeded", "message": "m", "summary": {}}


@pytest.mark.parametrize(
    "document",
    [
        "",
        "killed",
        '{"stage": "train"',
        "[]",
        "null",
        "7",
        "{}",
        json.dumps(GOOD | {"more": 1}),
        json.dumps(GOOD | {"summary": "text"}),
        json.dumps(GOOD | {"summary": None}),
        json.dumps(GOOD | {"reason": 7}),
        json.dumps(GOOD | {"message": ["m"]}),
        '{"stage": "train", "key": "k", "reason": "R", "message": "m", "summary": {"bytes": NaN}}',
        "[" * 4096,
    ],
)
def test_a_message_that_is_no_result_is_none(document: str) -> None:
    assert Pod.of(pod_body(terminated(document))).result is None


@given(st.text(max_size=50) | st.recursive(st.none() | st.integers() | st.text(max_size=3), st.lists).map(json.dumps))
def test_no_message_makes_a_pod_unreadable(message: str) -> None:
    assert Pod.of(pod_body(terminated(message))).result is None


def test_who_ended_it_is_told_apart() -> None:
    evicted = {"type": "DisruptionTarget", "status": "True", "message": "Eviction API"}
    found = Pod.of(pod_body(terminated(code=137), evicted, phase="Failed"))
    assert found.was_interrupted and found.disruption == "Eviction API"
    assert not Pod.of(pod_body(terminated(code=137), evicted | {"status": "False"}, phase="Failed")).was_interrupted
    assert Pod.of(pod_body(terminated(code=75), phase="Failed")).was_interrupted
    assert Pod.of(pod_body(terminated(code=137, reason="OOMKilled"))).is_out_of_memory


@pytest.mark.parametrize(
    ("conditions", "waiting", "expected"),
    [
        ([], None, ("", "")),
        ([], {"reason": "ContainerCreating"}, ("", "")),
        ([], {"reason": "PodInitializing"}, ("", "")),
        ([], {"reason": "ErrImagePull", "message": "no such image"}, ("ErrImagePull", "no such image")),
        ([{"type": "PodScheduled", "status": "True"}], None, ("", "")),
        (
            [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}],
            None,
            ("Unschedulable", "0/3 nodes"),
        ),
        ([{"type": "PodScheduled", "status": "False"}], None, ("Unschedulable", "")),
    ],
)
def test_what_a_pod_waits_for(conditions: list[dict[str, str]], waiting: Any, expected: tuple[str, str]) -> None:
    found = Pod.of(pod_body({"waiting": waiting} if waiting else None, *conditions))
    assert (found.waiting_reason, found.waiting_message) == expected


@given(st.datetimes(datetime(1970, 1, 2), timezones=st.timezones()))
def test_times_come_back_to_the_second(time: datetime) -> None:
    assert time_of(text_of(time)) == time.astimezone(UTC).replace(microsecond=0)
    assert time_of(None) is None and time_of("") is None


def test_a_time_may_be_written_in_small_letters() -> None:
    assert time_of("2026-01-02t03:04:05z") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
