"""Where the stage finish weighs, judges and packs a network: makes the candidates and measures each in LiteRT on the
validation set. Imports TensorFlow, Keras and serving.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from steelyard.api.compression import Candidate
from steelyard.api.errors import ConfigurationError
from steelyard.api.metrics import Measure
from steelyard.contract.package import KERAS_FILE, LITERT_FILE
from steelyard.serving.interface import ServedModel
from steelyard.serving.preprocessing import Preprocessing
from steelyard.serving.published import load_model
from steelyard_trainer.compression.choice import Measured
from steelyard_trainer.compression.kept_candidates import KeptCandidates
from steelyard_trainer.data.reading import Examples, PreparedDataset
from steelyard_trainer.data.splitting import SplitName
from steelyard_trainer.evaluation.metrics import evaluate
from steelyard_trainer.families.keras.keras_file import write_keras
from steelyard_trainer.families.keras.techniques import Converter, representative_sample


def serve_litert(content: bytes, preprocessing: Preprocessing) -> ServedModel:
    """A network's .tflite file as it predicts when it is published."""
    classes = preprocessing.classes
    return load_model(LITERT_FILE, content, None if classes is None else len(classes), preprocessing.target_unit)


@dataclass(frozen=True)
class Workbench:
    """Where the candidates of one trained model are made."""

    model_file: Path
    """The trained Keras model."""
    finished: Path
    """The workspace's folder for the candidates of whichever model is weighed."""
    dataset: PreparedDataset
    measures: tuple[Measure, ...]
    """What is told of each candidate."""
    check_attempt: Callable[[], None] = lambda: None
    """Called before a candidate is put in place; raises where this process may no longer write."""

    @cached_property
    def key(self) -> str:
        """What the candidates depend on: the model's file and the prepared data. A model that was trained again has
        another one, even if nothing in the manifest changed."""
        with self.model_file.open("rb") as file:
            model = hashlib.file_digest(file, "sha256").hexdigest()
        return hashlib.sha256(f"{model} {self.dataset.fingerprint}".encode()).hexdigest()

    @property
    def folder(self) -> Path:
        """Holds the finished candidates."""
        return self._kept.folder

    @property
    def preprocessing(self) -> Preprocessing:
        """What turns raw rows into the model's features: published with it."""
        return self.dataset.preprocessing

    @cached_property
    def model(self) -> keras.Model:
        """The trained model. Raises ConfigurationError where an earlier version trained it."""
        model = keras.saving.load_model(self.model_file, compile=False)
        # Its output is in the target's own unit already.
        if any(layer.name == "target_unit" for layer in model.layers):
            raise ConfigurationError(
                f"{self.model_file} was trained by an earlier version of Steelyard, whose networks this one can't "
                "weigh; train it again, with --force or in another workspace"
            )
        return model

    def content(self, name: Candidate) -> bytes:
        """The .tflite file of a finished candidate."""
        return self._kept.content(name)

    def make(self, names: Iterable[Candidate]) -> dict[Candidate, bytes]:
        """The .tflite files of candidates that need not be measured."""
        self.finished.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="export-", dir=self.finished) as export:
            converter = self._converter(Path(export))
            return {name: converter.convert(name) for name in names}

    def measure(self, names: list[Candidate], report: Callable[[int], None]) -> list[Measured]:
        """Makes and measures what is not finished yet.

        Args:
            names: the candidates.
            report: called with how many are finished.

        Returns:
            The candidates' figures, in the order of the names.
        """
        self._kept.clean_up()
        finished = {name: measured for name in names if (measured := self._kept.find(name, self.measures)) is not None}
        report(len(finished))
        if missing := [name for name in names if name not in finished]:
            validation = self.dataset.read("validation")
            with tempfile.TemporaryDirectory(prefix="export-", dir=self.folder) as export:
                converter = self._converter(Path(export))
                for name in missing:
                    finished[name] = self._make(name, converter, validation)
                    report(len(finished))
        return [finished[name] for name in names]

    def serve(self, name: Candidate, content: bytes) -> ServedModel:  # noqa: ARG002 - they all are LiteRT's
        """A candidate as it predicts when it is published."""
        return serve_litert(content, self.preprocessing)

    def read(self, splits: Sequence[SplitName]) -> Examples:
        """The rows of some parts, as the model takes them."""
        return self.dataset.read_parts(splits)

    def write(self, folder: Path, name: Candidate, files: Mapping[Candidate, bytes]) -> None:
        """Writes what is published of the model: the chosen candidate, and the Keras model for further training."""
        (folder / LITERT_FILE).write_bytes(files[name])
        write_keras(self.model, folder / KERAS_FILE)

    def training(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """What steelyard.json says of the training, from training.json."""
        best = document["bestEpoch"]
        return {
            "epochs": document["epochs"],
            "bestEpoch": best,
            "workers": document["workers"],
            "steps": document["steps"],
            "atBestEpoch": {name: values[best - 1] for name, values in document["history"].items()},
        }

    def packages(self) -> dict[str, str]:
        """The versions of the libraries that made the model, beside numpy and scikit-learn."""
        # TensorFlow's distribution has another name on some machines.
        others = {package: version(package) for package in ("keras", "ai-edge-litert")}
        return {"tensorflow": str(tf.__version__), **others}

    @cached_property
    def _kept(self) -> KeptCandidates:
        return KeptCandidates(self.finished, self.key, lambda _name: ".tflite", self.check_attempt)

    def _converter(self, folder: Path) -> Converter:
        return Converter(self.model, folder, representative_sample(self.dataset.read("train").features))

    def _make(self, name: Candidate, converter: Converter, validation: Examples) -> Measured:
        content = converter.convert(name)
        model = self.serve(name, content)
        measured = Measured(
            name=name,
            bytes=len(content),
            latency_microseconds=round(model.median_latency(validation.features), 3),
            figures=evaluate(
                self.dataset.task,
                validation.targets,
                model.predict(validation.features),
                self.measures,
                self.dataset.classes,
            ),
        )
        self._kept.keep(measured, content)
        return measured
