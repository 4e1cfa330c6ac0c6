"""The client: jobs are submitted, found and listed through it. Imports kube and the api only."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from steelyard.api.errors import ConfigurationError, SteelyardError
from steelyard.api.loading import load_training_job, parse_training_job, parse_tuning_job, read_manifest
from steelyard.api.training_job import TrainingJob
from steelyard.api.tuning_job import TuningJob
from steelyard.client.connection import Connection
from steelyard.client.errors import NOT_INSTALLED, JobNotFoundError
from steelyard.client.handle import JobHandle, SearchHandle
from steelyard.client.jobs import create_job, delete_job, get_job, list_jobs
from steelyard.client.kinds import TRAINING_JOB, TUNING_JOB


class Client:
    """A connection to a cluster. Close it, or use it as a context manager. For one thread at a time.

    Whatever goes wrong is a SteelyardError: its message is for a person, its reason for a program.
    """

    def __init__(self, connection: Connection, *, namespace: str | None = None) -> None:
        """See `from_kubeconfig`; `namespace` is the one that was asked for by name."""
        self._connection = connection
        self._asked_for = namespace

    @classmethod
    def from_kubeconfig(cls, context: str | None = None, namespace: str | None = None) -> "Client":
        """Finds the cluster as kubectl does; in a pod, by its service account.

        Args:
            context: of the kubeconfig (KUBECONFIG, or ~/.kube/config); default: its current one.
            namespace: default: the context's; else `default`.

        Raises:
            ConnectionFailedError: there is no usable configuration.
        """
        return cls(Connection(context, namespace), namespace=namespace)

    @property
    def namespace(self) -> str:
        """Where jobs are looked for."""
        return self._connection.namespace

    def submit(self, job: TrainingJob | Mapping[str, Any] | Path | str) -> JobHandle:
        """Makes a job on the cluster. One that is there already and equal is left as it is.

        Args:
            job: a TrainingJob, the manifest as a dictionary, or its file.

        Raises:
            ManifestError: it is not valid, can't run on a cluster, or is refused by the API server.
            JobExistsError: there is another job of this name.
            SteelyardError: it can't be made for another reason.
        """
        if isinstance(job, str | Path):
            job = load_training_job(Path(job))
        elif not isinstance(job, TrainingJob):
            job = parse_training_job(dict(job))
        document, is_new = create_job(self._connection, job, self._namespace_for(job))
        return JobHandle(self._connection, document, is_new=is_new)

    def submit_search(self, search: TuningJob | Mapping[str, Any] | Path | str) -> SearchHandle:
        """Makes a TuningJob on the cluster; otherwise as `submit`."""
        if isinstance(search, str | Path):
            search = parse_tuning_job(read_manifest(Path(search)), source=str(search))
        elif not isinstance(search, TuningJob):
            search = parse_tuning_job(dict(search))
        document, is_new = create_job(self._connection, search, self._namespace_for(search))
        return SearchHandle(self._connection, document, is_new=is_new)

    def get(self, name: str) -> JobHandle:
        """A job. Raises JobNotFoundError, SteelyardError."""
        return JobHandle(self._connection, get_job(self._connection, name, self.namespace))

    def get_search(self, name: str) -> SearchHandle:
        """A TuningJob. Raises JobNotFoundError, SteelyardError."""
        return SearchHandle(self._connection, get_job(self._connection, name, self.namespace, TUNING_JOB))

    def find(self, name: str) -> JobHandle | SearchHandle:
        """A TrainingJob of that name; where there is none, a TuningJob. Raises JobNotFoundError, SteelyardError."""
        try:
            return self.get(name)
        except JobNotFoundError as error:
            try:
                return self.get_search(name)
            except SteelyardError:
                raise error from None

    def list_searches(self, *, all_namespaces: bool = False) -> list[SearchHandle]:
        """The TuningJobs of the namespace, or of all, in the order of their names. Raises SteelyardError."""
        try:
            found = [*list_jobs(self._connection, None if all_namespaces else self.namespace, TUNING_JOB)]
        except ConfigurationError as error:
            if error.reason == NOT_INSTALLED:  # By an older Steelyard.
                return []
            raise
        return [SearchHandle(self._connection, document) for document in found]

    def list(self, *, all_namespaces: bool = False) -> list[JobHandle]:
        """The jobs of the namespace, or of all, in the order of their names. Raises SteelyardError."""
        found = list_jobs(self._connection, None if all_namespaces else self.namespace)
        return [JobHandle(self._connection, document) for document in found]

    def delete(self, name: str) -> str:
        """Deletes a job and what it is made of; what it has published stays.

        Returns:
            The kind of what was deleted: a TrainingJob of that name; where there is none, a TuningJob.

        Raises JobNotFoundError, SteelyardError.
        """
        try:
            delete_job(self._connection, name, self.namespace)
        except JobNotFoundError as error:
            try:
                delete_job(self._connection, name, self.namespace, TUNING_JOB)
            except SteelyardError:
                raise error from None
            return TUNING_JOB.name
        return TRAINING_JOB.name

    def _namespace_for(self, job: TrainingJob | TuningJob) -> str:
        """Where a job is made. Raises ConfigurationError where manifest and caller do not agree."""
        own = job.metadata.namespace
        if own is not None and self._asked_for not in (None, own):
            raise ConfigurationError(
                f"the manifest says metadata.namespace: {own}, but the namespace {self._asked_for} was asked for; "
                "leave one of the two out"
            )
        return own or self.namespace

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
