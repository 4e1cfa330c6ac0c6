"""The cache: the newest body counts, successors of the same name are told apart, what is over is forgotten."""

from dataclasses import replace
from typing import Any

import pytest
from controller_support import NAME, NAMESPACE, UID, stage_job

from steelyard.controller.training.cache import Cache

KEY = (NAMESPACE, NAME)


def body(version: str | None = "5", uid: str = UID, **fields: Any) -> dict[str, Any]:
    """A TrainingJob; `status`, `generation` and `deletionTimestamp` as they are given."""
    metadata = {"namespace": NAMESPACE, "name": NAME, "uid": uid, "resourceVersion": version}
    metadata |= {name: fields.pop(name) for name in ("deletionTimestamp", "generation") if name in fields}
    return {"metadata": metadata, **fields}


OVER = {"conditions": [{"type": "Prepared", "status": "True"}, {"type": "Complete", "status": "True"}]}


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ("5", "6", "6"),
        ("6", "5", "6"),
        ("9", "10", "10"),
        ("10", "9", "10"),
        ("5", "5", "5"),
        ("5", None, None),
        ("x", "5", "5"),
    ],
)
def test_the_newer_body_is_kept_whatever_comes_last(first: str, second: str | None, kept: str | None) -> None:
    cache = Cache()
    assert cache.bodies.put(body(first)) == KEY
    assert cache.bodies.put(body(second)) == (KEY if kept == second != first else None)
    found = cache.bodies.get(KEY)
    assert found is not None and found["metadata"]["resourceVersion"] == kept


def test_a_successor_of_the_same_name_is_another_job() -> None:
    cache = Cache()
    cache.bodies.put(body("9"))
    cache.bodies.put(body("5", uid="successor"))
    cache.bodies.drop(*KEY, UID)
    found = cache.bodies.get(KEY)
    assert found is not None and found["metadata"]["uid"] == "successor"
    cache.bodies.drop(*KEY, "successor")
    assert cache.bodies.get(KEY) is None and cache.bodies.all_keys() == []
    cache.bodies.drop(*KEY, "successor")


@pytest.mark.parametrize("fields", [{"status": OVER}, {"deletionTimestamp": "2026-01-02T03:04:05Z"}])
def test_what_is_over_or_goes_is_forgotten(fields: dict[str, Any]) -> None:
    cache = Cache()
    cache.bodies.put(body())
    assert cache.bodies.all_keys() == [KEY]
    cache.bodies.put(body("6", **fields))
    assert cache.bodies.get(KEY) is None and cache.bodies.all_keys() == []


@pytest.mark.parametrize(
    "conditions", [[], [{"type": "Complete", "status": "False"}], [{"type": "Trained", "status": "True"}]]
)
def test_what_is_not_over_is_kept(conditions: list[dict[str, str]]) -> None:
    cache = Cache()
    cache.bodies.put(body(status={"conditions": conditions}))
    assert cache.bodies.get(KEY) is not None


def test_an_old_word_of_the_end_does_not_end_it_again() -> None:
    """A job is read again after a conflict; the watch says afterwards what it was before."""
    cache = Cache()
    cache.bodies.put(body("6"))
    cache.bodies.put(body("5", status=OVER))
    assert cache.bodies.get(KEY) is not None


@pytest.mark.parametrize("jobs_come_first", [True, False])
def test_nothing_is_kept_of_a_finished_jobs_jobs_in_whatever_order_they_are_listed(jobs_come_first: bool) -> None:
    cache = Cache()
    complete = [stage_job(stage, "Complete") for stage in ("prepare", "train", "finish")]
    if not jobs_come_first:
        cache.bodies.put(body(status=OVER))
    told = [cache.stage_jobs.put(job) for job in complete]
    assert told == [KEY if jobs_come_first else None] * 3
    if jobs_come_first:
        cache.bodies.put(body(status=OVER))
    assert cache.stage_jobs.put(replace(complete[0], resource_version="9")) is None, "it is counted on after the end"
    assert cache.stages(KEY, UID) == {} and not cache.stage_jobs._by_owner


def test_a_job_that_ends_forgets_its_jobs_but_not_those_of_its_successor() -> None:
    cache = Cache()
    cache.bodies.put(body())
    own = stage_job("prepare")
    successors = stage_job("train", owner_uid="successor")
    cache.stage_jobs.put(own)
    cache.stage_jobs.put(successors)
    cache.bodies.put(body("6", status=OVER))
    assert cache.stages(KEY, UID) == {} and cache.stages(KEY, "successor") == {"train": successors}
    cache.bodies.put(body("7", uid="successor"))
    assert cache.stage_jobs.put(replace(own, owner_uid="successor", uid="new")) == KEY, "the name's former job is over"
    assert cache.stages(KEY, "successor").keys() == {"prepare", "train"}


