"""What the stages' results say in `Result.summary`, a document for each kind of stage. Imports pydantic, the contract.

The trainer writes them through these classes, and everybody else reads them through them. A result has room for 4,096
bytes and may be another program's, so that what is read may lack anything. A trial's answer is a `TrialReport` beside
them.
"""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import ValidationError

from steelyard.contract.documents import Document, absent, absent_once
from steelyard.contract.report import CrossValidationReport

SUMMARY_VERSION = 1
"""`version` of a summary; those of before had none, and said the same."""


class Summary(Document):
    """What all have in common."""

    version: int = SUMMARY_VERSION

    @classmethod
    def told(cls, document: Mapping[str, Any]) -> Self:
        """What can be read of a summary: a field whose value can't be its own counts as absent.

        Raises ValidationError where one is needed and absent.
        """
        try:
            return cls.model_validate(dict(document))
        except ValidationError as error:
            wrong = {each["loc"][0] for each in error.errors(include_url=False)}
            return cls.model_validate({name: value for name, value in document.items() if name not in wrong})


class PrepareSummary(Summary):
    """What was prepared."""

    task: str
    rows: dict[str, int]
    """By set: train, validation, test."""
    columns: int
    """How many features there are."""
    classes: int | None
    """How many labels there are; None of a regression."""
    fingerprint: str
    duplicate_rows: int
    dropped_rows: int


class TrainSummary(Summary):
    """How the training went. Where no stage finish follows, `ModelSummary` and the file's size are beside it."""

    epochs: int | None = absent()
    """Of a network, as are the next two."""
    best_epoch: int | None = absent()
    steps: int | None = absent()
    workers: int | None = absent()
    cross_validation: CrossValidationReport | None = absent()
    """Of a model of scikit-learn that was scored on folds."""
    metrics: dict[str, float] | None = absent()
    """Such as loss and val_loss; of a network at the best epoch."""
    restarts: int | None = absent()
    """How often the training went on from a checkpoint, in the end."""


class NaiveSummary(Document):
    """A model that ignores the features."""

    label: str | None = absent()
    """What it always says; of a regression the mean."""
    mean: float | None = absent()
    value: float
    """Its value of what decides, on the test set."""


class CandidateSummary(Document):
    """A candidate that was weighed."""

    name: str
    bytes: int | None = None
    """None where it could not be made."""
    metric: float | None = None
    """What decides, on the validation set."""
    drop: float | None = None
    """What it loses of that against the baseline."""
    drop_at_most: float | None = absent_once("dropAtMost", before="most")
    """What it loses at most, with the confidence that was asked for."""
    latency_microseconds: float | None = None
    within_budget: bool | None = None
    over_limit: bool | None = absent()
    """True where it costs more than anything may that is published."""


class ModelSummary(Summary):
    """The model that came out: all of it where it was weighed, the figures alone where it was only judged."""

    chosen: str | None = absent()
    """The name of the candidate that was published."""
    bytes: int | None = absent()
    """Of its file."""
    baseline: str | None = absent()
    """What the model without compression is called."""
    baseline_bytes: int | None = absent()
    metric: str | None = absent()
    """What decides."""
    metrics: dict[str, tuple[float, float | None]] | None = absent()
    """(value, standard error) on the test set; what decides first."""
    naive: NaiveSummary | None = absent()
    doubts: list[str] | None = absent()
    """What makes the figures doubtful."""
    metric_drop: float | None = absent()
    """What the chosen candidate loses of what decides, on the validation set."""
    proved: bool | None = absent()
    """Whether it is proved to lose no more than the budget; None where nothing was to be proved."""
    proof: str | None = absent()
    """What was proved, or why nothing was."""
    searched: str | None = absent()
    """How a search found the candidates, and why it ended."""
    digest: str | None = absent()
    """Of the published folder."""
    published: list[str] | None = absent()
    """Where it lies, as URIs."""
    weighed: int | None = absent()
    """How many candidates there were, where not all are told."""
    candidates: list[CandidateSummary] | None = absent()
    """The chosen one, the baseline, and the best of the others."""
