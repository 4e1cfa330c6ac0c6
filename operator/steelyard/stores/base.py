"""What a store is: the places of one scheme, as a process here reaches them. Imports the api and the contract only.

A store is a subclass in a module of its own, and one line in `registry.py`. `tests/local/test_stores.py` is what every
store passes, a line of `tests/store_support.py` makes one for it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard.api.places import Place
from steelyard.contract.stages import Reason
from steelyard.stores.surroundings import Surroundings


@dataclass(frozen=True)
class SourceRecord:
    """A source file's digest, good as long as the file looks the same. Kept in the workspace between two runs."""

    path: str
    size: int
    mtime_ns: int
    digest: str
    test: "SourceRecord | None" = None
    """That of the test file, where there is one."""

    @classmethod
    def from_json(cls, document: dict[str, Any] | None) -> "SourceRecord | None":
        """Of what `asdict` gave; None for null. Raises TypeError for anything else."""
        return cls(**{**document, "test": cls.from_json(document.get("test"))}) if document else None


@dataclass(frozen=True)
class TableInMemory:
    """A table that is no file."""

    name: str
    """What errors call it."""
    frame: Any
    """A pandas.DataFrame."""


@dataclass(frozen=True)
class Obstacle:
    """Why a model can't be published to a place."""

    reason: Reason
    message: str
    """Names the place, what is the matter and what to do."""


class SourceStore(ABC):
    """Places that tables are read from; one object for each place."""

    def __init__(self, place: Place, surroundings: Surroundings) -> None:
        self.place = place
        self.surroundings = surroundings

    @abstractmethod
    def identity(
        self, files: Sequence[str] = (), remembered: SourceRecord | None = None
    ) -> tuple[str, SourceRecord | None]:
        """What stands for the content in a stage's key: equal as long as the content is.

        Args:
            files: of a folder, the names of the files that describe its content. Empty: the place is one file.
            remembered: from an earlier call, so that what has not changed since is not read again.

        Returns:
            The identity, and what to remember, where there is something.

        Raises:
            OSError: there is nothing, or it can't be read.
        """

    @abstractmethod
    def open(self) -> Path | TableInMemory:
        """The content: a file or a folder here that can be read a piece at a time, made in bounded memory; or a table
        that is small. Raises OSError, ConfigurationError."""


class Store(SourceStore):
    """Places that models are published to as well."""

    @property
    def shown(self) -> str:
        """What messages call the place."""
        return self.place.uri

    @property
    def location(self) -> tuple[str, ...]:
        """Where the place lies, from the outermost part on: what begins with all of another place's lies in that."""
        return (self.place.scheme.prefix, self.place.authority, *self.place.path.split("/"))

    @abstractmethod
    def obstacle(self) -> Obstacle | None:
        """What keeps a model from being published to this place, as far as looking tells; None where nothing does."""

    @abstractmethod
    def try_writing(self) -> None:
        """Writes something small where the model will be made, and removes it: looking alone does not tell.

        Raises:
            ConfigurationError: nothing can be written there (reason NotWritable).
            OSError: the disk is full, or the storage was lost.
        """

    @abstractmethod
    def has(self, digest: str) -> bool:
        """Whether the model of this digest is there, by what says so; its other files are not looked at.

        Args:
            digest: the model's, such as sha256:HEX.
        """

    @abstractmethod
    def put(self, package: Path, digest: str, check_attempt: Callable[[], None] = lambda: None) -> None:
        """Copies a model to this place: complete or absent, whenever the process ends. Does nothing where this very
        model is there already; a model of before is replaced.

        Args:
            package: the folder, with its SHA256SUMS.
            digest: the package's.
            check_attempt: called before others see the model; raises where this process may no longer write.

        Raises:
            ConfigurationError: something else than a model is there (reason TargetOccupied).
            OSError: the disk is full, or the place can't be written to; nothing is left there then.
        """

    @abstractmethod
    def get(self, folder: Path, digest: str | None = None) -> bool:
        """Copies the model of this place into a folder, verified: complete or absent.

        Args:
            folder: is made; may be there if it is empty, or holds this very model.
            digest: the model's, if it is known.

        Returns:
            Whether it was copied; False where it was there already.

        Raises:
            ConfigurationError: the folder holds something else (reason TargetOccupied).
            DataError: there is no model, or it is not as it was published (reason ModelNotIntact).
            OSError: it can't be read or written.
        """
