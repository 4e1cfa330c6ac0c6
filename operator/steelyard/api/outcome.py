"""`spec.evaluation`, `spec.compression`, `spec.publish`, `spec.runPolicy`: what becomes of a trained model.

Imports the api only.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from steelyard.api.base import Part, Share, refuse
from steelyard.api.metrics import AT_MOST_ONE, OF_LABELS, Measure, Metric
from steelyard.api.uris import ClaimUri, is_claim_uri

Candidate = Literal["Baseline", "DynamicRange", "Float16", "Int8", "Onnx"]
BASELINE: Candidate = "Baseline"
"""The model as it was trained, float32 in LiteRT or scikit-learn's in skops: always weighed, and what the others are
compared with."""

CANDIDATES_OF_NETWORKS: tuple[Candidate, ...] = ("DynamicRange", "Float16", "Int8")
CANDIDATES_OF_ESTIMATORS: tuple[Candidate, ...] = ("Onnx",)


Label = Annotated[str, Field(min_length=1, max_length=200)]
"""A class, as it is written in the data."""


def check_label(metric: Metric | None, label: str | None) -> None:
    """Refuses a label beside a metric that takes none. Raises PydanticCustomError."""
    if label is not None and (metric is None or metric not in OF_LABELS):
        raise refuse(
            "label", "a label goes with one of the metrics {allowed}; leave it out", allowed=", ".join(OF_LABELS)
        )


class Requirement(Part):
    """A bound on one metric of the chosen model on the test part."""

    metric: Metric
    """Classification: accuracy, macroF1, logLoss, rocAuc, averagePrecision, balancedAccuracy, precision, recall, f1;
    regression: r2, mape, and rmse, mae, medianAe in the target's unit. docs/metrics.md says what each is."""
    label: Label | None = None
    """Of rocAuc, averagePrecision, precision, recall and f1: the class that the figure is of, as it is written in the
    data (in quotes where it is a number). Default: all classes, averaged."""
    minimum: float | None = None
    """The least value that is good enough; at most 1 for metrics that are at most 1 (0.9, not 90)."""
    maximum: float | None = None
    """The largest value that is good enough."""

    @property
    def measure(self) -> Measure:
        """What is bounded."""
        return Measure(self.metric, self.label)

    @model_validator(mode="after")
    def _label_fits_metric(self) -> Self:
        check_label(self.metric, self.label)
        return self

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise refuse("minimum", "a requirement needs a minimum, a maximum or both")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise refuse(
                "minimum",
                "the minimum {low} is above the maximum {high}",
                low=f"{self.minimum:.15g}",
                high=f"{self.maximum:.15g}",
            )
        for field, bound in (("minimum", self.minimum), ("maximum", self.maximum)):
            if bound is not None and bound > 1 and self.metric in AT_MOST_ONE:
                raise refuse(
                    field, "{bound} is not allowed; {metric} is at most 1", bound=f"{bound:.15g}", metric=self.metric
                )
        return self


class CrossValidation(Part):
    """Scores on folds as scikit-learn's `cross_val_score(cv=FOLDS)` makes them: StratifiedKFold for classes, KFold for
    numbers, without shuffling, over all rows but the test part in the source's order. What fills gaps and scales is
    learned inside each fold."""

    folds: Annotated[int, Field(ge=2, le=20)] = 5
    """How many; each is scored by a model that was fitted on the others."""


class Evaluation(Part):
    """What a model is judged by, and gates: a model that does not meet them is not published, and the job fails with
    reason GateFailed."""

    metric: Metric | None = None
    """What decides, on the validation part: which epoch of a network is the best, which compressed model is within
    compression.maxMetricDrop, and what a TuningJob searches for unless it says otherwise. Default: accuracy
    (regression: r2); of the epochs the least val_loss, or what training.earlyStopping.monitor says."""
    label: Label | None = None
    """Of rocAuc, averagePrecision, precision, recall and f1: the class that the metric is of, as it is written in the
    data (in quotes where it is a number). Default: all classes, averaged."""
    require: Annotated[list[Requirement], Field(max_length=16)] = []
    """Bounds on the chosen model's metrics on the test part."""
    cross_validation: CrossValidation | None = None
    """Scores on folds beside those on the split's parts; for scikit-learn's models."""
    max_generalization_gap: Share | None = None
    """The most by which the chosen model's evaluation.metric may be better on the training part than on the test part;
    of rmse, mae and medianAe as a share of that on the training part."""

    @property
    def measure(self) -> Measure | None:
        """What decides, where the manifest says it."""
        return None if self.metric is None else Measure(self.metric, self.label)

    @model_validator(mode="after")
    def _label_fits_metric(self) -> Self:
        check_label(self.metric, self.label)
        return self


