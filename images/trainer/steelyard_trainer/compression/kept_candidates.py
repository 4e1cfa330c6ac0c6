"""Finished candidates in the workspace, so that a stage that is started again does not make them again. Imports
steelyard.api and the choice.

A candidate lies there as NAME.SUFFIX and NAME.json, the latter written last; one that could not be made as NAME.json.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.api.compression import Candidate
from steelyard.api.metrics import Measure
from steelyard_trainer.compression.choice import Measured
from steelyard_trainer.files import write_atomically


@dataclass(frozen=True)
class KeptCandidates:
    """The candidates of one trained model."""

    root: Path
    """The workspace's folder for the candidates of whichever model is weighed."""
    key: str
    """A digest of what the candidates depend on."""
    suffix_of: Callable[[Candidate], str]
    """How a candidate's file name ends, with the dot."""
    check_attempt: Callable[[], None] = lambda: None
    """Called before a candidate is put in place; raises where this process may no longer write."""

    @property
    def folder(self) -> Path:
        """Holds the finished candidates."""
        return self.root / self.key[:16]

    def clean_up(self) -> None:
        """Removes other models' candidates and what an attempt that was killed left."""
        self.check_attempt()
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in [*self.root.iterdir(), *self.folder.iterdir()]:
            if path != self.folder and path.is_dir():
                shutil.rmtree(path)

    def content(self, name: Candidate) -> bytes:
        """The file of a finished candidate. Raises OSError where there is none."""
        return (self.folder / f"{name}{self.suffix_of(name)}").read_bytes()

    def keep(self, measured: Measured, content: bytes | None) -> None:
        """Puts a candidate there; without content one that could not be made."""
        self.check_attempt()
        name = measured.name
        if content is not None:
            (self.folder / f"{name}{self.suffix_of(name)}").write_bytes(content)
        digest = None if content is None else hashlib.sha256(content).hexdigest()
        document = {"key": self.key, "sha256": digest, **measured.to_json()}
        write_atomically(self.folder / f"{name}.json", json.dumps(document, indent=2))

    def find(self, name: Candidate, measures: Sequence[Measure]) -> Measured | None:
        """The candidate of an earlier attempt, if its file is whole and all that is to be told of it was measured."""
        try:
            document = json.loads((self.folder / f"{name}.json").read_bytes())
            if document["key"] != self.key:
                return None
            digest = document["sha256"]
            is_whole = digest is None or digest == hashlib.sha256(self.content(name)).hexdigest()
            measured = Measured.from_json(document)
            is_told = measured.figures is None or all(each.name in measured.figures for each in measures)
            return measured if is_whole and is_told else None
        except (OSError, ValueError, KeyError):
            return None
