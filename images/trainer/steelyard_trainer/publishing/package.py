"""Puts together the folder that is published. Imports steelyard.

Equal models, figures and versions give equal bytes: nothing in it says when or where it was made.
"""

import json
import platform
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from steelyard.api.metrics import Task
from steelyard.api.training_job import TrainingJob
from steelyard.contract.package import (
    CARD_FILE,
    FORMAT_VERSION,
    KIND,
    PREPROCESSING_FILE,
    PROBABILITIES,
    REPORT_FILE,
    STANDARDIZED_TARGET,
    SUMS_FILE,
    TARGET,
)
from steelyard.contract.version import API_VERSION
from steelyard.serving.interface import InTargetUnit, ServedModel
from steelyard.serving.preprocessing import Preprocessing
from steelyard.stores.integrity import digest_of, sums_of
from steelyard_trainer.compression.choice import Choice
from steelyard_trainer.compression.weighing import baseline_name
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.evaluation.judge import Judgement
from steelyard_trainer.publishing.card import model_card
from steelyard_trainer.publishing.found_by import FoundBy


@dataclass(frozen=True)
class Sizes:
    """Bytes of the file that is published, and of what it would be without compression."""

    chosen: int
    baseline: int


@dataclass(frozen=True)
class Evidence:
    """All that is said of a published model."""

    job: TrainingJob
    dataset: PreparedDataset
    training: Mapping[str, Any]
    """What is said of the training."""
    packages: Mapping[str, str]
    """The versions of the libraries that made the model, beside numpy and scikit-learn."""
    judged: Judgement
    """The chosen model, by the code that predicts."""
    choice: Choice
    sizes: Sizes
    output: str
    """What the served file gives: PROBABILITIES, TARGET or STANDARDIZED_TARGET."""
    found_by: FoundBy | None = None
    """The search, where the model is the best of one."""
    chosen_with: str | None = None
    """Of a model that was trained on the training and validation sets: which model the choice was made with."""

    def to_json(self) -> dict[str, Any]:
        """steelyard.json."""
        data, compression, chosen = self.dataset, self.job.spec.compression, self.choice.chosen
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "formatVersion": FORMAT_VERSION,
            "name": self.found_by.search.name if self.found_by else self.job.metadata.name,
            "task": data.task,
            "target": data.target,
            "output": self.output,
            "manifest": self.job.to_manifest(),
            **({"search": self.found_by.to_json()} if self.found_by else {}),
            "versions": versions(self.packages),
            "dataset": {
                "fingerprint": data.fingerprint,
                "rows": data.rows,
                "split": data.split,
                "sourceRows": data.source_rows,
                "droppedRows": data.dropped_rows,
                "columns": [{"name": name, "kind": kind} for name, kind in data.columns],
                "classes": None if data.classes is None else list(data.classes),
                "classCounts": data.class_counts,
                "findings": data.findings,
            },
            "training": {
                "parts": ["train"] if self.chosen_with is None else ["train", "validation"],
                **self.training,
            },
            "metrics": {
                split: {name: figure.to_json() for name, figure in figures.items()}
                for split, figures in self.judged.figures.items()
            },
            "naive": self.judged.naive.to_json(),
            "errors": self.judged.errors,
            "doubts": self.judged.doubts,
            "choice": {
                "chosen": chosen.measured.name,
                "why": self.choice.why,
                "madeWith": self.chosen_with,
                "baseline": baseline_name(self.job.spec),
                "bytes": self.sizes.chosen,
                "baselineBytes": self.sizes.baseline,
                "primaryMetric": self.judged.primary.name,
                "objective": self.job.spec.compression_objective if compression else None,
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


def output_of(model: ServedModel, task: Task) -> str:
    """What the file of a model gives, as steelyard.json says it."""
    if task == "Classification":
        return PROBABILITIES
    return STANDARDIZED_TARGET if isinstance(model, InTargetUnit) else TARGET


def versions(packages: Mapping[str, str]) -> dict[str, str]:
    """What made the model: Python, Steelyard, numpy, scikit-learn and these packages."""
    shared = {package: version(package) for package in ("steelyard", "numpy", "scikit-learn")}
    return {"python": platform.python_version(), **shared, **packages}


def assemble(
    folder: Path,
    write_model: Callable[[Path], None],
    preprocessing: Preprocessing,
    evidence: Evidence,
) -> str:
    """Writes everything that is published, SHA256SUMS last.

    Args:
        folder: made anew.
        write_model: writes the model's own files into a folder.
        preprocessing: what turns raw rows into its features.
        evidence: what is said of it; of a search its own files, too (`SEARCH_PAGE_FILE`, `SEARCH_FILE`).

    Returns:
        The model's digest.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_model(folder)
    _write_json(folder / PREPROCESSING_FILE, preprocessing.to_json())
    report = evidence.to_json()
    _write_json(folder / REPORT_FILE, report)
    (folder / CARD_FILE).write_text(model_card(report), encoding="utf-8")
    for name, content in (evidence.found_by.files if evidence.found_by else {}).items():
        (folder / name).write_bytes(content)
    (folder / SUMS_FILE).write_bytes(sums_of(folder))
    return digest_of(folder)


def _write_json(path: Path, document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
