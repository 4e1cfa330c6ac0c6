"""The published model from a claim to a folder here, verified. Imports tuning, stores, kube and the
api only."""

import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from steelyard.api.errors import ConfigurationError, DataError, SteelyardError
from steelyard.api.places import CLAIM, Place, mounted_claim
from steelyard.client.connection import Connection
from steelyard.client.errors import GRANT, NotAllowedError, RefusedError, explained
from steelyard.client.kinds import TUNING_JOB
from steelyard.client.outcome import AnyStatus, condition, read_status, read_tuning_status, standing
from steelyard.client.reader import CLAIM_FOLDER, READER, Reader, running, template_like_a_stages
from steelyard.contract.stages import Reason
from steelyard.kube import ApiError, CommandError, ConnectionFailedError, path_of
from steelyard.kube.errors import Object
from steelyard.kube.names import stage_job_name
from steelyard.stores.integrity import digest_of
from steelyard.stores.receiving import receive
from steelyard.tuning.trials import best_job_name

_TRIES = 3


@dataclass(frozen=True)
class Fetched:
    """A model that is here now."""

    folder: Path
    uri: str
    """Where it came from."""
    digest: str
    is_new: bool
    """Whether it was copied; False where this very model was in the folder already."""


def fetch_model(
    connection: Connection,
    job: Object,
    folder: Path,
    *,
    image: str | None,
    timeout: float,
    on_waiting: Callable[[str], None] | None,
) -> Fetched:
    """See `Handle.fetch`; `job` is the object as it is now, of either kind."""
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    template = job["spec"].get("template") or {}
    if job["kind"] == TUNING_JOB.name:
        status: AnyStatus = read_tuning_status(job.get("status"))
        publisher, template = best_job_name(name), template.get("template") or {}
    else:
        status, publisher = read_status(job.get("status")), name
    uri = _published_on_claim(job["kind"], name, status)
    digest = status.model.digest if status.model else None
    place = Place.parse(uri)

    def copy(model: Path) -> None:
        reader = Reader(
            job=name,
            namespace=namespace,
            claim=place.authority,
            template=_last_stage_template(connection, publisher, namespace, template, image or status.trainer_image),
            affinity=template.get("affinity"),
            image=image,
        )
        archive = model.with_name(f"{model.name}.tar")
        with running(connection, reader, timeout, on_waiting or (lambda _: None)) as pod:
            _copy(connection, namespace, pod, place, archive)
        _unpack(archive, model)

    folder = folder.absolute()
    is_new = receive(folder, digest, copy)
    return Fetched(folder, uri, digest_of(folder), is_new=is_new)


def _published_on_claim(kind: str, name: str, status: AnyStatus) -> str:
    """Where the model lies. Raises ConfigurationError where there is none to fetch."""
    if condition(status, "Complete") is None:
        raise ConfigurationError(
            f"the {kind} {name} has no model yet: it is {standing(status)}; only one that is Complete has",
            reason="JobNotComplete",
        )
    published = (status.model.published if status.model else None) or []
    if (uri := next(filter(mounted_claim, published), None)) is None:
        where = f"published to {', '.join(published)}" if published else "published nowhere (spec.publish is empty)"
        raise ConfigurationError(
            f"the model of {name} lies on no claim: it was {where}; only {CLAIM.form} is fetched", reason="NoClaim"
        )
    return uri


def _last_stage_template(connection: Connection, name: str, namespace: str, given: Object, image: str | None) -> Object:
    """The `spec` of the pods that wrote the model: they had the right image, user and groups. One like it where
    workspace.retain has had the Job removed.

    Args:
        connection: to the cluster.
        name: of the TrainingJob that published the model.
        namespace: its namespace.
        given: its `spec.template`.
        image: of the pod that is to be made, where there is no Job.
    """
    job = stage_job_name(name, "finish")
    with explained(namespace):
        try:
            spec: Object = connection.request("GET", path_of("jobs", namespace, job))["spec"]["template"]["spec"]
        except ApiError as error:
            if error.status != 404:
                raise
            if image is None:
                raise ConfigurationError(
                    f"the Job {job}, which says how the claim can be read, was removed; name an image that has `sleep` "
                    "and `tar` with --image",
                    reason="NoClaim",
                ) from None
            return template_like_a_stages(given, image)
    return spec


def _copy(connection: Connection, namespace: str, pod: str, place: Place, archive: Path) -> None:
    """Writes the model's folder to an archive. Raises SteelyardError."""
    # No shell: the path is the user's.
    command = ["tar", "-c", "-f", "-", "-C", f"{CLAIM_FOLDER}/{place.path}", "."]
    for attempt in range(1, _TRIES + 1):
        try:
            with explained(namespace), archive.open("wb") as file:
                for chunk in connection.exec_output(namespace, pod, READER, command):
                    file.write(chunk)
            return
        except CommandError as error:
            raise DataError(
                f"{place.uri} can't be read: {error.errors or error}",
                reason=Reason.SOURCE_NOT_FOUND,
            ) from None
        except NotAllowedError:
            # What the server says of a refused websocket does not reach us.
            raise NotAllowedError(
                f"no command may be run in the pod {pod}, which reads the claim: the permissions to get and create "
                f"pods/exec in the namespace {namespace} are missing; {GRANT}"
            ) from None
        except (ConnectionFailedError, RefusedError):
            if attempt == _TRIES:
                raise


def _unpack(archive: Path, folder: Path) -> None:
    """Unpacks plain files; whoever else may write to the claim can't have anything written elsewhere."""
    folder.mkdir()
    try:
        with tarfile.open(archive, mode="r:") as tar:
            for member in tar:
                name = PurePosixPath(member.name)
                if member.isdir() and name == PurePosixPath("."):
                    continue
                content = tar.extractfile(member) if member.isreg() else None
                if content is None or len(name.parts) != 1 or name.name == "..":
                    raise DataError(
                        f"the published folder holds {member.name}, which is no plain file of a model",
                        reason=Reason.MODEL_NOT_INTACT,
                    )
                with content, (folder / name).open("wb") as file:
                    shutil.copyfileobj(content, file)
    except tarfile.TarError as error:
        raise SteelyardError(
            f"the model came in part only: {error}; try again", reason=Reason.MODEL_NOT_INTACT, exit_code=75
        ) from None
