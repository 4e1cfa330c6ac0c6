"""Every store for its conformance suite, and models to put there."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from published_support import made

from steelyard.api.errors import DataError
from steelyard.contract.package import KNOWN_FILES, SUMS_FILE
from steelyard.contract.stages import Reason
from steelyard.stores.base import Store
from steelyard.stores.integrity import digest_of
from steelyard.stores.registry import store_at
from steelyard.stores.surroundings import Surroundings

DAMAGED = "damaged"
"""What `StoreCase.digest` says of what is there and is no whole model."""


@dataclass(frozen=True)
class StoreCase:
    """Places of one scheme, empty at first, and what only somebody else does there. What is said of folders here, a
    store that has none says of what it keeps in their place."""

    surroundings: Surroundings
    prefix: str
    """What the URIs of its places begin with."""
    root: Path
    """Where these places lie."""

    def store(self, path: str) -> Store:
        """The store of a place."""
        return store_at(f"{self.prefix}{path}", self.surroundings)

    def write(self, path: str, content: bytes) -> None:
        """Puts a file there, or changes it."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    def read(self, path: str) -> bytes:
        """A file that was put there."""
        return (self.root / path).read_bytes()

    def names(self, path: str) -> list[str]:
        """What others see in a folder there, hidden names too; nothing where it is not there."""
        folder = self.root / path
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []

    def stamp(self, path: str) -> object:
        """Differs where a model was put again."""
        return sorted((file.name, file.stat().st_ino) for file in (self.root / path).iterdir())

    def digest(self, path: str) -> str:
        """The digest of the whole model at a place, empty where nothing is, or DAMAGED."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                self.store(path).get(Path(folder))
            except DataError as error:
                is_empty = error.reason == Reason.SOURCE_NOT_FOUND and not self.names(path)
                return "" if is_empty else DAMAGED
            return digest_of(Path(folder))


def _files(folder: Path) -> StoreCase:
    return StoreCase(Surroundings(folder), "", folder)


def _files_by_uri(folder: Path) -> StoreCase:
    return StoreCase(Surroundings(folder), f"file://{folder}/", folder)


def _claim_of_a_pod(folder: Path) -> StoreCase:
    return StoreCase(Surroundings(None, {"models": folder}), "pvc://models/", folder)


def _claim_here(folder: Path) -> StoreCase:
    return StoreCase(Surroundings(folder.parent, {"models": folder}), "pvc://models/", folder)


CASES: Mapping[str, Callable[[Path], StoreCase]] = {
    "path": _files,
    "file": _files_by_uri,
    "claim-in-a-pod": _claim_of_a_pod,
    "claim-here": _claim_here,
}
"""What makes each, in a folder that is there and empty."""


def case_in(name: str, folder: Path) -> StoreCase:
    """A case in a folder that is made."""
    folder.mkdir(parents=True)
    return CASES[name](folder)


def model_in(folder: Path, word: str = "one") -> tuple[Path, str]:
    """A folder that is laid out like a published model, another one for each word; and its digest."""
    model = made(folder / f"package-{word}", KNOWN_FILES - {SUMS_FILE}, word)
    return model, digest_of(model)
