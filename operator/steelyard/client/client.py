"""The client: jobs of either kind are submitted, found and listed through it. Imports kube, the search and the api
only."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar, overload

from steelyard.api.errors import ConfigurationError, SteelyardError
from steelyard.api.training_job import TrainingJob
from steelyard.api.tuning_job import TuningJob
from steelyard.client.connection import Connection
from steelyard.client.errors import NOT_INSTALLED, JobNotFoundError
from steelyard.client.handle import JobHandle, SearchHandle
from steelyard.client.jobs import create_job, delete_job, get_job, list_jobs
from steelyard.client.kinds import TRAINING_JOB, TUNING_JOB, Kind, KindName, kind_of
from steelyard.client.own_code import PackedCode, put_code, with_packed_code
from steelyard.kube.errors import Object
from steelyard.search.manifest import load_manifest, parse_manifest

T = TypeVar("T")

HANDLES: dict[KindName, type[JobHandle] | type[SearchHandle]] = {"TrainingJob": JobHandle, "TuningJob": SearchHandle}


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

    @overload
    def submit(self, job: TrainingJob, base_dir: Path | None = None) -> JobHandle: ...

    @overload
    def submit(self, job: TuningJob, base_dir: Path | None = None) -> SearchHandle: ...

    @overload
    def submit(self, job: Mapping[str, Any] | Path | str, base_dir: Path | None = None) -> JobHandle | SearchHandle: ...

    def submit(
        self, job: TrainingJob | TuningJob | Mapping[str, Any] | Path | str, base_dir: Path | None = None
    ) -> JobHandle | SearchHandle:
        """Makes a job or a search on the cluster. One that is there already and equal is left as it is. Code of the
        user's own that lies in a folder (model.entrypoint.code.path) goes with it, in a ConfigMap that the job owns.

        Args:
            job: a TrainingJob or TuningJob, the manifest as a dictionary, or its file.
            base_dir: what code.path is relative to. Default: the file's folder; else the current one.

        Returns:
            Of a TrainingJob a JobHandle, of a TuningJob a SearchHandle.

        Raises:
            ManifestError: it is not valid, can't run on a cluster, or is refused by the API server.
            JobExistsError: there is another one of this name.
            SteelyardError: it can't be made for another reason.
        """
        if isinstance(job, str | Path):
            base_dir = base_dir or Path(job).parent
            job = load_manifest(Path(job))
        elif not isinstance(job, TrainingJob | TuningJob):
            job = parse_manifest(dict(job))
        job, code = with_packed_code(job, base_dir or Path())
        document, is_new = create_job(self._connection, job, self._namespace_for(job))
        if code is not None:
            self._put_code(job, document, code, is_new=is_new)
        return HANDLES[kind_of(job).name](self._connection, document, is_new=is_new)

    @overload
    def get(self, name: str, kind: Literal["TrainingJob"]) -> JobHandle: ...

    @overload
    def get(self, name: str, kind: Literal["TuningJob"]) -> SearchHandle: ...

    @overload
    def get(self, name: str, kind: KindName | None = None) -> JobHandle | SearchHandle: ...

    def get(self, name: str, kind: KindName | None = None) -> JobHandle | SearchHandle:
        """A job or a search that is on the cluster.

        Args:
            name: its name.
            kind: default: a TrainingJob of that name; where there is none, a TuningJob.

        Raises:
            JobNotFoundError: there is none.
            SteelyardError: it can't be read.
        """
        document, found = self._first(kind, lambda each: get_job(self._connection, name, self.namespace, each))
        return HANDLES[found.name](self._connection, document)

    @overload
    def list(self, kind: Literal["TrainingJob"], *, all_namespaces: bool = False) -> Sequence[JobHandle]: ...

    @overload
    def list(self, kind: Literal["TuningJob"], *, all_namespaces: bool = False) -> Sequence[SearchHandle]: ...

    @overload
    def list(
        self, kind: KindName | None = None, *, all_namespaces: bool = False
    ) -> Sequence[JobHandle | SearchHandle]: ...

    def list(self, kind: KindName | None = None, *, all_namespaces: bool = False) -> Sequence[JobHandle | SearchHandle]:
        """The jobs and searches of the namespace, or of all: TrainingJobs first, each kind in the order of its names.

        Args:
            kind: only those of this kind.
            all_namespaces: look everywhere.

        Raises:
            SteelyardError: they can't be read.
        """
        namespace = None if all_namespaces else self.namespace
        return [
            HANDLES[each.name](self._connection, document)
            for each in _kinds(kind)
            for document in self._documents(each, namespace)
        ]

    def delete(self, name: str, kind: KindName | None = None) -> KindName:
        """Deletes a job or a search and what it is made of; what it has published stays.

        Args:
            name: its name.
            kind: default: a TrainingJob of that name; where there is none, a TuningJob.

        Returns:
            The kind of what was deleted.

        Raises:
            JobNotFoundError: there is none.
            SteelyardError: it can't be deleted.
        """
        _, found = self._first(kind, lambda each: delete_job(self._connection, name, self.namespace, each))
        return found.name

    def _put_code(self, job: TrainingJob | TuningJob, document: Object, code: PackedCode, *, is_new: bool) -> None:
        """Puts a job's code beside it; a job that has just been made and would wait for it in vain goes again."""
        try:
            put_code(self._connection, job, document, code)
        except SteelyardError:
            if is_new:
                with suppress(SteelyardError):
                    kind, namespace = kind_of(job), document["metadata"]["namespace"]
                    delete_job(self._connection, job.metadata.name, namespace, kind)
            raise

    def _first(self, kind: KindName | None, attempt: Callable[[Kind], T]) -> tuple[T, Kind]:
        """What an attempt gives for the first kind that has the job. Raises JobNotFoundError as for the first kind."""
        first, *others = _kinds(kind)
        try:
            return attempt(first), first
        except JobNotFoundError:
            for other in others:
                with suppress(SteelyardError):
                    return attempt(other), other
            raise

    def _documents(self, kind: Kind, namespace: str | None) -> Iterator[Object]:
        """The objects of a kind; none where it is not installed beside TrainingJobs, as by an older Steelyard."""
        try:
            yield from list_jobs(self._connection, namespace, kind)
        except ConfigurationError as error:
            if error.reason != NOT_INSTALLED or kind is TRAINING_JOB:
                raise

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


def _kinds(kind: KindName | None) -> list[Kind]:
    """Those that are meant, in the order in which a name is looked for. Raises ConfigurationError for another word."""
    kinds = [TRAINING_JOB, TUNING_JOB]
    if kind is None:
        return kinds
    found = [each for each in kinds if each.name == kind]
    if not found:
        raise ConfigurationError(f"there is no kind {kind!r}; allowed: {', '.join(each.name for each in kinds)}")
    return found
