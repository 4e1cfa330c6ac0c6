"""Puts together the folder that is published. Imports Keras and steelyard.

Equal models, figures and versions give equal bytes: nothing in it says when or where it was made.
"""

import json
import platform
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras

from steelyard.api.outcome import Metric
from steelyard.api.published import CARD_FILE, KERAS_FILE, KIND, LITERT_FILE, PREPROCESSING_FILE, REPORT_FILE, SUMS_FILE
from steelyard.api.training_job import API_VERSION, TrainingJob
from steelyard.serving.published import digest_of, sums_of
from steelyard_trainer.compression.choice import Choice
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.data.splitting import SplitName
from steelyard_trainer.evaluation.metrics import Figures
from steelyard_trainer.publishing.card import model_card

# Anything reads a ZIP archive's dates; this is the earliest one that the format has.
_NO_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Evidence:
    """All that is said of a published model."""

    job: TrainingJob
    dataset: PreparedDataset
    training: Mapping[str, Any]
    """training.json."""
    primary: Metric
    figures: dict[SplitName, Figures]
    """The chosen model's, measured in LiteRT."""
    choice: Choice

    def to_json(self) -> dict[str, Any]:
        """steelyard.json."""
        data, compression, chosen = self.dataset, self.job.spec.compression, self.choice.chosen
        best = self.training["bestEpoch"]
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": self.job.metadata.name,
            "task": data.task,
            "target": data.target,
            "manifest": self.job.to_manifest(),
            "versions": versions(),
            "dataset": {
                "fingerprint": data.fingerprint,
                "rows": data.rows,
                "sourceRows": data.source_rows,
                "droppedRows": data.dropped_rows,
                "columns": [{"name": name, "kind": kind} for name, kind in data.columns],
                "classes": None if data.classes is None else list(data.classes),
                "classCounts": data.class_counts,
                "findings": data.findings,
            },
            "training": {
                "epochs": self.training["epochs"],
                "bestEpoch": best,
                "workers": self.training["workers"],
                "steps": self.training["steps"],
                "atBestEpoch": {name: values[best - 1] for name, values in self.training["history"].items()},
            },
            "metrics": {
                split: {name: figure.to_json() for name, figure in figures.items()}
                for split, figures in self.figures.items()
            },
            "choice": {
                "chosen": chosen.measured.name,
                "why": self.choice.why,
                "primaryMetric": self.primary,
                "objective": compression.objective if compression else None,
                "maxMetricDrop": compression.max_metric_drop if compression else None,
                "candidates": [
                    {
                        **weighed.measured.to_json(),
                        "drop": weighed.drop,
                        "withinBudget": weighed.is_within_budget,
                        "verdict": weighed.verdict,
                    }
                    for weighed in self.choice.weighed
                ],
            },
        }


def versions() -> dict[str, str]:
    """What made the model, by package."""
    import tensorflow as tf

    packages = ("steelyard", "keras", "numpy", "scikit-learn", "ai-edge-litert")
    # Its distribution has another name on some machines.
    return {"python": platform.python_version(), "tensorflow": tf.__version__} | {
        package: version(package) for package in packages
    }


def assemble(folder: Path, model: keras.Model, litert: bytes, evidence: Evidence) -> str:
    """Writes everything that is published, SHA256SUMS last.

    Args:
        folder: made anew.
        model: the float32 model.
        litert: the chosen model's .tflite file.
        evidence: what is said of it.

    Returns:
        The model's digest.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / LITERT_FILE).write_bytes(litert)
    _write_keras(model, folder / KERAS_FILE)
    _write_json(folder / PREPROCESSING_FILE, evidence.dataset.preprocessing.to_json())
    report = evidence.to_json()
    _write_json(folder / REPORT_FILE, report)
    (folder / CARD_FILE).write_text(model_card(report), encoding="utf-8")
    (folder / SUMS_FILE).write_bytes(sums_of(folder))
    return digest_of(folder)


def _write_json(path: Path, document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _write_keras(model: keras.Model, path: Path) -> None:
    """Saves a Keras model without the date that Keras puts in, twice."""
    dated = path.with_name(f"dated-{path.name}")
    model.save(dated)
    with zipfile.ZipFile(dated) as source, zipfile.ZipFile(path, "w") as sink:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "metadata.json":
                metadata = json.loads(content)
                del metadata["date_saved"]
                content = json.dumps(metadata).encode()
            sink.writestr(zipfile.ZipInfo(entry.filename, _NO_DATE), content, compress_type=entry.compress_type)
    dated.unlink()
