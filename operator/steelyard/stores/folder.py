"""Places that are a path here: `file:`, and `pvc://`, whose claim is a folder that is mounted or that the user names.
Imports the api and the contract only."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.api.places import Place
from steelyard.contract.package import is_published_model
from steelyard.contract.stages import Reason
from steelyard.stores.base import Obstacle, SourceRecord, Store
from steelyard.stores.integrity import digest_of, verify
from steelyard.stores.placing import alone_in, place_folder, remove_leftovers
from steelyard.stores.receiving import receive
from steelyard.stores.surroundings import Surroundings
from steelyard.stores.writable import check_writable, not_writable, occupied


class FolderStore(Store):
    """One file, as a source; one folder, as what is published to."""

    def __init__(self, place: Place, surroundings: Surroundings) -> None:
        """Raises ConfigurationError where this process can't see the place."""
        super().__init__(place, surroundings)
        self.path = surroundings.path(place.uri)
        """Where it lies here."""
        try:
            self.path.resolve()
        except RuntimeError:
            # Python before 3.13; a later one fails where the place is used.
            raise ConfigurationError(f"{place.uri}: {self.path} lies behind links that lead to one another") from None

    @property
    def shown(self) -> str:
        """See Store: the path, links followed."""
        return str(self.path.resolve())

    @property
    def location(self) -> tuple[str, ...]:
        """See Store."""
        return self.path.resolve().parts

    def identity(
        self, files: Sequence[str] = (), remembered: SourceRecord | None = None
    ) -> tuple[str, SourceRecord | None]:
        """SHA-256 (hex) of the file's bytes; of a folder, that of the named files as far as they are there, with a line
        end between two. See SourceStore."""
        if files:
            contents = [(self.path / name).read_bytes() for name in files if (self.path / name).exists()]
            return hashlib.sha256(b"\n".join(contents)).hexdigest(), None
        seen = self.path.stat()
        looks = (str(self.path), seen.st_size, seen.st_mtime_ns)
        if remembered and (remembered.path, remembered.size, remembered.mtime_ns) == looks:
            return remembered.digest, remembered
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, SourceRecord(*looks, digest)

    def open(self) -> Path:
        """See SourceStore."""
        return self.path

    def obstacle(self) -> Obstacle | None:
        """See Store."""
        target = self.path.resolve()
        if message := occupied(target):
            return Obstacle(Reason.TARGET_OCCUPIED, message)
        if message := not_writable(target):
            return Obstacle(Reason.NOT_WRITABLE, message)
        return None

    def try_writing(self) -> None:
        """See Store. The folder is made beside its place and renamed."""
        check_writable(self.path.parent)

    def has(self, digest: str) -> bool:
        """See Store. What says so is SHA256SUMS, whose digest is the model's."""
        try:
            return digest_of(self.path) == digest
        except OSError:
            return False

    def put(self, package: Path, digest: str, check_attempt: Callable[[], None] = lambda: None) -> None:
        """See Store."""
        target = self.path.resolve()
        if message := occupied(target):
            raise ConfigurationError(message, reason=Reason.TARGET_OCCUPIED)
        target.parent.mkdir(parents=True, exist_ok=True)
        with alone_in(target.parent):
            remove_leftovers(target)
            if is_published_model(target) and not verify(target, digest):
                return
            place_folder(package, target, check_attempt)

    def get(self, folder: Path, digest: str | None = None) -> bool:
        """See Store."""
        if not is_published_model(self.path):
            raise DataError(f"{self.path} holds no published model", reason=Reason.SOURCE_NOT_FOUND)
        return receive(folder, digest, self._copy)

    def _copy(self, folder: Path) -> None:
        folder.mkdir()
        for file in self.path.iterdir():
            shutil.copyfile(file, folder / file.name, follow_symlinks=False)
