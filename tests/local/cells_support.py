"""Jobs over the tables that people met, or over some like them."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from predict_support import CASES
from sklearn_support import EstimatorJob

from steelyard_trainer.data.reading import PreparedDataset

DATE = "10-iso-date"


class Case:
    """A job over a table of a case, or one like it."""

    def __init__(self, folder: Path, name: str, table: pd.DataFrame | Path | None = None, **dataset: Any) -> None:
        spec = yaml.safe_load((CASES / name / "job.yaml").read_text())["spec"]
        self.model = spec["model"]
        uri = table if isinstance(table, Path) else CASES / name / spec["dataset"]["uri"]
        if isinstance(table, pd.DataFrame):
            uri = folder / "own.csv"
            table.to_csv(uri, index=False)
        self.job = EstimatorJob.on(folder, {**spec["dataset"], "uri": str(uri), **dataset})

    @property
    def prepared(self) -> PreparedDataset:
        return self.job.prepared

    def score(self, metric: str) -> float:
        """The published model's figure on the test set."""
        self.folder, _ = self.job.publish(self.model)
        report = json.loads((self.folder / "steelyard.json").read_text())
        return float(report["metrics"]["test"][metric]["value"])


def parquet(path: Path, frame: pd.DataFrame, **options: Any) -> Path:
    frame.to_parquet(path, **options)
    return path
