"""One TrainingJob on a cluster: how it stood when it was last read, and what can be done with it. Imports kube, api."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from steelyard.api.contract import StageName
from steelyard.api.status import TrainingJobStatus
from steelyard.api.training_job import TrainingJob
from steelyard.client.connection import Connection
from steelyard.client.errors import JobFailedError, JobNotFoundError
from steelyard.client.fetching import Fetched, fetch_model
from steelyard.client.jobs import delete_job, get_job, job_of
from steelyard.client.logs import follow_log, read_log
from steelyard.client.outcome import condition, exit_code_of, is_final, read_status
from steelyard.client.patience import PATIENCE_SECONDS, POLL_SECONDS, patiently


class JobHandle:
    """A TrainingJob: as it was when it was last read, by `refresh` or `wait`."""

    def __init__(self, connection: Connection, document: dict[str, Any], *, is_new: bool = False) -> None:
        self._connection = connection
        self.document = document
        """The object as the API server sent it."""
        self.is_new = is_new
        """Whether `submit` made it; False where an equal job was there."""

    @property
    def name(self) -> str:
        """The job's name."""
        return str(self.document["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The job's namespace."""
        return str(self.document["metadata"]["namespace"])

    @property
    def job(self) -> TrainingJob:
        """What was submitted, with all defaults. Raises ManifestError where another version's CRD let it through."""
        return job_of(self.document)

    @property
    def status(self) -> TrainingJobStatus:
        """How it stood when it was last read."""
        return read_status(self.document.get("status"))

    def refresh(self) -> TrainingJobStatus:
        """Reads the job anew.

        Raises:
            JobNotFoundError: it is there no longer; also where another job has its name now.
            SteelyardError: it can't be read.
        """
        document = get_job(self._connection, self.name, self.namespace)
        if document["metadata"]["uid"] != self.document["metadata"]["uid"]:
            raise JobNotFoundError(self.name, self.namespace)
        self.document = document
        return self.status

    def wait(
        self, timeout: float | None = None, on_progress: Callable[[TrainingJobStatus], None] | None = None
    ) -> TrainingJobStatus:
        """Waits until the job is Complete. An API server that is away for up to 300 s is waited for
        as well.

        Args:
            timeout: seconds; None: as long as it takes.
            on_progress: is called with the status at once and whenever it has changed, by this thread.

        Raises:
            JobFailedError: it has failed; reason and message are its own.
            TimeoutError: it is neither; it runs on.
            JobNotFoundError: it was deleted.
            SteelyardError: it can't be read.
        """
        began, seen = time.monotonic(), None
        while True:
            left = PATIENCE_SECONDS if timeout is None else timeout - (time.monotonic() - began)
            status = patiently(self.refresh, min(left, PATIENCE_SECONDS))
            if on_progress is not None and status != seen:
                on_progress(status)
                seen = status
            if is_final(status):
                break
            if timeout is not None and time.monotonic() - began > timeout:
                raise TimeoutError(f"the TrainingJob {self.name} was not done after {timeout:g} s; it runs on")
            time.sleep(POLL_SECONDS)
        if (failed := condition(status, "Failed")) is not None:
            raise JobFailedError(failed.message, reason=failed.reason, exit_code=exit_code_of(failed.reason))
        return status

    def logs(self, stage: StageName | None = None, worker: int = 0, *, follow: bool = False) -> Iterator[str]:
        """What a worker wrote, line by line.

        Args:
            stage: default: the last one that began; with `follow` all that begin from then on as well.
            worker: which of the stage's workers, from 0.
            follow: go on until the job has ended, whatever pods it is carried on by.

        Raises:
            SteelyardError: there is no such worker or pod, or it has no log yet.
        """
        read = follow_log if follow else read_log
        return read(self._connection, self._read_again, stage, worker)

    def fetch(
        self,
        folder: Path | str,
        *,
        image: str | None = None,
        timeout: float = 300.0,
        on_waiting: Callable[[str], None] | None = None,
    ) -> Fetched:
        """Copies the published model from its claim to a folder here, verified. The folder is complete or absent.

        Args:
            folder: must be empty or absent; one that holds this very model is left as it is.
            image: of the pod that reads the claim, with `sleep` and `tar`; default: that of the job's own pods.
            timeout: seconds that this pod may take to start.
            on_waiting: is told what that pod waits for.

        Raises:
            DataError: what came is not what was published.
            SteelyardError: the job has published no model to a claim, the folder is taken, or the pod does not start.
        """
        self.refresh()
        return fetch_model(
            self._connection, self.document, Path(folder), image=image, timeout=timeout, on_waiting=on_waiting
        )

    def delete(self) -> None:
        """Deletes the job and what it is made of; what it has published stays. Raises SteelyardError."""
        delete_job(self._connection, self.name, self.namespace)

    def _read_again(self) -> dict[str, Any]:
        self.refresh()
        return self.document

    def __repr__(self) -> str:
        return f"<TrainingJob {self.namespace}/{self.name}: {self.status.phase or 'Pending'}>"
