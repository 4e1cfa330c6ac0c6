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
    PAGE_FILE,
    PREPROCESSING_FILE,
    PROBABILITIES,
    REPORT_FILE,
    RUNTIME_FILES,
    STANDARDIZED_TARGET,
    SUMS_FILE,
    TARGET,
)
from steelyard.contract.report import (
    BeforeReport,
    CandidateReport,
    CandidateSearchReport,
    ChoiceReport,
    ClassReport,
    CodeReport,
    ColumnReport,
    DatasetReport,
    HeadroomReport,
    LatencyReport,
    MadeReport,
    PublishedReport,
    ServingReport,
    TimesReport,
    TrainingReport,
)
from steelyard.report.model import model_card, report_page
from steelyard.report.told import Told
from steelyard.serving.interface import InTargetUnit, ServedModel
from steelyard.serving.preprocessing import Preprocessing
from steelyard.stores.integrity import digest_of, sums_of
from steelyard_trainer.compression.choice import Choice, Measured, Weighed
from steelyard_trainer.compression.cost import Cost, Latency, Made
from steelyard_trainer.compression.plan import Searched
from steelyard_trainer.compression.timing import TURNS
from steelyard_trainer.compression.weighing import baseline_name
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.evaluation.judge import Judgement
from steelyard_trainer.evaluation.metrics import reported
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
    training: TrainingReport
    """What is said of the training."""
    packages: Mapping[str, str]
    """The versions of the libraries that made the model, beside numpy and scikit-learn."""
    judged: Judgement
    """The chosen model, by the code that predicts."""
    choice: Choice
    sizes: Sizes
    output: str
    """What the served file gives: PROBABILITIES, TARGET or STANDARDIZED_TARGET."""
    runtime: str
    """What serves it: one of RUNTIME_FILES."""
    found_by: FoundBy | None = None
    """The search, where the model is the best of one."""
    before: BeforeReport | None = None
    """The model without compression on the test set, where another one is published."""
    headroom: HeadroomReport | None = None
    """What a linear model reaches, where something was compressed."""
    own_work: int | None = None
    """What was trained to make the model without compression, at most: rows x epochs x weights; None where that is not
    counted."""
    code: CodeReport | None = None
    """The user's own code, where it built the model."""
    chosen_with: str | None = None
    """Of a model that was trained on the training and validation sets: which model the choice was made with."""

    @property
    def report(self) -> PublishedReport:
        """steelyard.json."""
        parts = [*self.dataset.learned(is_refit=self.chosen_with is not None)]
        # Of a model from elsewhere it is not known what it learned.
        training = self.training.model_copy(update={"parts": parts}) if self.training.parts else self.training
        return PublishedReport(
            name=self.found_by.search.name if self.found_by else self.job.metadata.name,
            task=self.dataset.task,
            target=self.dataset.target,
            output=self.output,
            serving=ServingReport(runtime=self.runtime, file=RUNTIME_FILES[self.runtime].file),
            manifest=self.job.to_manifest(),
            search=self.found_by.report if self.found_by else None,
            versions=versions(self.packages),
            dataset=_dataset_report(self.dataset),
            training=training,
            code=self.code,
            metrics={split: reported(figures) for split, figures in self.judged.figures.items()},
            naive=self.judged.naive.report,
            errors=self.judged.errors,
            before=self.before,
            headroom=self.headroom,
            doubts=self.judged.doubts,
            choice=self._choice_report,
        )

    @property
    def _choice_report(self) -> ChoiceReport:
        spec = self.job.spec
        return ChoiceReport(
            chosen=self.choice.chosen.measured.name,
            why=self.choice.why,
            made_with=self.chosen_with,
            baseline=baseline_name(spec),
            bytes=self.sizes.chosen,
            baseline_bytes=self.sizes.baseline,
            primary_metric=self.judged.primary.name,
            objective=spec.compression_objective if spec.compression else None,
            max_metric_drop=spec.compression.max_metric_drop if spec.compression else None,
            max_class_drop=spec.compression.max_class_drop if spec.compression else None,
            confidence=self.choice.confidence,
            proved=self.choice.chosen.is_proved,
            proof=self.choice.proof or None,
            searched=_search_report(self.choice.searched) if self.choice.searched else None,
            candidates=[
                _candidate_report(weighed, self.choice.baseline, self.own_work) for weighed in self.choice.weighed
            ],
        )


