"""What the workers of a job wrote: read once, or followed over all pods that carry the job on. Imports kube, api."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from steelyard.api.errors import ConfigurationError
from steelyard.client.connection import Connection
from steelyard.client.errors import explain, explained
from steelyard.client.kinds import TUNING_JOB
from steelyard.client.outcome import AnyStatus, condition, is_final, read_status, read_tuning_status, standing
from steelyard.client.patience import POLL_SECONDS, patiently
from steelyard.client.waiting import waits_for
from steelyard.contract.stages import StageName
from steelyard.kube import ApiError, ConnectionFailedError, path_of
from steelyard.kube.errors import Object
from steelyard.kube.names import CONTAINER, INDEX_LABEL, JOB_LABEL, STAGE_LABEL

NO_LOG = "NoLog"

ReadJob = Callable[[], Object]
"""Reads the job anew."""


def read_log(connection: Connection, read_job: ReadJob, stage: StageName | None, worker: int) -> Iterator[str]:
    """The lines that are there now, of the newest pod of a worker.

    Args:
        connection: to the cluster.
        read_job: reads the job.
        stage: default: the last one that began.
        worker: which of the stage's workers, from 0.

    Raises:
        SteelyardError: there is no such worker or pod, or it has no log yet.
    """
    job = read_job()
    _check_worker(job, stage, worker)
    pods = _pods(connection, job, stage, worker)
    if not pods:
        raise _no_pod(connection, job, stage, worker)
    pod = pods[-1]
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    if pod["status"].get("phase") == "Pending":
        raise ConfigurationError(f"the pod {name} does not run yet: {waits_for(pod)[0]}", reason=NO_LOG)
    with explained(namespace):
        yield from connection.lines(path_of("pods", namespace, name, "log"), query={"container": CONTAINER})


def follow_log(connection: Connection, read_job: ReadJob, stage: StageName | None, worker: int) -> Iterator[str]:
    """The lines of a worker from the pod on that is the newest now, until the job has ended.

    A pod that does not run yet is waited for; a connection that ends before its pod does is made again.

    Args and Raises: as `read_log`; a stage that has not begun yet is no error.
    """
    job = read_job()
    _check_worker(job, stage, worker)
    # Older pods are history, such as those that failed before this one.
    done = {pod["metadata"]["uid"] for pod in _pods(connection, job, stage, worker)[:-1]}
    while True:
        # First the job, then its pods: once it has ended, no further pod appears.
        has_ended = is_final(read_status(job.get("status")))
        pods = [pod for pod in _pods(connection, job, stage, worker) if pod["metadata"]["uid"] not in done]
        for pod in pods:
            yield from _follow_pod(connection, pod)
            done.add(pod["metadata"]["uid"])
        if has_ended and not pods:
            if not done and _removal(connection, job) is not None:
                raise _no_pod(connection, job, stage, worker)
            return
        if not pods:
            time.sleep(POLL_SECONDS)
        job = patiently(read_job)


def _follow_pod(connection: Connection, pod: Object) -> Iterator[str]:
    """The lines of one pod until it has ended or is gone, each once, over as many connections as it takes."""
    namespace = pod["metadata"]["namespace"]
    path = path_of("pods", namespace, pod["metadata"]["name"])
    last = ""
    while True:
        # First the pod, then its log: what it wrote until its end is read then.
        has_ended = patiently(lambda: _has_ended(connection, path, namespace))
        try:
            for written, text in _lines_after(connection, path, last):
                yield text
                last = written
        except (ApiError, ConnectionFailedError) as error:
            # 400: its container does not run yet. 404: it is gone; the next look says so.
            if isinstance(error, ApiError) and not error.is_passing and error.status not in (400, 404):
                raise explain(error, namespace) from None
        if has_ended:
            return
        time.sleep(POLL_SECONDS)


def _lines_after(connection: Connection, path: str, last: str) -> Iterator[tuple[str, str]]:
    """The lines of a pod that it wrote after a time, as they come: (time, text) each."""
    query = {"container": CONTAINER, "follow": "true", "timestamps": "true"}
    if last:
        # Counts in whole seconds: what was read of that second comes again.
        query["sinceTime"] = last
    for line in connection.lines(f"{path}/log", query=query):
        written, _, text = line.partition(" ")
        if written > last:
            yield written, text


def _has_ended(connection: Connection, path: str, namespace: str) -> bool:
    with explained(namespace):
        try:
            pod = connection.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return True
            raise
    return pod["status"].get("phase") in ("Succeeded", "Failed")


def _pods(connection: Connection, job: Object, stage: StageName | None, worker: int) -> list[Object]:
    """The pods that a worker of a job had and has, oldest first."""
    metadata = job["metadata"]
    selector = f"{JOB_LABEL}={metadata['name']}" + (f",{STAGE_LABEL}={stage}" if stage else "")
    with explained(metadata["namespace"]):
        found = connection.request("GET", path_of("pods", metadata["namespace"]), query={"labelSelector": selector})
    pods = [pod for pod in found["items"] if int(pod["metadata"]["labels"].get(INDEX_LABEL, 0)) == worker]
    return sorted(pods, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))


def _check_worker(job: Object, stage: StageName | None, worker: int) -> None:
    spec: dict[str, Any] = job["spec"]
    workers = 1 if stage in ("prepare", "finish") else int((spec.get("training") or {}).get("workers", 1))
    if not 0 <= worker < workers:
        where = f"stage {stage}" if stage else "the training"
        allowed = "0" if workers == 1 else f"0 to {workers - 1}"
        raise ConfigurationError(f"--worker {worker}: {where} has no such worker; allowed: {allowed}")


def _no_pod(connection: Connection, job: Object, stage: StageName | None, worker: int) -> ConfigurationError:
    of = f" of stage {stage}" if stage else ""
    of += f" for worker {worker}" if worker else ""
    removal = _removal(connection, job)
    what = f"its logs went at {removal[0]}: {removal[1]}" if removal else "so there is no log"
    return ConfigurationError(
        f"the TrainingJob {job['metadata']['name']} has no pod{of}, {what}; it is "
        f"{standing(read_status(job.get('status')))}",
        reason=NO_LOG,
    )


def _removal(connection: Connection, job: Object) -> tuple[str, str] | None:
    """When a job's pods were removed after its end, and why, in the words of the operator; of a search's job, those of
    the search. None where they were not."""
    metadata = job["metadata"]
    status: AnyStatus = read_status(job.get("status"))
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("kind") == TUNING_JOB.name and owner.get("controller"):
            path = path_of(TUNING_JOB.resource, metadata["namespace"], owner["name"])
            try:
                status = read_tuning_status(connection.request("GET", path).get("status"))
            except ApiError:
                # Who may not read searches, or has just removed it, is told the rest.
                return None
    removed = condition(status, "WorkspaceRemoved")
    return (removed.last_transition_time, removed.message) if removed is not None else None
