"""One job on a cluster: how it stood when it was last read, and what can be done with it. Imports kube, the search and
the api."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from steelyard.api.status import TrainingJobStatus
from steelyard.api.training_job import TrainingJob
from steelyard.api.tuning_job import TuningJob
from steelyard.api.tuning_status import TuningJobStatus
from steelyard.client.connection import Connection
from steelyard.client.errors import JobFailedError, JobNotFoundError
from steelyard.client.fetching import Fetched, fetch_model
from steelyard.client.jobs import delete_job, get_job, job_of
from steelyard.client.kinds import TRAINING_JOB, TUNING_JOB, Kind
from steelyard.client.logs import follow_log, read_log
from steelyard.client.outcome import AnyStatus, condition, exit_code_of, is_final, read_status, read_tuning_status
from steelyard.client.patience import PATIENCE_SECONDS, POLL_SECONDS, patiently
from steelyard.contract.stages import StageName
from steelyard.search.log import Entry, SearchDocument

Status = TypeVar("Status", bound=AnyStatus)


class Handle(ABC, Generic[Status]):
    """A job of either kind: as it was when it was last read, by `refresh` or `wait`."""

    kind: ClassVar[Kind]

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
    @abstractmethod
    def status(self) -> Status:
        """How it stood when it was last read."""

    def refresh(self) -> Status:
        """Reads the job anew.

        Raises:
            JobNotFoundError: it is there no longer; also where another job has its name now.
            SteelyardError: it can't be read.
        """
        document = get_job(self._connection, self.name, self.namespace, self.kind)
        if document["metadata"]["uid"] != self.document["metadata"]["uid"]:
            raise JobNotFoundError(self.name, self.namespace, kind=self.kind.name)
        self.document = document
        return self.status

    def wait(self, timeout: float | None = None, on_progress: Callable[[Status], None] | None = None) -> Status:
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
                raise TimeoutError(f"the {self.kind.name} {self.name} was not done after {timeout:g} s; it runs on")
            time.sleep(POLL_SECONDS)
        if (failed := condition(status, "Failed")) is not None:
            raise JobFailedError(failed.message, reason=failed.reason, exit_code=exit_code_of(failed.reason))
        return status

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
        delete_job(self._connection, self.name, self.namespace, self.kind)

    def __repr__(self) -> str:
        return f"<{self.kind.name} {self.namespace}/{self.name}: {self.status.phase or 'Pending'}>"


class JobHandle(Handle[TrainingJobStatus]):
    """A TrainingJob: as it was when it was last read, by `refresh` or `wait`."""

    kind = TRAINING_JOB

    @property
    def job(self) -> TrainingJob:
        """What was submitted, with all defaults. Raises ManifestError where another version's CRD let it through."""
        return job_of(self.document)

    @property
    def status(self) -> TrainingJobStatus:
        """How it stood when it was last read."""
        return read_status(self.document.get("status"))

    @property
    def is_of_a_search(self) -> bool:
        """Whether a TuningJob made it: a trial, or the job that prepares the data or publishes the best."""
        owners = self.document["metadata"].get("ownerReferences") or ()
        return any(owner.get("kind") == TUNING_JOB.name for owner in owners)

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

    def _read_again(self) -> dict[str, Any]:
        self.refresh()
        return self.document


class SearchHandle(Handle[TuningJobStatus]):
    """A TuningJob: as it was when it was last read, by `refresh` or `wait`."""

    kind = TUNING_JOB

    @property
    def tuning(self) -> TuningJob:
        """What was submitted, with all defaults. Raises ManifestError where another version's CRD let it through."""
        tuning = self.kind.parse(self.document)
        assert isinstance(tuning, TuningJob)
        return tuning

    @property
    def status(self) -> TuningJobStatus:
        """How it stood when it was last read."""
        return read_tuning_status(self.document.get("status"))

    @property
    def search(self) -> SearchDocument:
        """The search and its log: every trial that has answered.

        Raises:
            ManifestError: another version's CRD let it through.
            ValueError: another version wrote the log.
        """
        spec, status = self.tuning.spec, self.status
        searched = condition(status, "Searched")
        entries = tuple(Entry.decode(line, spec.parameters) for line in status.log)
        return SearchDocument(self.name, spec, entries, searched.reason if searched else "")
