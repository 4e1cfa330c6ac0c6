"""What the operator reads from the cluster and writes to it, in the controller's own terms.

No state, no decision: each function is one or two requests. Imports kube, the api and the controller's pure parts.
"""

import hashlib
from datetime import datetime
from typing import Any

from steelyard.contract.stages import Reason, StageName
from steelyard.controller.events import Event
from steelyard.controller.names import CONTAINER, JOB_LABEL, STAGE_LABEL
from steelyard.controller.observation import Pod, StageJob, controller_uid, text_of
from steelyard.controller.policies.endings import Broken
from steelyard.controller.policies.waiting import Wait
from steelyard.controller.runtime.log_tail import LogTail
from steelyard.kube import Api, ApiError, Requester, path_of
from steelyard.kube.errors import Object

MERGE_PATCH = "application/merge-patch+json"
LOG_TIMEOUT_SECONDS = 5.0
_LOG_LINES = 50
_LONGEST_EVENT = 1000


class NotNowError(Exception):
    """Something is in the way that passes by itself, such as an old child on its way out; try again later."""


class ObstacleError(Exception):
    """A child can't be made."""

    def __init__(self, reason: str, message: str, *, may_pass: bool) -> None:
        super().__init__(message)
        self.wait = Wait(reason, message)
        self.defect = None if may_pass else Broken(reason, message)

    @property
    def is_refusal(self) -> bool:
        """Whether the API server finds fault with the child itself."""
        return self.wait.reason == Reason.CHILD_REFUSED


async def make_child(api: Requester, resource: str, body: Object) -> Object:
    """Makes a child, or finds that it is there.

    What already has its name is kept as it is where it is this job's own; it is waited for where it is on its way out
    or belongs to a former job of the same name. It is never adopted: an old Job would bring its old result.

    Raises:
        NotNowError: an old child is in the way.
        ObstacleError: somebody else's object has the name, or the API server refuses the child.
        ApiError: anything else.
    """
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    try:
        return await api.request("POST", path_of(resource, namespace), body)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise _refusal(error, body) or error from None
    try:
        found = await api.request("GET", path_of(resource, namespace, name))
    except ApiError as error:
        if error.status == 404:
            raise NotNowError(f"{resource} {name} was there and is gone") from None
        raise
    metadata = found["metadata"]
    own = body["metadata"]["ownerReferences"][0]
    if "deletionTimestamp" in metadata:
        raise NotNowError(f"the old {resource} {name} is still on its way out")
    if controller_uid(metadata) == own["uid"]:
        return found
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller") and (reference["kind"], reference["name"]) == (own["kind"], own["name"]):
            raise NotNowError(f"{resource} {name} belongs to a former job of the same name and is not yet gone")
    kind = body["kind"]
    raise ObstacleError(
        Reason.CHILD_NAME_TAKEN,
        f"the job needs a {kind} named {name}, but one is there that is not its own; remove it, or rename the job",
        may_pass=False,
    )


async def ensure_child(api: Requester, resource: str, body: Object) -> None:
    """Makes a child that may be gone, after a look whether it is. Raises as `make_child` does."""
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    try:
        await api.request("GET", path_of(resource, namespace, name))
    except ApiError as error:
        if error.status != 404:
            raise
        await make_child(api, resource, body)


def _refusal(error: ApiError, body: Object) -> ObstacleError | None:
    """What the API server's refusal of a child means; None where it says nothing of the child."""
    what = f"{body['kind']} {body['metadata']['name']}"
    if error.status == 422 or error.status == 400:
        return ObstacleError(Reason.CHILD_REFUSED, f"{what} is refused: {error.message}", may_pass=False)
    if error.status == 403 and not is_namespace_going(error):
        # Quota may free itself, and permissions may be given.
        return ObstacleError("Forbidden", f"{what} is refused: {error.message}", may_pass=True)
    return None


def is_namespace_going(error: ApiError) -> bool:
    """Whether a request failed because its namespace is being deleted, or is gone."""
    if error.status == 404:
        return True
    return error.status == 403 and any(cause.get("reason") == "NamespaceTerminating" for cause in error.causes)


async def patch_status(api: Requester, body: Object, changes: Object, resource: str = "trainingjobs") -> Object:
    """Writes the fields of a status that changed, if the job is still as it was read; returns the job as it is now.

    Raises:
        ApiError: 409 where it has changed meanwhile, 404 where it is gone.
    """
    metadata = body["metadata"]
    return await api.request(
        "PATCH",
        path_of(resource, metadata["namespace"], metadata["name"], "status"),
        {"metadata": {"resourceVersion": metadata["resourceVersion"], "uid": metadata["uid"]}, "status": changes},
        content_type=MERGE_PATCH,
    )


async def pods_of(api: Requester, namespace: str, job: str, stage: StageName, uid: str) -> list[Pod]:
    """The pods of a stage's Job, dead ones too."""
    query = {"labelSelector": f"{JOB_LABEL}={job},{STAGE_LABEL}={stage}"}
    answer = await api.request("GET", path_of("pods", namespace), query=query)
    return [Pod.of(body) for body in answer["items"] if controller_uid(body["metadata"]) == uid]


