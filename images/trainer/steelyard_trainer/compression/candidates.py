"""Makes the candidates and measures each in LiteRT on the validation part. Imports TensorFlow, Keras and serving.

A finished candidate lies in the workspace as NAME.tflite and NAME.json, the latter written last; a stage that is
started again does not make it again.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras

from steelyard.api.outcome import Candidate, Compression
from steelyard.api.workspace import Workspace
from steelyard.serving.model import LiteRtModel
from steelyard_trainer.compression.choice import BASELINE, Measured
from steelyard_trainer.compression.techniques import Converter, representative_sample
from steelyard_trainer.data.reading import Examples, PreparedDataset
from steelyard_trainer.evaluation.metrics import evaluate
from steelyard_trainer.files import write_atomically


def candidates_of(compression: Compression | None) -> list[Candidate]:
    """What is weighed, the baseline first."""
    wanted = compression.candidates if compression else []
    return [BASELINE, *(name for name in wanted if name != BASELINE)]


@dataclass(frozen=True)
class Workbench:
    """Where the candidates of one trained model are made."""

    workspace: Workspace
    dataset: PreparedDataset
    check_attempt: Callable[[], None] = lambda: None
    """Called before a candidate is put in place; raises where this process may no longer write."""

    @cached_property
    def key(self) -> str:
        """What the candidates depend on: the model's file and the prepared data. A model that was trained again has
        another one, even if nothing in the manifest changed."""
        with self.workspace.model_file.open("rb") as file:
            model = hashlib.file_digest(file, "sha256").hexdigest()
        return hashlib.sha256(f"{model} {self.dataset.fingerprint}".encode()).hexdigest()

    @property
    def folder(self) -> Path:
        """Holds the finished candidates."""
        return self.workspace.finished / self.key[:16]

    @cached_property
    def model(self) -> keras.Model:
        """The trained model."""
        return keras.saving.load_model(self.workspace.model_file, compile=False)

    def content(self, name: Candidate) -> bytes:
        """The .tflite file of a finished candidate."""
        return self._path(name, ".tflite").read_bytes()

    def measure(self, names: list[Candidate], report: Callable[[int], None]) -> list[Measured]:
        """Makes and measures what is not finished yet.

        Args:
            names: the candidates.
            report: called with how many are finished.

        Returns:
            The candidates' figures, in the order of the names.
        """
        self._clean_up()
        finished = {name: measured for name in names if (measured := self._finished(name)) is not None}
        report(len(finished))
        if missing := [name for name in names if name not in finished]:
            validation = self.dataset.read("validation")
            with tempfile.TemporaryDirectory(prefix="export-", dir=self.folder) as export:
                converter = self._converter(Path(export))
                for name in missing:
                    finished[name] = self._make(name, converter, validation)
                    report(len(finished))
        return [finished[name] for name in names]

    def _converter(self, folder: Path) -> Converter:
        return Converter(self.model, folder, representative_sample(self.dataset.read("train").features))

    def _make(self, name: Candidate, converter: Converter, validation: Examples) -> Measured:
        content = converter.convert(name)
        model = LiteRtModel(content)
        measured = Measured(
            name=name,
            bytes=len(content),
            latency_microseconds=round(model.median_latency(validation.features), 3),
            figures=evaluate(self.dataset.task, validation.targets, model.predict(validation.features)),
        )
        self.check_attempt()
        self._path(name, ".tflite").write_bytes(content)
        document = {"key": self.key, "sha256": hashlib.sha256(content).hexdigest(), **measured.to_json()}
        write_atomically(self._path(name, ".json"), json.dumps(document, indent=2))
        return measured

    def _finished(self, name: Candidate) -> Measured | None:
        """The candidate of an earlier attempt, if its file is whole."""
        try:
            document = json.loads(self._path(name, ".json").read_bytes())
            is_whole = document["sha256"] == hashlib.sha256(self.content(name)).hexdigest()
            return Measured.from_json(document) if is_whole and document["key"] == self.key else None
        except (OSError, ValueError, KeyError):
            return None

    def _clean_up(self) -> None:
        """Removes other models' candidates and what an attempt that was killed left."""
        self.check_attempt()
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in [*self.workspace.finished.iterdir(), *self.folder.iterdir()]:
            if path != self.folder and path.is_dir():
                shutil.rmtree(path)

    def _path(self, name: Candidate, suffix: str) -> Path:
        return self.folder / f"{name}{suffix}"
