"""A program of the user's own (`spec.model.container`) on this machine. Imports stores and the job."""

from steelyard.api.errors import ConfigurationError
from steelyard.local.job import LocalJob
from steelyard.stores.program import ProgramHere, container_name

_NO_SUPERVISOR = (
    "model.container.command is left out: on a cluster the image's ENTRYPOINT runs, and nothing stands before it that "
    "starts it again in place; a lost worker's pod is made anew"
)


def program_of(job: LocalJob) -> ProgramHere | None:
    """The job's program; None where it has none. Raises ConfigurationError where it can't be started here."""
    container = job.job.spec.container
    return None if container is None else ProgramHere.of(container, job.base_dir)


def program_fault(job: LocalJob) -> ConfigurationError | None:
    """Why the job's program can't be started here; None where nothing is in its way."""
    try:
        program_of(job)
    except ConfigurationError as error:
        return error
    return None


def remove_containers(job: LocalJob) -> None:
    """Ends the containers of the job's workers: they live on where the processes that began them were killed."""
    container, folder = job.job.spec.container, job.workspace.program.root
    if container is None or container.command is not None or program_fault(job) is not None:
        return
    if (program := program_of(job)) is not None:
        program.remove([container_name(folder, worker) for worker in range(job.job.spec.training.workers)])


def container_notes(job: LocalJob) -> list[str]:
    """What is to be known before a program runs, here or on a cluster."""
    container = job.job.spec.container
    if container is None or container.image is None:
        return []
    fault = program_fault(job)
    if container.command is None:
        engine = None if fault is not None else program_of(job)
        here = [] if engine is None else [f"{engine.engine} runs the image {container.image}"]
        return [*here, _NO_SUPERVISOR]
    if fault is not None:
        return [f"it runs on a cluster only: {fault.message}"]
    return [f"the image {container.image} is not used: {container.command[0]} runs on this machine"]
