"""`spec.compression`: what is tried to make a model small, and what it may cost. Imports the api only."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from steelyard.api.base import Part, Share, refuse
from steelyard.api.compression.candidates import BASELINE as BASELINE
from steelyard.api.compression.candidates import Candidate as Candidate
from steelyard.api.compression.candidates import CandidateRecipe as CandidateRecipe
from steelyard.api.compression.candidates import learns as learns
from steelyard.api.compression.candidates import name_of as name_of

CompressionObjective = Literal["Size", "Latency", "Balanced"]
Proof = Literal["HeldOut", "Point"]
OnTooFewRows = Literal["Point", "Baseline", "Fail"]

DEFAULT_CONFIDENCE = 0.95


class Compression(Part):
    """Candidates are made, measured on the validation set, and the best within the budget is published."""

    candidates: Annotated[list[Candidate], Field(min_length=1, max_length=16)] | None = None
    """What is tried: Baseline (the model as it was trained, always weighed: float32 in LiteRT, or skops);
    of networks DynamicRange (8-bit weights), Float16 (16-bit weights), Int8 (8-bit weights and activations),
    Int4 (4-bit weights of dense layers, 8-bit weights of convolutions), Distill (a narrower network, taught by the
    trained one), QuantizationAware (weights learned in few bits), Prune (zeros); of scikit-learn's models Onnx
    (float32). Each is a technique's name, with its defaults, or a map of a name of its own and the steps, techniques
    with settings, that are applied one after the other. Default: of networks DynamicRange, Float16 and Int8, of
    scikit-learn's models Onnx."""
    max_metric_drop: Share = 0.01
    """The most of evaluation.metric (default: accuracy, or r2) that a candidate may lose against the baseline:
    absolute; of rmse, mae and medianAe, which are in the target's unit, as a share: 0.01 lets them grow by 1%."""
    proof: Proof | None = None
    """How it is shown that no more is lost: HeldOut, by an upper bound of the loss on the validation set, with
    compression.confidence; Point, by comparing two numbers, which is wrong about as often as right where the loss is
    near the budget. Default: HeldOut."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] | None = None
    """How sure the proof is: at most 1 - confidence of the models that are said to be proved lose more than
    maxMetricDrop on new rows. Default: 0.95. Not with proof Point."""
    on_too_few_rows: OnTooFewRows | None = None
    """What is published where the validation set is so small that not even an equal model could be proved: Point, what
    the two numbers say, which is called not proved wherever it is shown; Baseline, the model without compression; Fail,
    nothing, and the job fails: neither trains a student first. Default: Point. Not with proof Point."""
    objective: CompressionObjective | None = None
    """What is best: Size, the fewest bytes; Latency, the least time for one row; Balanced, the fewest bytes of those
    that take at most 10 times the least time. Default: Balanced for scikit-learn's models, Size for networks; in a
    search with objective.secondary, that."""

    @property
    def sure(self) -> float | None:
        """The confidence of the proof; None where two numbers are compared."""
        return None if self.proof == "Point" else self.confidence or DEFAULT_CONFIDENCE

    @model_validator(mode="after")
    def _proves_only_by_bounds(self) -> Self:
        for name, value in (("confidence", self.confidence), ("onTooFewRows", self.on_too_few_rows)):
            if self.proof == "Point" and value is not None:
                raise refuse(name, "proof Point compares two numbers and proves nothing; leave out one of the two")
        return self

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        given = [name_of(candidate) for candidate in self.candidates or []]
        for name in given:
            if given.count(name) > 1:
                raise refuse("candidates", "{name} is listed twice", name=name)
        return self
