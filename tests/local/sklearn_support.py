"""Models of scikit-learn, really prepared, fitted and finished, in this process."""

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard.api.loading import parse_training_job
from steelyard.api.training_job import TrainingJob
from steelyard.contract.workspace import Workspace
from steelyard_trainer.contract import Outcome, StageContext
from steelyard_trainer.data.prepare import prepare
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.families.sklearn.train import train_estimator
from steelyard_trainer.finish import finish


@dataclass
class EstimatorJob:
    """A job in a folder of its own, which relative URIs are relative to; the data is prepared."""

    folder: Path
    dataset: dict[str, Any]

    @classmethod
    def on(cls, folder: Path, dataset: dict[str, Any], **spec: Any) -> "EstimatorJob":
        job = cls(folder, dataset)
        job.workspace.root.mkdir(parents=True)
        prepare(job._context("prepare", job.job({"randomForest": {}}, **spec)))
        return job

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.folder / "workspace")

    @property
    def prepared(self) -> PreparedDataset:
        return PreparedDataset.load(self.workspace)

    def job(self, model: dict[str, Any], **spec: Any) -> TrainingJob:
        return parse_training_job(
            {
                "apiVersion": "steelyard.dev/v1alpha1",
                "kind": "TrainingJob",
                "metadata": {"name": "tested"},
                "spec": {"dataset": self.dataset, "model": model, **spec},
            }
        )

    def publish(self, model: dict[str, Any], **spec: Any) -> tuple[Path, Outcome]:
        """Fits and publishes; returns the folder and what the stage finish says."""
        name = f"model-{len(list(self.folder.glob('model-*')))}"
        job = self.job(model, **{"publish": [{"uri": name}], **spec})
        # As a plan does: another manifest is another key.
        key = hashlib.sha256(json.dumps(job.to_manifest()).encode()).hexdigest()
        train_estimator(self._context("train", job, key))
        return self.folder / name, finish(self._context("finish", job, key))

    def finish(self, model: dict[str, Any], **spec: Any) -> Outcome:
        """The stage finish alone."""
        return finish(self._context("finish", self.job(model, **spec)))

    def test_rows(self) -> Path:
        """The raw test set as CSV, the target included."""
        raw = self.prepared.read_raw("test")
        path = self.folder / "test.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = zip(*raw.values(), strict=True)
            csv.writer(file).writerows([raw.keys(), *(["" if c is None else c for c in row] for row in rows)])
        return path

    def _context(self, stage: Any, job: TrainingJob, key: str = "key") -> StageContext:
        return StageContext(stage, job, self.workspace, self.folder, key, 0)