CompressionObjective = Literal["Size", "Latency", "Balanced"]


class Compression(Part):
    """Candidates are made, measured on the validation part, and the best within the budget is published."""

    candidates: Annotated[list[Candidate], Field(min_length=1, max_length=16)] | None = None
    """What is tried: Baseline (the model as it was trained, always weighed: float32 in LiteRT, or skops);
    of networks DynamicRange (8-bit weights), Float16 (16-bit weights), Int8 (8-bit weights and activations); of
    scikit-learn's models Onnx (float32). Default: all that the model's kind has."""
    max_metric_drop: Share = 0.01
    """The most of evaluation.metric (default: accuracy, or r2) that a candidate may lose on the validation part
    against the baseline: absolute; of rmse, mae and medianAe, which are in the target's unit, as a share: 0.01 lets
    them grow by 1%."""
    objective: CompressionObjective | None = None
    """What is best: Size, the fewest bytes; Latency, the least time for one row; Balanced, the fewest bytes of those
    that take at most 10 times the least time. Default: Balanced for scikit-learn's models, Size for networks; in a
    search with objective.secondary, that."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        given = self.candidates or []
        for name in given:
            if given.count(name) > 1:
                raise refuse("candidates", "{name} is listed twice", name=name)
        return self


class PublishTarget(Part):
    """A place that the model is published to."""

    uri: Annotated[str, Field(min_length=1, max_length=2048)]
    """pvc://CLAIM/PATH, a folder on a claim (PersistentVolumeClaim) of the job's namespace, which a local run maps to a
    folder; or, locally only, file:PATH or a path, relative to the manifest's folder. The folder is complete or absent;
    a model of before is replaced."""

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if not self.uri.isprintable():
            raise refuse("uri", "{uri} is not a place: it holds characters that can't be printed", uri=repr(self.uri))
        if is_claim_uri(self.uri):
            try:
                ClaimUri.parse(self.uri)
            except ValueError as error:
                raise refuse("uri", "{problem}", problem=str(error)) from None
            return self
        scheme, colon, _ = self.uri.partition(":")
        if colon and "/" not in scheme and scheme != "file":
            raise refuse(
                "uri",
                "'{uri}' is not a place that is published to here; allowed: pvc://CLAIM/PATH, file:PATH or a path",
                uri=self.uri,
            )
        return self


class RunPolicy(Part):
    """How long to wait, how often to try again."""

    suspend: bool = False
    """On a cluster: whether to pause. While it is true the running stage's pods are ended and no stage is begun; the
    time does not count against activeDeadlineSeconds. When it is false again the job goes on, a training from its last
    checkpoint. May change while the job runs. `steelyard run` passes it over: Ctrl-C pauses, another run goes on."""
    backoff_limit: Annotated[int, Field(ge=0, le=100)] = 3
    """How often a stage that crashed is started again."""
    disruption_limit: Annotated[int, Field(ge=0, le=10000)] = 100
    """How often a stage is started again that was interrupted from outside: a lost worker, lost storage, SIGTERM."""
    active_deadline_seconds: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """Seconds after which a job that still runs is ended and fails; left out, there is no limit."""
    gang_timeout_seconds: Annotated[int, Field(ge=1, le=86400)] = 300
    """Seconds within which all workers must answer each other, else the job fails with reason WorkersNotReady."""
    start_timeout_seconds: Annotated[int, Field(ge=0, le=2**31 - 1)] = 600
    """On a cluster: seconds for which a stage may wait for what may still appear or free itself (a claim, a Secret,
    quota, room on a node, the image), before the job fails with reason StartTimeout. 0: for ever."""
