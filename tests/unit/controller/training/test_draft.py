"""The status as it is written: only what changed, never what the API server refuses, a terminal condition for good."""

import json
from typing import Any

import pytest
from controller_support import NOW, SUMMARY_OF_FINISH, ago, begun, job_with, plan_of, result
from hypothesis import given
from hypothesis import strategies as st

from steelyard.api.status import TrainingJobStatus
from steelyard.contract.stages import Progress, Result
from steelyard.controller.observation import text_of
from steelyard.controller.policies.disruptions import Disruptions
from steelyard.controller.runtime.draft import is_terminal
from steelyard.controller.training.draft import StatusDraft

JOB = job_with()
PREPARE, TRAIN, FINISH = plan_of(JOB).stages


def merged(status: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """As a merge patch does it, for the fields of the first level."""
    return {name: value for name, value in {**status, **changes}.items() if value is not None}


def test_changes_are_the_fields_that_differ_and_null_for_those_that_are_gone() -> None:
    stages = [{"name": "train"}]
    before = {"a": 1, "waitingSince": text_of(ago(5)), "observedGeneration": 1, "stages": stages}
    draft = StatusDraft(before, 1, NOW)
    assert draft.changes() == {}
    draft.stop_waiting()
    changes = draft.changes()
    assert changes["waitingSince"] is None and changes["phase"] == "Training" and "a" not in changes
    assert merged(before, changes) == draft.status


def test_a_new_generation_is_observed() -> None:
    assert StatusDraft({"observedGeneration": 1}, 2, NOW).changes() == {"observedGeneration": 2}


def test_waiting_keeps_its_beginning_and_its_latest_words() -> None:
    draft = StatusDraft(begun(JOB, "prepare"), 1, ago(9))
    draft.wait("Unschedulable", "no room")
    later = StatusDraft(draft.status, 1, NOW)
    later.wait("ImagePullBackOff", "not there")
    assert later.waiting_since == ago(9)
    (condition,) = later.status["conditions"]
    assert (condition["reason"], condition["message"]) == ("ImagePullBackOff", "not there")
    assert condition["lastTransitionTime"] == text_of(ago(9))


def test_a_count_is_written_once() -> None:
    draft = StatusDraft({"observedGeneration": 1}, 1, NOW)
    draft.count(Disruptions(0, None))
    assert draft.changes() == {}
    draft.count(Disruptions(2, ago(3)))
    assert draft.changes() == {"disruptions": 2, "lastDisruptionTime": text_of(ago(3))}
    assert draft.disruptions == Disruptions(2, ago(3))


def test_only_complete_and_failed_are_terminal() -> None:
    for kind in ("Complete", "Failed"):
        assert is_terminal({"conditions": [{"type": kind, "status": "True"}]})
        assert not is_terminal({"conditions": [{"type": kind, "status": "False"}]})
    assert not is_terminal({}) and not is_terminal({"conditions": [{"type": "Published", "status": "True"}]})


def test_finished_stages_are_those_of_this_draft() -> None:
    draft = StatusDraft(begun(JOB, "prepare", "train"), 1, NOW)
    assert draft.finished_stages() == []
    draft.finish_stage(TRAIN, result(TRAIN, restarts=2), JOB)
    (train,) = draft.finished_stages()
    assert (train["name"], train["restarts"]) == ("train", 2)


def test_a_stage_that_is_done_has_done_all_of_it() -> None:
    draft = StatusDraft(begun(JOB, "prepare", "train"), 1, NOW)
    draft.show_progress("train", Progress("train", 7, 10, "epochs", {"loss": 1.5}))
    draft.finish_stage(TRAIN, result(TRAIN), JOB)
    assert draft.finished_stages()[0]["done"] == 10


def test_a_training_whose_log_was_never_read_has_the_epochs_of_its_result() -> None:
    draft = StatusDraft(begun(JOB, "prepare", "train"), 1, NOW)
    draft.finish_stage(TRAIN, result(TRAIN, epochs=3), JOB)
    (train,) = draft.finished_stages()
    assert (train["done"], train["total"], train["unit"]) == (3, JOB.spec.training.epochs, "epochs")


@pytest.mark.parametrize("epochs", [-1, "2", None, [1]])
def test_epochs_that_are_no_count_are_left_out(epochs: Any) -> None:
    draft = StatusDraft(begun(JOB, "prepare", "train"), 1, NOW)
    draft.finish_stage(TRAIN, result(TRAIN, epochs=epochs), JOB)
    assert not {"done", "total", "unit"} & set(draft.finished_stages()[0])


def test_words_of_others_are_cut_to_the_room_that_the_status_has() -> None:
    """An API server that refuses a child may quote all of it."""
    job = job_with()
    waiting, failed = StatusDraft(begun(job, "prepare"), 1, NOW), StatusDraft(begun(job, "prepare"), 1, NOW)
    waiting.wait("R" * 300, "x" * 40_000)
    failed.fail("prepare", job, "R" * 300, "x" * 40_000)
    for draft in (waiting, failed):
        TrainingJobStatus.model_validate(draft.status)
        said = draft.status["conditions"][-1]
        assert said["reason"] == "R" * 256
        assert said["message"].startswith("xxx") and said["message"].endswith("xxx...")


def test_a_failure_before_any_stage_is_one_all_the_same() -> None:
    draft = StatusDraft({}, 1, NOW)
    draft.fail(None, None, "InvalidManifest", "spec.model: ...")
    assert is_terminal(draft.status) and draft.status["phase"] == "Failed"
    TrainingJobStatus.model_validate(draft.status)


# --- what containers say: a user's own may say anything ---------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"metrics": {"accuracy": 0.9}},
        {"metrics": {"accuracy": [0.9]}},
        {"metrics": ["accuracy"]},
        {"metrics": {"accuracy": ["much", None]}},
        {"metric": 7},
        {"metric": ["accuracy"]},
        {"bytes": -1},
        {"bytes": "94 kB"},
        {"bytes": 1.5},
        {"published": "pvc://models/digits"},
        {"candidates": {"Int8": {}}},
        {"candidates": [{"bytes": 1}]},
        {"digest": "d" * 1000},
        {"metricDrop": float("nan")},
    ],
)
def test_a_summary_that_the_status_has_no_room_for_is_left_out(wrong: dict[str, Any]) -> None:
    draft = StatusDraft(begun(JOB, "prepare", "train", "finish"), 1, NOW)
    draft.finish_stage(FINISH, result(FINISH, **{**SUMMARY_OF_FINISH, **wrong}), JOB)
    assert "model" not in draft.status and "size" not in draft.status
    TrainingJobStatus.model_validate(draft.status)