def test_a_job_that_is_over_stays_so_whatever_is_said_of_it_before() -> None:
    """The answer to the last write comes before the echoes of those that went before."""
    cache = Cache()
    cache.bodies.put(body("5"))
    assert cache.bodies.put(body("9", status=OVER)) == KEY
    assert cache.bodies.put(body("8")) is None and cache.bodies.put(body("9", status=OVER)) is None
    assert cache.bodies.get(KEY) is None and cache.bodies.all_keys() == []


def test_a_job_whose_end_was_taken_back_is_worked_on_again() -> None:
    cache = Cache()
    cache.bodies.put(body("5", status=OVER))
    assert cache.bodies.put(body("6", status={})) == KEY
    assert cache.bodies.get(KEY) is not None and cache.stage_jobs.put(stage_job("prepare")) == KEY


def test_an_edit_after_the_end_is_to_be_answered() -> None:
    cache = Cache()
    cache.bodies.put(body("5", status={**OVER, "observedGeneration": 1}, generation=1))
    assert cache.bodies.put(body("6", status={**OVER, "observedGeneration": 1}, generation=2)) == KEY
    assert cache.bodies.get(KEY) is not None and cache.bodies.all_keys() == [KEY]
    assert cache.bodies.put(body("7", status={**OVER, "observedGeneration": 2}, generation=2)) == KEY
    assert cache.bodies.get(KEY) is None and cache.bodies.all_keys() == []


def test_a_finished_job_that_is_gone_leaves_nothing() -> None:
    cache = Cache()
    cache.bodies.put(body(status=OVER))
    cache.bodies.drop(*KEY, "successor")
    assert cache.bodies._finished
    cache.bodies.drop(*KEY, UID)
    assert not cache.bodies._finished


def test_jobs_of_stages_are_their_controllers() -> None:
    cache = Cache()
    own, foreign = stage_job("prepare"), stage_job("train", owner_uid="another")
    assert cache.stage_jobs.put(own) == cache.stage_jobs.put(foreign) == KEY
    assert cache.stages(KEY, UID) == {"prepare": own}
    assert cache.stages(KEY, "another") == {"train": foreign}
    assert cache.stages(("other", NAME), UID) == {}


def test_the_newer_job_of_a_stage_is_kept() -> None:
    cache = Cache()
    new = stage_job("train", resource_version="10")
    cache.stage_jobs.put(new)
    cache.stage_jobs.put(stage_job("train", "Failed", resource_version="9"))
    assert cache.stages(KEY, UID) == {"train": new}
    again = stage_job("train", uid="made again", resource_version="8")
    cache.stage_jobs.put(again)
    assert cache.stages(KEY, UID) == {"train": again}


def test_only_what_says_something_new_of_a_stage_is_news() -> None:
    cache = Cache()
    running = stage_job("train", resource_version="5")
    assert cache.stage_jobs.put(running) == KEY
    assert cache.stage_jobs.put(running) is None, "the echo of what was made"
    assert cache.stage_jobs.put(replace(running, resource_version="6")) is None
    assert cache.stage_jobs.put(replace(running, resource_version="5", failed=1)) is None, "an old one"
    assert cache.stage_jobs.put(replace(running, resource_version="7", failed=1)) == KEY
    complete = replace(running, resource_version="8", failed=1, outcome="Complete")
    assert cache.stage_jobs.put(complete) == KEY
    assert cache.stage_jobs.put(replace(complete, uid="made again", resource_version="9")) == KEY
    assert cache.stages(KEY, UID)["train"].uid == "made again"


def test_a_job_of_a_stage_goes_but_not_its_successor() -> None:
    cache = Cache()
    old = stage_job("train")
    new = replace(old, uid="made again")
    cache.stage_jobs.put(old)
    cache.stage_jobs.put(new)
    assert cache.stage_jobs.drop(old) == KEY
    assert cache.stages(KEY, UID) == {"train": new}
    cache.stage_jobs.drop(new)
    cache.stage_jobs.drop(new)
    assert cache.stages(KEY, UID) == {} and not cache.stage_jobs._by_owner
