"""`spec.compression`: what is tried to make a model small, and what it may cost. Imports the api only."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from steelyard.api.base import Part, Share, refuse
from steelyard.api.compression.candidates import AUTO as AUTO
from steelyard.api.compression.candidates import BASELINE as BASELINE
from steelyard.api.compression.candidates import Candidate as Candidate
from steelyard.api.compression.candidates import CandidateRecipe as CandidateRecipe
from steelyard.api.compression.candidates import lacks_learning
from steelyard.api.compression.candidates import learns as learns
from steelyard.api.compression.candidates import name_of as name_of
from steelyard.api.forms import CompressionObjective as CompressionObjective

Proof = Literal["HeldOut", "CrossFitted", "Point"]
OnTooFewRows = Literal["Point", "Baseline", "Fail"]

DEFAULT_CONFIDENCE = 0.95
DEFAULT_MAX_TRAININGS = 8
DEFAULT_MAX_WORK = 3.0

LIMITS_OF_AUTO = ("max_trainings", "max_work", "max_minutes")


class Compression(Part):
    """Candidates are made, measured on the validation set, and the best within the budget is published."""

    candidates: Annotated[list[Candidate], Field(min_length=1, max_length=16)] | None = None
    """What is tried: Baseline (the model as it was trained, always weighed: float32 in LiteRT, or skops);
    of networks DynamicRange (8-bit weights), Float16 (16-bit weights), Int8 (8-bit weights and activations),
    Int4 (4-bit weights of dense layers, 8-bit weights of convolutions), Int2 (2-bit weights that were learned as such,
    a step of a recipe), Distill (a narrower network, taught by the
    trained one), QuantizationAware (weights learned in few bits), Prune (zeros); of scikit-learn's models Onnx
    (float32), of forests and gradient boosting Refit (fitted anew with fewer trees and leaves), of forests SelectTrees
    (some of the trees), of both and nearest neighbors DistillMlp (an mlp that learns from the trained model). Each is
    a technique's name, with its defaults, or a map of a name of its own and the steps, techniques with settings, that
    are applied one after the other. Auto, alone in the list, of networks, forests and gradient boosting: a search,
    which trains what the candidates before it make worth it. Default: of networks DynamicRange, Float16 and Int8, of
    scikit-learn's models Onnx."""
    max_trainings: Annotated[int, Field(ge=1, le=100)] | None = None
    """Auto: how many models are trained, at most. Default: 8."""
    max_work: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Auto: how much may be trained, in times the job's own training, counted as rows x epochs (training.epochs) x
    weights, of trees as comparisons: the same on every machine. What may not fit is not begun. Default: 3."""
    max_minutes: Annotated[float, Field(gt=0, le=100_000)] | None = None
    """Auto: after so many minutes nothing is begun that takes a training. Another run may then come to another end.
    Default: no limit."""
    max_metric_drop: Share = 0.01
    """The most of evaluation.metric (default: accuracy, or r2) that a candidate may lose against the baseline:
    absolute; of rmse, mae and medianAe, which are in the target's unit, as a share: 0.01 lets them grow by 1%."""
    max_class_drop: Share | None = None
    """The most of its recall that any single class may lose, so that a rare one does not pay for the others: proved, or
    compared, as maxMetricDrop is; a candidate is accepted only if both hold. Absolute. Of classification only. Default:
    no class is looked at by itself."""
    max_size_bytes: Annotated[int, Field(ge=1, le=10**12)] | None = None
    """The most bytes that the published model's file may have. Nothing over a limit is published: where no candidate is
    within, the job fails (GateFailed). Default: no limit."""
    max_latency_microseconds: Annotated[float, Field(gt=0, le=10**9)] | None = None
    """The most time that one row may take: the median, measured on one thread of the machine that runs the stage
    finish, which the model card names. Default: no limit."""
    max_memory_bytes: Annotated[int, Field(ge=1, le=10**12)] | None = None
    """The most memory that the runtime may hold for the model once it has predicted a row, measured. Default: no
    limit."""
    proof: Proof | None = None
    """How it is shown that no more is lost: HeldOut, by an upper bound of the loss on the validation set, with
    compression.confidence; CrossFitted, by that of models and candidates that are made anew, in the same way, five
    times, each without a fifth of the training and validation sets, on that fifth: on more rows, in five times the
    time, and it proves the recipe, not the file; Point, by comparing two numbers, which is wrong about as often as
    right where the loss is near the budget. Default: HeldOut."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] | None = None
    """How sure the proof is: at most 1 - confidence of the models that are said to be proved lose more than
    maxMetricDrop on new rows. Default: 0.95. Not with proof Point."""
    on_too_few_rows: OnTooFewRows | None = None
    """What is published where the validation set is so small that not even an equal model could be proved: Point, what
    the two numbers say, which is called not proved wherever it is shown; Baseline, the model without compression; Fail,
    nothing, and the job fails: neither trains a student first. Default: Point. Not with proof Point."""
    objective: CompressionObjective | None = None
    """What is best: Size, the fewest bytes; Latency, the least time for one row, and of those that are not slower by
    more than chance the fewest bytes; Balanced, the fewest bytes of those that take at most 10 times the least time.
    Default: Balanced for scikit-learn's models, Size for networks; in a
    search with objective.secondary, that."""

    @property
    def sure(self) -> float | None:
        """The confidence of the proof; None where two numbers are compared."""
        return None if self.proof == "Point" else self.confidence or DEFAULT_CONFIDENCE

    @property
    def is_auto(self) -> bool:
        """Whether a search says what is tried."""
        return self.candidates == [AUTO]

    @property
    def most_trainings(self) -> int:
        """Auto: how many networks are trained, at most."""
        return self.max_trainings or DEFAULT_MAX_TRAININGS

    @property
    def most_work(self) -> float:
        """Auto: how much may be trained, in times the job's own training."""
        return self.max_work or DEFAULT_MAX_WORK

    @property
    def search_costs(self) -> str | None:
        """What a search may cost, for people; None where candidates are listed."""
        if not self.is_auto:
            return None
        clock = "" if self.max_minutes is None else f", none begun after {self.max_minutes:g} minutes"
        trainings = "1 training" if self.most_trainings == 1 else f"{self.most_trainings} trainings"
        return f"at most {trainings} and {self.most_work:g} times the work of the model's own training{clock}"

    @model_validator(mode="after")
    def _searches_alone(self) -> Self:
        if AUTO in (self.candidates or []) and not self.is_auto:
            raise refuse("candidates", "Auto says itself what is tried; leave out the others, or Auto")
        for name in LIMITS_OF_AUTO:
            if getattr(self, name) is not None and not self.is_auto:
                field = str(type(self).model_fields[name].alias)
                raise refuse(field, "only a search has a limit; say candidates: [Auto], or leave this out")
        return self

    @model_validator(mode="after")
    def _proves_only_by_bounds(self) -> Self:
        for name, value in (("confidence", self.confidence), ("onTooFewRows", self.on_too_few_rows)):
            if self.proof == "Point" and value is not None:
                raise refuse(name, "proof Point compares two numbers and proves nothing; leave out one of the two")
        return self

    @property
    def is_cross_fitted(self) -> bool:
        """Whether networks are made again on folds to prove their recipe."""
        return self.proof == "CrossFitted"

    @model_validator(mode="after")
    def _learns_the_2_bits_that_it_writes(self) -> Self:
        for number, candidate in enumerate(self.candidates or []):
            if lacks_learning(candidate):
                raise refuse(
                    f"candidates[{number}]",
                    "Int2 writes weights that were learned in 2 bits; list a candidate of several steps, with "
                    "{technique: QuantizationAware, bits: 2} right before it",
                )
        return self

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        given = [name_of(candidate) for candidate in self.candidates or []]
        for name in given:
            if given.count(name) > 1:
                raise refuse("candidates", "{name} is listed twice", name=name)
        return self
