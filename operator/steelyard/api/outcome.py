"""`spec.evaluation`, `spec.compression`, `spec.publish`, `spec.runPolicy`: what becomes of a trained model.

Imports the api only.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from steelyard.api.base import Part, Share, refuse
from steelyard.api.uris import ClaimUri, is_claim_uri

ClassificationMetric = Literal["accuracy", "macroF1", "logLoss"]
RegressionMetric = Literal["r2", "rmse", "mae"]
Metric = Literal["accuracy", "macroF1", "logLoss", "r2", "rmse", "mae"]
Candidate = Literal["Baseline", "DynamicRange", "Float16", "Int8", "Onnx"]
BASELINE: Candidate = "Baseline"
"""The model as it was trained, float32 in LiteRT or scikit-learn's in skops: always weighed, and what the others are
compared with."""

CANDIDATES_OF_NETWORKS: tuple[Candidate, ...] = ("DynamicRange", "Float16", "Int8")
CANDIDATES_OF_ESTIMATORS: tuple[Candidate, ...] = ("Onnx",)

AT_MOST_ONE = frozenset({"accuracy", "macroF1", "r2"})


class Requirement(Part):
    """A bound on one metric of the chosen model on the test part."""

    metric: Metric
    """accuracy, macroF1, logLoss (classification); r2, rmse, mae (regression; rmse and mae in the target's unit)."""
    minimum: float | None = None
    """The least value that is good enough; at most 1 for accuracy, macroF1 and r2 (0.9, not 90)."""
    maximum: float | None = None
    """The largest value that is good enough."""

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
    """Gates: a model that does not meet them is not published, and the job fails with reason GateFailed."""

    require: Annotated[list[Requirement], Field(max_length=16)] = []
    """Bounds on the chosen model's metrics on the test part."""
    cross_validation: CrossValidation | None = None
    """Scores on folds beside those on the split's parts; for scikit-learn's models."""
    max_generalization_gap: Share | None = None
    """The most by which the chosen model's accuracy (regression: r2) may be better on the training part than on the
    test part."""


class Compression(Part):
    """Candidates are made, measured on the validation part, and the best within the budget is published."""

    candidates: Annotated[list[Candidate], Field(min_length=1, max_length=16)] | None = None
    """What is tried: Baseline (the model as it was trained, always weighed: float32 in LiteRT, or skops);
    of networks DynamicRange (8-bit weights), Float16 (16-bit weights), Int8 (8-bit weights and activations); of
    scikit-learn's models Onnx (float32). Default: all that the model's kind has."""
    max_metric_drop: Share = 0.01
    """The most accuracy (regression: r2) on the validation part that a candidate may lose against the baseline,
    absolute."""
    objective: Literal["Size", "Latency"] = "Size"
    """What is best: the fewest bytes, or the least time for one row."""

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
