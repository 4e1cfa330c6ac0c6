"""A model as files: what each step of a recipe takes and gives. Imports the contract and the api's techniques only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steelyard.api.forms import Form
from steelyard.contract.package import KERAS_FILE, RUNTIME_FILES

Runtime = Form

MAIN_FILES: Mapping[str, str] = {"Keras": KERAS_FILE} | {name: each.file for name, each in RUNTIME_FILES.items()}
"""The file that a runtime opens. Others may lie beside it, such as weights too large for one file."""


@dataclass(frozen=True)
class Artifact:
    """A folder with a model, and what runs it."""

    folder: Path
    runtime: Runtime
    work: int = field(default=0, compare=False)
    """What was trained to make it of what it was made of: rows x epochs x weights."""
    _opened: list[Any] = field(default_factory=list, compare=False, repr=False)

    @classmethod
    def in_memory(cls, folder: Path, runtime: Runtime, model: Any) -> "Artifact":
        """One whose model was loaded already; its files are not read then."""
        return cls(folder, runtime, _opened=[model])

    @property
    def file(self) -> Path:
        """What the runtime opens."""
        return self.folder / MAIN_FILES[self.runtime]

    @property
    def bytes(self) -> int:
        """Of all its files."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def opened(self, load: Callable[[Path], Any]) -> Any:
        """The model in memory, loaded from its file by the first who asks. Others use it too: nobody changes it."""
        if not self._opened:
            self._opened.append(load(self.file))
        return self._opened[0]
