"""`workspace.retain`: some time after its end the claim that was made for a job is removed, with the Jobs of its
stages, since even a pod that has ended keeps a claim from going.

Nothing goes where the result lies in the workspace, and nothing that another job needs. Imports the api and the
controller's observation.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from steelyard.api.places import mounted_claim
from steelyard.controller.observation import condition_of, is_true, time_of
from steelyard.controller.policies.base import EndedJob

CONDITION = "WorkspaceRemoved"
REMOVED, REMOVING, IN_USE = "Removed", "Removing", "InUse"
"""Reasons of the condition: True because of the first, False because of the others."""
DEFAULT_SECONDS = 3600
_FIRST_LOOK_SECONDS, _LONGEST_PAUSE_SECONDS = 30.0, 3600.0


def due(job: EndedJob) -> datetime | None:
    """When the workspace of a job is to be removed; None where it stays, or has gone."""
    spec, status, ended = job.job_spec, job.status, job.ended
    workspace = _part(spec, "workspace")
    retain, seconds = workspace.get("retain", "OnFailure"), workspace.get("retainSeconds", DEFAULT_SECONDS)
    if ended is None or workspace.get("claimName") or not is_all_published(spec, job.claim):
        return None
    if retain not in ("OnFailure", "Never") or not isinstance(seconds, int) or seconds < 0:
        return None
    if retain == "OnFailure" and not is_true(status, "Complete"):
        return None
    condition = condition_of(status, CONDITION)
    if condition.get("status") == "True":
        return None
    time = ended + timedelta(seconds=seconds)
    if condition.get("reason") == IN_USE and (since := time_of(condition.get("lastTransitionTime"))) is not None:
        return max(time, since + timedelta(seconds=_FIRST_LOOK_SECONDS))
    return time


def is_all_published(spec: Mapping[str, Any], claim: str) -> bool:
    """Whether a job's result lies elsewhere than in its workspace, the claim that was made for it."""
    targets = [mounted_claim(target.get("uri")) for target in _parts(spec, "publish")]
    return bool(targets) and claim not in targets and not spec.get("onlyPrepare") and not spec.get("trial")


def has_workspace(status: Mapping[str, Any]) -> bool:
    """Whether the workspace is there, and will stay as long as the job is not over."""
    return condition_of(status, CONDITION).get("reason") not in (REMOVED, REMOVING)


def pause(status: Mapping[str, Any], now: datetime) -> float:
    """Seconds until it is looked again whether somebody still needs the claim: the longer it is, the more seldom."""
    since = time_of(condition_of(status, CONDITION).get("lastTransitionTime"))
    waited = 0.0 if since is None else (now - since).total_seconds()
    return min(_LONGEST_PAUSE_SECONDS, max(_FIRST_LOOK_SECONDS, waited / 4))


def claims_named(spec: Mapping[str, Any]) -> Iterator[str]:
    """The claims that a job reads from, writes to or works on.

    Args:
        spec: of a TrainingJob, or a TuningJob's template, as it is in the cluster.
    """
    if isinstance(claim := _part(spec, "workspace").get("claimName"), str):
        yield claim
    for volume in _parts(_part(spec, "template"), "volumes"):
        if isinstance(claim := _part(volume, "source").get("claim"), str):
            yield claim
    dataset, trained = _part(spec, "dataset"), _part(spec, "trained")
    uris = [dataset.get("uri"), dataset.get("testUri"), trained.get("uri")]
    for uri in (*uris, *(target.get("uri") for target in _parts(spec, "publish"))):
        if (named := mounted_claim(uri)) is not None:
            yield named


def removed_message(claim: str, spec: Mapping[str, Any], field: str) -> str:
    """Says of what has gone by which field, and how it stays next time.

    Args:
        claim: that has gone.
        spec: as of `claims_named`.
        field: where `workspace` is, such as spec.workspace.
    """
    workspace = _part(spec, "workspace")
    retain, seconds = workspace.get("retain", "OnFailure"), workspace.get("retainSeconds", DEFAULT_SECONDS)
    default = "" if "retain" in workspace else ", the default"
    return (
        f"the claim {claim} and the pods of all stages, with their logs, were removed {seconds} s after the end, as "
        f"{field}.retain is {retain}{default}; with Always they stay as long as the job"
    )


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = whole.get(name)
    return part if isinstance(part, Mapping) else {}


def _parts(whole: Mapping[str, Any], name: str) -> Iterable[Mapping[str, Any]]:
    parts = whole.get(name)
    return [part for part in parts if isinstance(part, Mapping)] if isinstance(parts, list) else ()
