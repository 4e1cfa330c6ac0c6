"""Jobs of either kind on an API server: made, read, listed, deleted. Imports kube and the api only."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from steelyard.api.errors import ConfigurationError, ManifestError
from steelyard.api.training_job import TrainingJob
from steelyard.api.tuning_job import TuningJob
from steelyard.client.connection import Connection
from steelyard.client.errors import JobExistsError, JobNotFoundError, NotAllowedError, explained
from steelyard.client.kinds import TRAINING_JOB, Kind, kind_of, problems_on_a_cluster
from steelyard.kube import ApiError, path_of
from steelyard.kube.errors import Object
from steelyard.kube.names import EXPIRED


def create_job(connection: Connection, job: TrainingJob | TuningJob, namespace: str) -> tuple[Object, bool]:
    """Makes a job; one that is there already and equal is left as it is.

    Returns:
        The object, and whether it was made.

    Raises:
        ManifestError: the job can't run on a cluster, or the API server refuses it.
        JobExistsError: there is another job of this name.
        SteelyardError: it can't be made for another reason.
    """
    kind, name = kind_of(job), job.metadata.name
    if problems := problems_on_a_cluster(job):
        raise ManifestError(problems, source=f"for a cluster, the {kind.name} {name}")
    path = path_of(kind.resource, namespace)
    # Without Strict the server drops what it does not know, and says nothing.
    query = {"fieldValidation": "Strict", "fieldManager": "steelyard-client"}
    with explained(namespace):
        try:
            return connection.request("POST", path, job.to_manifest(), query=query), True
        except ApiError as error:
            if error.status != 409:
                raise
        existing = get_job(connection, name, namespace, kind)
    if "deletionTimestamp" in existing["metadata"]:
        raise JobExistsError(f"the {kind.name} {name} of before is being deleted still; try again in a moment")
    if not _is_equal(existing, job):
        raise JobExistsError(
            f"there is a {kind.name} {name} in the namespace {namespace} already, and it is not this one; submit under "
            f"another name (--set metadata.name=NAME), or remove it first: steelyard delete {name} --namespace "
            f"{namespace}{_what_may_change(kind)}"
        )
    return existing, False


def _what_may_change(kind: Kind) -> str:
    """What a user may want who submits a job again."""
    if kind is TRAINING_JOB:
        return ""
    mutable = "maxTrials, runPolicy and template.workspace.retain"
    return f"; only {mutable} of a search may change: kubectl apply does that, and it goes on"


def get_job(connection: Connection, name: str, namespace: str, kind: Kind = TRAINING_JOB) -> Object:
    """A job. Raises JobNotFoundError, SteelyardError."""
    with explained(namespace):
        try:
            return connection.request("GET", path_of(kind.resource, namespace, name))
        except ApiError as error:
            if not _is_absent(error):
                raise
        raise _not_found(connection, name, namespace, kind)


def delete_job(connection: Connection, name: str, namespace: str, kind: Kind = TRAINING_JOB) -> None:
    """Deletes a job; its children go with it. Raises JobNotFoundError, SteelyardError."""
    query = {"propagationPolicy": "Background"}
    with explained(namespace):
        try:
            connection.request("DELETE", path_of(kind.resource, namespace, name), query=query)
            return
        except ApiError as error:
            if not _is_absent(error):
                raise
        raise _not_found(connection, name, namespace, kind)


def list_jobs(connection: Connection, namespace: str | None, kind: Kind = TRAINING_JOB) -> Iterator[Object]:
    """The jobs of a namespace, or of all, in the order of their names. Raises SteelyardError."""
    with explained(namespace or ""):
        for page in connection.pages(path_of(kind.resource, namespace)):
            yield from page


def job_of(document: Mapping[str, Any]) -> TrainingJob:
    """The object as a TrainingJob. Raises ManifestError where an older or newer CRD let through what is none here."""
    job = TRAINING_JOB.parse(document)
    assert isinstance(job, TrainingJob)
    return job


def _is_equal(existing: Object, job: TrainingJob | TuningJob) -> bool:
    """Whether a job on the cluster, where it has all defaults, is what another one asks for."""
    try:
        there = kind_of(job).parse(existing)
    except ConfigurationError:
        return False
    given = job.metadata
    has_them = all(
        (there_values or {}).get(key) == value
        for there_values, values in (
            (there.metadata.labels, given.labels),
            (there.metadata.annotations, given.annotations),
        )
        for key, value in (values or {}).items()
    )
    return has_them and there.spec.model_dump() == job.spec.model_dump()


def _is_absent(error: ApiError) -> bool:
    """Whether the object itself is not there; else the server does not know the whole kind."""
    return error.status == 404 and error.reason == "NotFound" and "requested resource" not in error.message


def _not_found(connection: Connection, name: str, namespace: str, kind: Kind) -> JobNotFoundError | ApiError:
    """Says what there is; where not even the namespace is there, that."""
    existing = None
    with suppress(NotAllowedError):
        existing = [item["metadata"]["name"] for item in list_jobs(connection, namespace, kind)]
    if not existing:
        try:
            connection.request("GET", path_of("namespaces", name=namespace))
        except ApiError as error:
            if error.status == 404:
                return error
    return JobNotFoundError(name, namespace, existing, kind.name, _removal(connection, name, namespace, kind))


def _removal(connection: Connection, name: str, namespace: str, kind: Kind) -> str | None:
    """When the operator removed a job after its end and why, as long as an Event tells."""
    query = {"fieldSelector": f"involvedObject.kind={kind.name},involvedObject.name={name},reason={EXPIRED}"}
    try:
        events = connection.request("GET", path_of("events", namespace), query=query)["items"]
    except ApiError:
        return None  # Who may not read Events is told the rest.
    last = max(events, key=lambda event: str(event.get("lastTimestamp") or ""), default=None)
    return f"{last['message']}, at {last['lastTimestamp']}" if last is not None else None
