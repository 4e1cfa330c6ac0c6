"""`spec.compression`: what is tried to make a model small, and what it may cost. Imports the api only."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from steelyard.api.base import Part, Share, refuse

Candidate = Literal["Baseline", "DynamicRange", "Float16", "Int8", "Onnx"]
BASELINE: Candidate = "Baseline"
"""The model as it was trained, float32 in LiteRT or scikit-learn's in skops: always weighed, and what the others are
compared with."""

CompressionObjective = Literal["Size", "Latency", "Balanced"]


class Compression(Part):
    """Candidates are made, measured on the validation set, and the best within the budget is published."""

    candidates: Annotated[list[Candidate], Field(min_length=1, max_length=16)] | None = None
    """What is tried: Baseline (the model as it was trained, always weighed: float32 in LiteRT, or skops);
    of networks DynamicRange (8-bit weights), Float16 (16-bit weights), Int8 (8-bit weights and activations); of
    scikit-learn's models Onnx (float32). Default: all that the model's kind has."""
    max_metric_drop: Share = 0.01
    """The most of evaluation.metric (default: accuracy, or r2) that a candidate may lose on the validation set
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
