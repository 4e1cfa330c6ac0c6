"""`workspace.retain`: what is removed when, and who needs a claim."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from controller_support import NOW, ago

from steelyard.controller.observation import text_of
from steelyard.controller.policies.base import EndedJob
from steelyard.controller.policies.retention import (
    claims_named,
    due,
    has_workspace,
    pause,
    removed_message,
)

CLAIM = "digits-workspace"
PUBLISHED = [{"uri": "pvc://models/digits"}]


def spec(publish: Any = PUBLISHED, **workspace: Any) -> dict[str, Any]:
    """A job's spec, as far as it matters."""
    return {"publish": publish, "workspace": workspace}


def status(end: str = "Complete", *more: dict[str, Any]) -> dict[str, Any]:
    """Of a job that is over."""
    return {"conditions": [{"type": end, "status": "True"}, *more]}


def release_time(spec: dict[str, Any], status: dict[str, Any], end: datetime | None, claim: str) -> datetime | None:
    """When the workspace of a job is removed."""
    return due(EndedJob(spec=spec, job_spec=spec, status=status, ended=end, claim=claim, is_owned=False))


def said(state: str, reason: str, seconds_ago: float) -> dict[str, Any]:
    """What the status says of the workspace."""
    time = text_of(ago(seconds_ago))
    return {"type": "WorkspaceRemoved", "status": state, "reason": reason, "lastTransitionTime": time}


@pytest.mark.parametrize(
    ("workspace", "end", "seconds"),
    [
        ({}, "Complete", 3600),
        ({}, "Failed", None),
        ({"retain": "OnFailure"}, "Complete", 3600),
        ({"retain": "OnFailure", "retainSeconds": 5}, "Failed", None),
        ({"retain": "Never", "retainSeconds": 0}, "Complete", 0),
        ({"retain": "Never", "retainSeconds": 5}, "Failed", 5),
        ({"retain": "Always", "retainSeconds": 5}, "Complete", None),
        ({"retain": "Always"}, "Failed", None),
    ],
)
def test_what_is_not_retained_goes_so_long_after_the_end(
    workspace: dict[str, Any], end: str, seconds: int | None
) -> None:
    time = None if seconds is None else NOW + timedelta(seconds=seconds)
    assert release_time(spec(**workspace), status(end), NOW, CLAIM) == time


@pytest.mark.parametrize("retain", ["OnFailure", "Never"])
@pytest.mark.parametrize("more", [{"publish": []}, {"publish": None}, {"onlyPrepare": True}, {"trial": {"number": 1}}])
def test_a_result_in_the_workspace_is_never_removed(retain: str, more: dict[str, Any]) -> None:
    assert release_time({**spec(retain=retain), **more}, status(), NOW, CLAIM) is None


def test_a_model_that_was_published_to_the_workspace_is_never_removed() -> None:
    there = spec([*PUBLISHED, {"uri": f"pvc://{CLAIM}/model"}], retain="Never")
    assert release_time(there, status(), NOW, CLAIM) is None


def test_a_claim_of_the_users_is_never_removed() -> None:
    assert release_time(spec(claimName="mine", retain="Never"), status(), NOW, CLAIM) is None


@pytest.mark.parametrize(
    "workspace", [{"retain": "Sometimes"}, {"retainSeconds": "5"}, {"retainSeconds": -5}, {"retain": None}]
)
def test_what_an_older_crd_let_in_removes_nothing(workspace: dict[str, Any]) -> None:
    assert release_time(spec(**workspace), status(), NOW, CLAIM) is None
    assert release_time({"publish": PUBLISHED, "workspace": "large"}, status(), None, CLAIM) is None


def test_what_was_removed_is_not_removed_again() -> None:
    assert release_time(spec(), status("Complete", said("True", "Removed", 9)), NOW, CLAIM) is None


def test_what_was_being_removed_goes_on() -> None:
    assert release_time(spec(retainSeconds=0), status("Complete", said("False", "Removing", 9)), NOW, CLAIM) == NOW


def test_a_claim_that_was_needed_is_looked_at_again_a_while_after_and_ever_more_seldom() -> None:
    needed = status("Complete", said("False", "InUse", 9))
    assert release_time(spec(retainSeconds=0), needed, ago(60), CLAIM) == ago(9) + timedelta(seconds=30)
    pauses = [pause(status("Complete", said("False", "InUse", age)), NOW) for age in (0, 60, 400, 4000, 400_000)]
    assert pauses == [30, 30, 100, 1000, 3600]


@pytest.mark.parametrize(
    ("condition", "is_there"),
    [
        ([], True),
        ([said("False", "InUse", 1)], True),
        ([said("False", "Removing", 1)], False),
        ([said("True", "Removed", 1)], False),
    ],
)
def test_a_search_goes_on_as_long_as_its_workspace_is_there(condition: list[dict[str, Any]], is_there: bool) -> None:
    assert has_workspace(status("Complete", *condition)) == is_there


def test_the_claims_that_a_job_names() -> None:
    named = {
        "dataset": {"uri": "pvc://a/x.csv", "testUri": "pvc://b/y.csv"},
        "trained": {"uri": "pvc://c/job/trained"},
        "publish": [{"uri": "pvc://d/model"}, {"uri": "file:models"}, "nonsense"],
        "workspace": {"claimName": "e"},
        "template": {"volumes": [{"source": {"claim": "f"}}, {"source": {"secret": "g"}}]},
    }
    assert sorted(claims_named(named)) == ["a", "b", "c", "d", "e", "f"]
    assert list(claims_named({"dataset": {"uri": "sklearn:digits"}, "publish": {}, "template": {}})) == []


def test_the_message_says_by_which_field_and_how_to_keep_it() -> None:
    assert removed_message("digits-workspace", spec(), "spec.workspace") == (
        "the claim digits-workspace and the pods of all stages, with their logs, were removed 3600 s after the end, as "
        "spec.workspace.retain is OnFailure, the default; with Always they stay as long as the job"
    )
    given = removed_message("a", spec(retain="Never", retainSeconds=7), "spec.template.workspace")
    assert "removed 7 s after the end, as spec.template.workspace.retain is Never; with Always" in given
