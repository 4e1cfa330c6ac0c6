"""steelyard.json, the evidence that is published with a model. Imports pydantic and the contract only.

The trainer writes it through these classes, and everybody else reads it through them. `package.FORMAT_VERSION` says
what its formats are; a document of an older one is read as if it were of the present one.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TypeAlias

from pydantic import ValidationError, model_validator
from pydantic_core import PydanticCustomError

from steelyard.contract.candidate_search import CandidateSearchReport as CandidateSearchReport
from steelyard.contract.costs import ClassReport as ClassReport
from steelyard.contract.costs import Difference as Difference
from steelyard.contract.costs import LatencyReport as LatencyReport
from steelyard.contract.costs import MadeReport as MadeReport
from steelyard.contract.costs import TimesReport as TimesReport
from steelyard.contract.documents import Document, absent, absent_once
from steelyard.contract.made_from import CodeReport as CodeReport
from steelyard.contract.made_from import ColumnReport as ColumnReport
from steelyard.contract.made_from import DatasetReport as DatasetReport
from steelyard.contract.package import (
    FORMAT_VERSION,
    KIND,
    PROBABILITIES,
    REPORT_FILE,
    RUNTIME_FILES,
    TARGET,
)
from steelyard.contract.version import API_VERSION


class FigureReport(Document):
    """A metric's value."""

    value: float
    standard_error: float
    """Of the value, for the choice of rows."""


Figures: TypeAlias = dict[str, FigureReport]
"""By the metric's name."""


class ServingReport(Document):
    """What predicts."""

    runtime: str
    """One of `package.RUNTIME_FILES`."""
    file: str
    """The file that it runs; the figures are this file's."""


class SearchReport(Document):
    """The search that the model is the best of."""

    name: str
    algorithm: str
    trials: int
    ended: str
    """Why, in words."""
    metric: str
    measured_on: str
    trial: int | None
    value: float | None
    parameters: dict[str, Any]
    """By path."""
    dataset: str
    """Its URI."""


class NetworkTraining(Document):
    """How a network was trained."""

    parts: list[str] = ["train"]
    """Of the data that it was trained on."""
    epochs: int
    best_epoch: int
    """Whose weights it has."""
    workers: int
    steps: int
    at_best_epoch: dict[str, float]
    """Figures such as loss and val_loss."""
    history: dict[str, list[float | None]] | None = absent()
    """The same after each epoch; null where one was no finite number. None in a folder of before they were told."""


class CrossValidationReport(Document):
    """Scores of models of the same settings on rows that they have not seen."""

    folds: int
    rows: int
    scores: dict[str, list[float]]
    """By metric, then by fold."""
    means: dict[str, float]
    """By metric."""


class EstimatorTraining(Document):
    """How a model of scikit-learn was fitted."""

    parts: list[str] = ["train"]
    """Of the data that it was fitted on."""
    estimator: str
    """Its class."""
    parameters: dict[str, Any]
    iterations: int | None = absent()
    cross_validation: CrossValidationReport | None = absent()


class ProgramReport(Document):
    """A program of the user's own that trained the model."""

    image: str | None = absent()
    """In which it ran; None on a machine without images."""
    command: list[str] | None = absent()
    """None where the image alone says it."""
    workers: int
    metrics: dict[str, float] = {}
    """What it told of itself."""


class TrainingElsewhere(Document):
    """A model that no code of Steelyard's has trained: on what and how is not known."""

    parts: list[str] = []
    """Of the data that it was trained on here: none."""
    format: str
    """In which it came: Keras, SavedModel, Skops."""
    digest: str
    """SHA-256 (hex) of what came."""
    weights: int | None = absent()
    """How many it has, where it is a network."""
    estimator: str | None = absent()
    """Its class, where it is a model of scikit-learn."""
    program: ProgramReport | None = absent()
    """What trained it, where this job ran that."""


TrainingReport: TypeAlias = NetworkTraining | EstimatorTraining | TrainingElsewhere


