"""Models of scikit-learn over small tables, trained in this process, and what `predict` says of rows of any kind."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from sklearn_support import EstimatorJob

from steelyard.cli.output import OutputFormat
from steelyard.cli.predict import predict

CASES = Path(__file__).parents[1] / "data/cases"


def model_of_case(name: str, folder: Path) -> Path:
    """Trains what a case's manifest says; returns the published folder."""
    spec = yaml.safe_load((CASES / name / "job.yaml").read_text())["spec"]
    spec["dataset"]["uri"] = str(CASES / name / spec["dataset"]["uri"])
    return EstimatorJob.on(folder, spec["dataset"]).publish(spec["model"])[0]


def rows_of(name: str, file: str = "new.csv") -> pd.DataFrame:
    """A case's rows, every cell as it is written."""
    return pd.read_csv(CASES / name / file, dtype=str, keep_default_na=False)


def as_csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def as_parquet(frame: pd.DataFrame | pa.Table) -> bytes:
    """Without what pandas would keep beside the columns."""
    table = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
    file = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(None), file)
    return file.getvalue()


@dataclass
class Said:
    """What `predict` gave."""

    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.out)))

    @property
    def predictions(self) -> list[str]:
        return [line["prediction"] for line in self.lines]

    @property
    def score(self) -> float:
        """The figure of the last line of standard error."""
        name, value = self.err.splitlines()[-1].split()[:2]
        assert name in ("accuracy", "rmse")
        return float(value)

    @property
    def findings(self) -> list[str]:
        """What was said beside the score."""
        return [line for line in self.err.splitlines() if not line.startswith(("accuracy ", "rmse "))]


@dataclass
class Predictor:
    """Runs `predict` in this process."""

    capsys: pytest.CaptureFixture[str]
    folder: Path

    def file(self, rows: bytes | pd.DataFrame) -> Path:
        path = self.folder / "rows"
        path.write_bytes(as_csv(rows) if isinstance(rows, pd.DataFrame) else rows)
        return path

    def __call__(self, model: Path, rows: bytes | pd.DataFrame, **options: Any) -> Said:
        """Of a file with this content; a DataFrame becomes CSV."""
        self.capsys.readouterr()
        predict(model, self.file(rows), **options)
        return Said(*self.capsys.readouterr())

    def in_json(self, model: Path, rows: bytes | pd.DataFrame) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self(model, rows, output=OutputFormat.JSON).out)
        return document


@pytest.fixture
def predicted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Predictor:
    return Predictor(capsys, tmp_path)