@pytest.mark.parametrize("restarts", [-1, "2", 1.5, None, True, [1]])
def test_restarts_that_are_no_count_are_left_out(restarts: Any) -> None:
    draft = StatusDraft(begun(JOB, "prepare", "train"), 1, NOW)
    draft.finish_stage(TRAIN, result(TRAIN, restarts=restarts), JOB)
    assert "restarts" not in draft.finished_stages()[0]


@pytest.mark.parametrize(
    "sample",
    [
        Progress("train", -1, 10, "epochs"),
        Progress("train", "7", 10, "epochs"),  # type: ignore[arg-type]
        Progress("train", 7, None, "epochs"),  # type: ignore[arg-type]
        Progress("train", 7, 10, "e" * 300),
        Progress("train", 7, 10, "epochs", {"loss": float("nan")}),
        Progress("train", 7, 10, "epochs", {"loss": "low"}),  # type: ignore[dict-item]
        Progress("train", 7, 10, "epochs", ["loss"]),  # type: ignore[arg-type]
        Progress("train", 7, 10, "epochs", {f"figure{n}": 1.0 for n in range(33)}),
        Progress(["train"], 7, 10, "epochs"),  # type: ignore[arg-type]
    ],
)
def test_progress_that_the_status_has_no_room_for_is_passed_over(sample: Progress) -> None:
    draft = StatusDraft(begun(JOB, "prepare", "train"), 1, NOW)
    draft.show_progress("train", sample)
    assert draft.changes() == {}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=4), one, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*SUMMARY_OF_FINISH, "restarts"]), _JSON))
def test_no_summary_makes_a_status_that_the_api_server_refuses(wrong: dict[str, Any]) -> None:
    draft = StatusDraft(begun(JOB, "prepare", "train", "finish"), 1, NOW)
    document = Result("finish", FINISH.key, "Succeeded", "done", {**SUMMARY_OF_FINISH, **wrong})
    draft.finish_stage(FINISH, document, JOB)
    draft.complete("Succeeded", "done")
    TrainingJobStatus.model_validate(draft.status)
    json.dumps(draft.changes(), allow_nan=False)