def _search_report(searched: Searched) -> CandidateSearchReport:
    limits = searched.limits
    return CandidateSearchReport(
        trainings=searched.trainings,
        max_trainings=limits.trainings,
        work=round(searched.work, 4),
        max_work=limits.work,
        max_minutes=limits.minutes,
        ended=searched.ended,
        told=searched.told,
    )


def _dataset_report(data: PreparedDataset) -> DatasetReport:
    return DatasetReport(
        fingerprint=data.fingerprint,
        rows={**data.rows},
        split=data.split,
        source_rows=data.source_rows,
        dropped_rows=data.dropped_rows,
        columns=[ColumnReport(name=name, kind=kind) for name, kind in data.columns],
        classes=None if data.classes is None else list(data.classes),
        class_counts=None if data.class_counts is None else {**data.class_counts},
        findings=data.findings,
    )


def _candidate_report(weighed: Weighed, baseline: Measured, own_work: int | None) -> CandidateReport:
    measured = weighed.measured
    return CandidateReport(
        name=measured.name,
        bytes=None if measured.failure else measured.bytes,
        latency_microseconds=None if measured.failure else measured.latency_microseconds,
        compressed_bytes=measured.cost.compressed_bytes if measured.cost else None,
        memory_bytes=measured.cost.memory_bytes if measured.cost else None,
        made=None if measured.made is None else _made_report(measured.made, own_work),
        times=_times_report(measured.cost, baseline.cost) if measured.cost else None,
        validation=None if measured.figures is None else reported(measured.figures),
        failure=measured.failure or None,
        drop=weighed.drop,
        drop_at_most=weighed.drop_at_most,
        worst_class=_class_report(weighed),
        proved=weighed.is_proved,
        over_limit=weighed.is_over_limit or None,
        within_budget=weighed.is_within_budget,
        verdict=weighed.verdict,
    )


def _made_report(made: Made, own_work: int | None) -> MadeReport:
    work = round(made.work / own_work, 4) if made.work and own_work else None
    return MadeReport(seconds=made.seconds, work=work)


def _class_report(weighed: Weighed) -> ClassReport | None:
    if (worst := weighed.worst_class) is None:
        return None
    return ClassReport(label=worst.label, drop=worst.drop, drop_at_most=worst.drop_at_most)


def _times_report(cost: Cost, baseline: Cost | None) -> TimesReport | None:
    if (row := _latency_report(cost.row)) is None:
        return None
    return TimesReport(
        machine=cost.machine,
        threads=1,
        turns=len(cost.rounds) if len(cost.rounds) < TURNS else None,
        row=row,
        batch_rows=cost.batch_rows,
        batch=_latency_report(cost.batch),
        against_baseline=None if baseline is None or cost is baseline else cost.against(baseline),
    )


def _latency_report(latency: Latency | None) -> LatencyReport | None:
    return None if latency is None else LatencyReport(median=latency.median, p99=latency.p99)


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
    report, found_by = evidence.report, evidence.found_by
    _write_json(folder / REPORT_FILE, report.to_json())
    (folder / CARD_FILE).write_text(model_card(report), encoding="utf-8")
    told = Told(report, found_by.found if found_by else None)
    (folder / PAGE_FILE).write_text(report_page(told), encoding="utf-8")
    for name, content in (found_by.files if found_by else {}).items():
        (folder / name).write_bytes(content)
    (folder / SUMS_FILE).write_bytes(sums_of(folder))
    return digest_of(folder)


def _write_json(path: Path, document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