class NaiveReport(Document):
    """A model that says the same of every row."""

    says: str | float
    """The commonest label, or the mean."""
    test: dict[str, float]
    """Its figures on the test set, by metric."""


class ConfusionReport(Document):
    """Test rows, by label."""

    confusion: list[list[int]]
    """A row for each label, of how often each label was said of it."""


class ConfusedPair(Document):
    """Two labels that were confused."""

    label: str
    said: str
    rows: int


class ConfusedReport(Document):
    """The pairs of labels that were confused most often, where there are too many labels for all."""

    confused: list[ConfusedPair]


class ResidualsReport(Document):
    """A regression's errors."""

    residuals: dict[str, float]
    """Target minus prediction on the test set: by share of the rows, such as "0.05", the quantile."""


ErrorsReport: TypeAlias = ConfusionReport | ConfusedReport | ResidualsReport


class AnswersReport(Document):
    """Labels that two models give the rows of the test set, the model without compression and the published one."""

    rows: int
    """All."""
    differing: int
    """Those to which they give different ones."""
    lost: int
    """Of these, those of which the published one alone is wrong."""
    won: int
    """Those of which it alone is right."""


class RecallReport(Document):
    """Of a label's rows in the test set, the share that is given it."""

    label: str
    rows: int
    before: float
    """By the model without compression."""
    after: float
    """By the published one."""


class BeforeReport(Document):
    """The model without compression on the test set, to see what compression changed."""

    metrics: Figures
    errors: ErrorsReport
    answers: AnswersReport | None = absent()
    """None of a regression, as is the next."""
    recalls: list[RecallReport] | None = absent()
    """Of the labels that have rows there."""


class HeadroomReport(Document):
    """What a linear model reaches: where it is about as good, compression proves little."""

    rows: int
    """Of the training set that it was fitted on."""
    penalty: float
    """Of its squared weights: which of three was the best on the validation set."""
    linear: FigureReport
    """What decides, on the test set."""


class CandidateReport(Document):
    """A candidate that was weighed, as it was measured on the validation set."""

    name: str
    bytes: int | None
    """Of its file; None where it could not be made, as are the next two."""
    latency_microseconds: float | None
    """Median of one row."""
    compressed_bytes: int | None = absent()
    """Of its file, by gzip at its best; None where it was not measured, as are the next two."""
    memory_bytes: int | None = absent()
    """Of the heap that the runtime holds with the model loaded and one row predicted."""
    times: TimesReport | None = absent()
    made: MadeReport | None = absent()
    """None of what could not be made, or where it was not told."""
    validation: Figures | None
    """None where an output was not a finite number, too."""
    failure: str | None = absent()
    """Why it could not be made."""
    drop: float | None
    """How much of the primary metric it loses against the baseline."""
    drop_at_most: float | None = absent_once("dropAtMost", before="most")
    """How much it loses at most, with the choice's confidence."""
    worst_class: ClassReport | None = absent()
    """The class that loses the most, where that has a budget."""
    proved: bool | None = absent()
    """Whether it is proved to lose no more than the budget; None where nothing was to be proved."""
    over_limit: bool | None = absent()
    """True where it costs more than anything may that is published."""
    within_budget: bool
    verdict: str
    """Why it was chosen or not."""


class ChoiceReport(Document):
    """Which candidate was published, and why."""

    chosen: str
    """Its name; "Baseline" ("None" in format 1) is the model without compression."""
    why: str
    made_with: str | None
    """Of a model that was trained on the training and validation sets: which model the choice was made with."""
    baseline: str
    """What the model without compression is called: float32, skops."""
    bytes: int
    """Of the published file."""
    baseline_bytes: int
    primary_metric: str
    objective: str | None
    """None where no compression was asked for, as is the next."""
    max_metric_drop: float | None
    max_class_drop: float | None = absent()
    """None where no class had a budget of its own."""
    confidence: float | None = absent()
    """That of the bounds by which candidates were accepted; None where two numbers were compared."""
    proved: bool | None = absent()
    """Whether the published model is proved to lose no more than the budget; None where nothing was to be proved, or
    the model without compression was published."""
    proof: str | None = absent()
    """What was proved, or why nothing was."""
    searched: CandidateSearchReport | None = absent()
    """How the candidates were found; None where they were listed."""
    candidates: list[CandidateReport]


