"""Where the stage finish weighs, judges and packs a model of scikit-learn.

Imports scikit-learn, skops, ONNX, serving and the prepared data; never TensorFlow.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steelyard.api.compression import BASELINE, Candidate
from steelyard.api.errors import DataError
from steelyard.api.metrics import Measure
from steelyard.api.training_job import TrainingJobSpec
from steelyard.contract.package import ONNX_FILE, SKOPS_FILE
from steelyard.contract.workspace import ESTIMATOR_FILE
from steelyard.serving.interface import ServedModel
from steelyard.serving.preprocessing import Preprocessing
from steelyard.serving.published import load_model
from steelyard_trainer.compression.choice import Measured
from steelyard_trainer.compression.kept_candidates import KeptCandidates
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.data.splitting import SplitName
from steelyard_trainer.families.sklearn.build import Estimator
from steelyard_trainer.families.sklearn.compression import FILE_OF, ConversionError, make_candidate, measure_candidate
from steelyard_trainer.families.sklearn.features import Matrix, Table
from steelyard_trainer.families.sklearn.saving import load_estimator
from steelyard_trainer.families.sklearn.skops_files import estimator_bytes
from steelyard_trainer.families.sklearn.trial import Rows, fit_on


@dataclass(frozen=True)
class LabelledRows:
    """Rows as the model takes them, and what it should say."""

    features: Matrix
    targets: npt.NDArray[Any]


@dataclass(frozen=True)
class EstimatorBench:
    """The candidates of one fitted model."""

    estimator: Estimator
    spec: TrainingJobSpec
    rows: Rows
    finished: Path
    """The workspace's folder for the candidates of whichever model is weighed."""
    check_attempt: Callable[[], None] = lambda: None
    """Called before a candidate is put in place; raises where this process may no longer write."""

    @classmethod
    def of(cls, context: StageContext, dataset: PreparedDataset, folder: Path | None) -> "EstimatorBench":
        """The bench of a job.

        Args:
            context: the job's.
            dataset: its data.
            folder: holds the fitted model, as the stage train leaves it; None: one is fitted here on the training set.

        Raises:
            DataError: the folder's model is damaged.
            ConfigurationError: the settings do not go with the rows.
        """
        spec, rows = context.job.spec, Rows(dataset)
        model = fit_on(rows.part("train"), spec, rows) if folder is None else load_estimator(folder / ESTIMATOR_FILE)
        return cls(model, spec, rows, context.workspace.finished, context.check_attempt)

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """What turns raw rows into the model's features: published with it."""
        return self.rows.preprocessing(self.spec)

    @property
    def folder(self) -> Path:
        """Holds the finished candidates."""
        return self._kept.folder

    def read(self, splits: Sequence[SplitName]) -> LabelledRows:
        """The rows of some parts, as the model takes them."""
        rows = self.rows
        table = rows.part(splits[0]) if len(splits) == 1 else Table.read(rows.dataset, splits)
        return LabelledRows(rows.features(table, self.spec), table.targets)

    def content(self, name: Candidate) -> bytes:
        """The file of a finished candidate."""
        return self._kept.content(name)

    def make(self, names: Iterable[Candidate]) -> dict[Candidate, bytes]:
        """The files of candidates that need not be measured.

        Raises:
            DataError: one can't be made of this model.
        """
        try:
            return {name: self._make(name) for name in names}
        except ConversionError as error:
            raise DataError(f"the refitted model can't be compressed as the one that was weighed: {error}") from None

    def measure(self, names: list[Candidate], report: Callable[[int], None]) -> list[Measured]:
        """Makes and measures what is not finished yet; reports how many are. In the order of the names."""
        kept = self._kept
        kept.clean_up()
        finished = {name: measured for name in names if (measured := kept.find(name, self._measures)) is not None}
        report(len(finished))
        for name in names:
            if name not in finished:
                finished[name] = self._measure(name)
                report(len(finished))
        return [finished[name] for name in names]

    def serve(self, name: Candidate, content: bytes) -> ServedModel:
        """A candidate as it predicts when it is published."""
        return load_model(FILE_OF[name], content, self.rows.classes, self.preprocessing.target_unit)

    def write(self, folder: Path, name: Candidate, files: Mapping[Candidate, bytes]) -> None:
        """Writes what is published of the model: the chosen file, and always the estimator itself."""
        (folder / SKOPS_FILE).write_bytes(files[BASELINE])
        if name != BASELINE:
            (folder / ONNX_FILE).write_bytes(files[name])

    def training(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """What steelyard.json says of the training.

        Args:
            document: training.json.
        """
        settings = {name: _plain(value) for name, value in sorted(self.estimator.get_params(deep=False).items())}
        section: dict[str, Any] = {"estimator": type(self.estimator).__name__, "parameters": settings}
        if (iterations := getattr(self.estimator, "n_iter_", None)) is not None:
            section["iterations"] = int(np.max(iterations))
        if (folds := document.get("crossValidation")) is not None:
            section["crossValidation"] = folds
        return section

    def packages(self) -> dict[str, str]:
        """The versions of the libraries that made the model, beside numpy and scikit-learn."""
        return {package: version(package) for package in ("skops", "skl2onnx", "onnxruntime")}

    @cached_property
    def _skops(self) -> bytes:
        return estimator_bytes(self.estimator)

    @property
    def _measures(self) -> list[Measure]:
        return self.spec.told_measures(self.rows.dataset.task)

    @cached_property
    def _kept(self) -> KeptCandidates:
        model = hashlib.sha256(self._skops).hexdigest()
        key = hashlib.sha256(f"{model} {self.rows.dataset.fingerprint}".encode()).hexdigest()
        return KeptCandidates(self.finished, key, lambda name: Path(FILE_OF[name]).suffix, self.check_attempt)

    def _make(self, name: Candidate) -> bytes:
        if name == BASELINE:
            return self._skops
        return make_candidate(
            name, self.estimator, self.preprocessing.width, self.rows.classes, self.preprocessing.target_unit
        )

    def _measure(self, name: Candidate) -> Measured:
        validation = self.read(["validation"])
        try:
            content: bytes | None = self._make(name)
        except ConversionError as error:
            content, measured = None, Measured.failed(name, str(error))
        if content is not None:
            rows, unit = self.rows, self.preprocessing.target_unit
            measured = measure_candidate(
                name,
                content,
                rows.dataset.task,
                rows.dataset.classes,
                unit,
                validation.features,
                validation.targets,
                self._measures,
            )
        self._kept.keep(measured, None if measured.failure else content)
        return measured


def _plain(value: Any) -> Any:
    """A setting as JSON; weights of classes have numbers for keys, which JSON has not."""
    return {str(key): each for key, each in value.items()} if isinstance(value, dict) else value
