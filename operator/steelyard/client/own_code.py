"""A user's own code on its way to a cluster: packed into a ConfigMap that the job owns. Imports kube, stores and the
api only."""

import base64
import io
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard.api.errors import ConfigurationError, SteelyardError
from steelyard.api.models.entrypoint import Code
from steelyard.api.training_job import TrainingJob
from steelyard.api.tuning_job import TuningJob
from steelyard.client.connection import Connection
from steelyard.client.errors import explained
from steelyard.client.kinds import kind_of
from steelyard.contract.code_digest import CodeError, code_digest, files_of
from steelyard.contract.stages import ExitCode, Reason
from steelyard.contract.version import API_VERSION
from steelyard.kube import ApiError, path_of
from steelyard.kube.errors import Object
from steelyard.kube.names import JOB_LABEL
from steelyard.stores.own_code import check_digest

FIELD = "spec.model.entrypoint.code.path"
MOST_PACKED_BYTES = 700_000
"""A ConfigMap holds 1 MiB, in which bytes take a third more room."""
ZIP_KEY = "code.zip"
_DIGITS = 16
"""Of the digest, in the ConfigMap's name."""
_NO_DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip can say: equal code gives equal bytes."""
_ATTEMPTS = 5


@dataclass(frozen=True)
class PackedCode:
    """The code of a job, as it goes to the cluster."""

    name: str
    """Of the ConfigMap."""
    archive: bytes


def with_packed_code(job: TrainingJob | TuningJob, base_dir: Path) -> tuple[TrainingJob | TuningJob, PackedCode | None]:
    """The job as it is applied: its code, where that is a folder of this machine, in a ConfigMap named by the digest.

    Args:
        job: from a manifest.
        base_dir: the folder that code.path is relative to.

    Raises:
        ConfigurationError: the folder is not there, holds too much, or has another digest than sha256 says.
    """
    spec = job.spec.template if isinstance(job, TuningJob) else job.spec
    code = spec.code
    if code is None or code.path is None:
        return job, None
    folder = base_dir / code.path
    if not folder.is_dir():
        raise ConfigurationError(
            f"{FIELD}: {code.path} does not exist: there is no folder {folder}", reason=Reason.SOURCE_NOT_FOUND
        )
    try:
        digest = code_digest(folder)
        check_digest(digest, code.sha256, str(folder))
        archive = packed(folder)
    except CodeError as error:
        raise ConfigurationError(f"{FIELD}: {error}") from None
    name = f"{job.metadata.name}-code-{digest[:_DIGITS]}"
    own = spec.with_code(Code.model_validate({"configMap": name, "sha256": digest}))
    if isinstance(job, TuningJob):
        search = job.spec.model_copy(update={"template": own})
        return job.model_copy(update={"spec": search}), PackedCode(name, archive)
    return job.model_copy(update={"spec": own}), PackedCode(name, archive)


def packed(folder: Path) -> bytes:
    """A folder's code as one zip; equal code gives equal bytes. Raises CodeError where it is too large."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in files_of(folder):
            archive.writestr(zipfile.ZipInfo(file.name, _NO_DATE), file.path.read_bytes(), zipfile.ZIP_DEFLATED)
    size = content.tell()
    if size > MOST_PACKED_BYTES:
        largest = max(files_of(folder), key=lambda file: file.size)
        raise CodeError(
            f"the code in {folder} is {size / 1000:,.0f} kB when packed, the largest file is {largest.name} "
            f"({largest.size / 1000:,.0f} kB); a ConfigMap has room for {MOST_PACKED_BYTES // 1000} kB. Leave out what "
            "is no code, put it on a claim (code: {uri: pvc://CLAIM/FOLDER}), or build an image that has it (without "
            "code)"
        )
    return content.getvalue()


def put_code(connection: Connection, job: TrainingJob | TuningJob, document: Object, code: PackedCode) -> None:
    """Makes the ConfigMap of a job that is on the cluster; one of this job that is there stays.

    Args:
        connection: to the cluster.
        job: the job.
        document: the object, as the API server has it: its uid makes the ConfigMap go with it.
        code: what is put there.

    Raises:
        SteelyardError: it can't be made.
    """
    namespace, uid = document["metadata"]["namespace"], document["metadata"]["uid"]
    path = path_of("configmaps", namespace)
    with explained(namespace):
        for _ in range(_ATTEMPTS):
            try:
                connection.request("POST", path, _config_map(job, namespace, uid, code))
                return
            except ApiError as error:
                if error.status != 409 or error.reason != "AlreadyExists":
                    raise
            existing: Any = {}
            with suppress(ApiError):
                existing = connection.request("GET", path_of("configmaps", namespace, code.name))
            owners = existing.get("metadata", {}).get("ownerReferences", [])
            if any(owner.get("uid") == uid for owner in owners):
                return
            # That of a job of this name which was deleted goes soon, whatever becomes of it: made anew, it stays.
            if existing and not any(owner.get("kind") == kind_of(job).name for owner in owners):
                raise ConfigurationError(
                    f"there is a ConfigMap {code.name} in the namespace {namespace} that is not this job's; remove it, "
                    "or submit under another name (--set metadata.name=NAME)"
                )
            with suppress(ApiError):
                connection.request("DELETE", path_of("configmaps", namespace, code.name))
    raise SteelyardError(
        f"the ConfigMap {code.name} is made and removed by others at the same time; submit again",
        reason="Conflict",
        exit_code=ExitCode.TRY_AGAIN,
    )


def _config_map(job: TrainingJob | TuningJob, namespace: str, uid: str, code: PackedCode) -> Object:
    owner = {"apiVersion": API_VERSION, "kind": kind_of(job).name, "name": job.metadata.name, "uid": uid}
    labels = {
        "app.kubernetes.io/name": "steelyard",
        "app.kubernetes.io/component": "code",
        "app.kubernetes.io/instance": job.metadata.name,
        JOB_LABEL: job.metadata.name,
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": code.name, "namespace": namespace, "labels": labels, "ownerReferences": [owner]},
        "immutable": True,
        "binaryData": {ZIP_KEY: base64.b64encode(code.archive).decode()},
    }