async def find_stage_job(api: Requester, job: StageJob) -> StageJob | None:
    """A stage's Job as it is now; None where it is gone."""
    try:
        return StageJob.of(await api.request("GET", path_of("jobs", job.namespace, job.name)))
    except ApiError as error:
        if error.status == 404:
            return None
        raise


async def find(api: Requester, resource: str, namespace: str, name: str) -> Object | None:
    """An object as it is now; None where there is none."""
    try:
        return await api.request("GET", path_of(resource, namespace, name))
    except ApiError as error:
        if error.status == 404:
            return None
        raise


async def pause_training_job(
    api: Requester, namespace: str, name: str, uid: str, *, is_suspended: bool
) -> Object | None:
    """Has exactly this TrainingJob pause, or go on; returns it as it is then, None where it is gone."""
    changes = {"metadata": {"uid": uid}, "spec": {"runPolicy": {"suspend": is_suspended}}}
    try:
        return await api.request("PATCH", path_of("trainingjobs", namespace, name), changes, content_type=MERGE_PATCH)
    except ApiError as error:
        if error.status not in (404, 409):
            raise
        return None


async def delete(api: Requester, resource: str, namespace: str, name: str, uid: str, **options: Any) -> None:
    """Removes exactly this object; nothing where it is gone already."""
    body = {"preconditions": {"uid": uid}, "propagationPolicy": "Background", **options}
    try:
        await api.request("DELETE", path_of(resource, namespace, name), body)
    except ApiError as error:
        if error.status not in (404, 409):
            raise


async def delete_as_read(api: Requester, resource: str, body: Object) -> None:
    """Removes a job with all that it owns, in the background; nothing where it is gone already.

    Raises:
        ApiError: 409 where it has changed since it was read.
    """
    metadata = body["metadata"]
    preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    path = path_of(resource, metadata["namespace"], metadata["name"])
    try:
        await api.request("DELETE", path, {"preconditions": preconditions, "propagationPolicy": "Background"})
    except ApiError as error:
        if error.status != 404:
            raise


async def stop_job(api: Requester, job: StageJob) -> None:
    """Ends a Job's living pods and lets it make no more; nothing where it is gone."""
    await _set_suspend(api, job, True)


async def resume_job(api: Requester, job: StageJob) -> None:
    """Lets a Job that was stopped make its pods again; nothing where it is gone."""
    await _set_suspend(api, job, False)


async def _set_suspend(api: Requester, job: StageJob, is_suspended: bool) -> None:
    changes = {"metadata": {"uid": job.uid}, "spec": {"suspend": is_suspended}}
    try:
        await api.request("PATCH", path_of("jobs", job.namespace, job.name), changes, content_type=MERGE_PATCH)
    except ApiError as error:
        if error.status not in (404, 409):
            raise


async def give_up_pod(api: Requester, namespace: str, pod: Pod) -> None:
    """Says in a dead kubelet's stead that a pod has failed, so that another is made, and removes it."""
    changes = {"metadata": {"uid": pod.uid}, "status": {"phase": "Failed"}}
    path = path_of("pods", namespace, pod.name, "status")
    try:
        await api.request("PATCH", path, changes, content_type=MERGE_PATCH)
    except ApiError as error:
        if error.status != 404:
            raise
    await delete(api, "pods", namespace, pod.name, pod.uid, gracePeriodSeconds=0)


async def words_about(api: Requester, namespace: str, uid: str) -> Wait | None:
    """The newest warning about an object, in the words of whoever posted it."""
    query = {"fieldSelector": f"involvedObject.uid={uid},type=Warning"}
    answer = await api.request("GET", path_of("events", namespace), query=query)
    events = sorted(answer["items"], key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    # Neither field is one that an Event must have.
    return Wait(events[-1].get("reason") or "Warning", events[-1].get("message") or "") if events else None


async def log_tail(api: Api, namespace: str, pod: Pod) -> LogTail:
    """What the last lines of a worker's log tell. Raises as `Api.text` does."""
    query = {"container": CONTAINER, "tailLines": str(_LOG_LINES), "timestamps": "true"}
    text = await api.text(path_of("pods", namespace, pod.name, "log"), query=query, timeout=LOG_TIMEOUT_SECONDS)
    return LogTail.of(line.partition(" ")[2] for line in text.splitlines())


async def post_event(api: Requester, body: Object, event: Event, now: datetime) -> None:
    """Posts an Event of a job. Its name makes the same Event come out once, however often it is posted."""
    metadata = body["metadata"]
    digest = hashlib.sha256(
        "\0".join((metadata["uid"], event.reason, event.message)).encode(errors="replace")
    ).hexdigest()
    time = text_of(now)
    document = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{digest[:16]}", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": body["apiVersion"],
            "kind": body["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "reason": event.reason,
        "message": event.message[:_LONGEST_EVENT],
        "type": "Warning" if event.is_warning else "Normal",
        "source": {"component": "steelyard"},
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
    try:
        await api.request("POST", path_of("events", metadata["namespace"]), document)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
