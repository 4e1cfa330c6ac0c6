"""A model from elsewhere, as far as it can be judged without loading it. Imports formats, planning and the job."""

import hashlib

from steelyard.api.errors import ConfigurationError, DataError, SteelyardError
from steelyard.contract.stages import Reason
from steelyard.contract.version import package_version
from steelyard.formats.models import NoModelError, model_format
from steelyard.local.decisions import with_file
from steelyard.local.job import LocalJob
from steelyard.planning import Plan, plan


def model_digest(job: LocalJob) -> str | None:
    """The SHA-256 (hex) of the file of a job's model from elsewhere; None where it has none.

    Raises:
        DataError: the file is not there, or no model.
        ConfigurationError: its format is another one than the manifest's.
    """
    trained = job.job.spec.trained
    if trained is None or trained.format is None or trained.uri is None:
        return None
    path = job.resolve(trained.uri)
    try:
        found = model_format(path)
        if found != trained.format:
            raise ConfigurationError(f"spec.trained.format: {trained.format}, but {path} is {found}")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise DataError(
            f"spec.trained.uri: {trained.uri} does not exist: there is no file {path}", reason=Reason.SOURCE_NOT_FOUND
        ) from None
    except NoModelError as error:
        raise DataError(f"spec.trained.uri: {path} {error}") from None


def planned(job: LocalJob, source_digest: str) -> Plan:
    """The job's stages here: the last depends on the file of a model from elsewhere, too. Raises as `model_digest`."""
    stages = plan(job.job, source_digest=source_digest, trainer_version=package_version())
    model = model_digest(job)
    return stages if model is None else with_file(stages, "trained.file", model)


def model_fault(job: LocalJob) -> SteelyardError | None:
    """What is wrong with the file; None where nothing is. Raises OSError."""
    try:
        model_digest(job)
    except SteelyardError as error:
        return error
    return None
