"""A model from elsewhere, as far as it can be judged without loading it. Imports stores, planning, the job
and its program."""

from steelyard.api.errors import SteelyardError
from steelyard.contract.version import package_version
from steelyard.local.container import program_fault, program_of
from steelyard.local.decisions import with_file
from steelyard.local.job import LocalJob
from steelyard.planning import Plan, plan
from steelyard.stores.foreign_models import foreign_model


def model_digest(job: LocalJob) -> str | None:
    """The SHA-256 (hex) of a job's model from elsewhere; None where it has none. Raises as `foreign_model`."""
    trained = job.job.spec.trained
    if trained is None or trained.format is None or trained.uri is None:
        return None
    return foreign_model(job.resolve(trained.uri), f"spec.trained.uri: {trained.uri}", trained.format).digest


def planned(job: LocalJob, source_digest: str) -> Plan:
    """The job's stages here: the last depends on the file of a model from elsewhere, too; the training on the files of
    a program of one's own that can be started here. Raises as `model_digest`."""
    stages = plan(job.job, source_digest=source_digest, trainer_version=package_version())
    if job.job.spec.has_train and program_fault(job) is None and (program := program_of(job)) is not None:
        stages = with_file(stages, "program.files", program.digest(), "train")
    model = model_digest(job)
    return stages if model is None else with_file(stages, "trained.file", model)


def model_fault(job: LocalJob) -> SteelyardError | None:
    """What is wrong with the file; None where nothing is. Raises OSError."""
    try:
        model_digest(job)
    except SteelyardError as error:
        return error
    return None