class PublishedReport(Document):
    """All that is said of a published model."""

    api_version: str = API_VERSION
    kind: str = KIND
    format_version: int = FORMAT_VERSION
    """That of the document, however it is read."""
    name: str
    task: str
    """Classification or Regression."""
    target: str
    """The column that is predicted."""
    output: str
    """What the served file gives: `package.PROBABILITIES`, `TARGET` or `STANDARDIZED_TARGET`."""
    serving: ServingReport
    manifest: dict[str, Any]
    """The TrainingJob."""
    search: SearchReport | None = absent()
    versions: dict[str, str]
    """Of Python and of the packages that made the model."""
    dataset: DatasetReport
    training: TrainingReport
    code: CodeReport | None = absent()
    """None where a kind of Steelyard's own was trained."""
    metrics: dict[str, Figures]
    """By set."""
    naive: NaiveReport | None = absent()
    """None in format 1, as are the next two."""
    errors: ErrorsReport | None = absent()
    before: BeforeReport | None = absent()
    """None where the model without compression is the published one, or in a folder of before it was told."""
    headroom: HeadroomReport | None = absent()
    """None where nothing was compressed, or in a folder of before it was told."""
    doubts: list[str] = []
    choice: ChoiceReport

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """What every reader takes for granted."""
        is_classification = self.task == "Classification"
        is_sklearns = isinstance(self.training, EstimatorTraining)
        candidates = [candidate.name for candidate in self.choice.candidates]
        lacks = {
            "manifest.spec": not isinstance(self.manifest.get("spec"), dict),
            "metrics.test": "test" not in self.metrics,
            "dataset.classes": is_classification and not self.dataset.classes,
            "dataset.classCounts": is_classification and not self.dataset.class_counts,
            "versions.scikit-learn": is_sklearns and "scikit-learn" not in self.versions,
            f"choice.candidates, {self.choice.chosen}": self.choice.chosen not in candidates,
        }
        for what in (what for what, is_lacking in lacks.items() if is_lacking):
            raise PydanticCustomError("lacks", "it lacks {what}", {"what": what})
        return self

    @classmethod
    def parse(cls, document: Any) -> "PublishedReport":
        """The report of a document of this format or an older one.

        Raises:
            ValueError: it is no report, or one of a later format.
        """
        if not isinstance(document, dict) or document.get("kind") != KIND:
            raise ValueError(f"it is no document of kind {KIND}")
        version = document.get("formatVersion", 1)
        if version not in range(1, FORMAT_VERSION + 1):
            raise ValueError(f"formatVersion {version!r} is not known; 1 to {FORMAT_VERSION} are")
        try:
            return cls.model_validate(_as_now(document) if version < FORMAT_VERSION else document)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ValueError(": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))) from None

    @classmethod
    def read(cls, folder: Path) -> "PublishedReport":
        """The report in a folder, whose files may have been changed since. Raises OSError, or as `parse` does."""
        content = (folder / REPORT_FILE).read_bytes()
        try:
            document = json.loads(content)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        return cls.parse(document)


def _as_now(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document of format 1 or 2 with what has come since: what its file gives, and what serves it."""
    try:
        output = PROBABILITIES if document["task"] == "Classification" else TARGET
        serving = {"runtime": (name := _runtime_of(document["choice"])), "file": RUNTIME_FILES[name].file}
    except (KeyError, TypeError) as error:
        raise ValueError(f"it lacks {error}") from None
    return {"formatVersion": 1, "output": output, "serving": serving, **document}


def _runtime_of(choice: Mapping[str, Any]) -> str:
    """What serves a model of before it was named: all networks were LiteRT's, all others scikit-learn's."""
    if choice["baseline"] == "float32":
        return "LiteRT"
    return "OnnxRuntime" if choice["chosen"] == "Onnx" else "Skops"
