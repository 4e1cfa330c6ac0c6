"""Wide and deep networks in `spec.model`. Imports the api only."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from steelyard.api.base import ColumnName, refuse
from steelyard.api.models.capabilities import Features, ModelKind
from steelyard.api.models.networks import NETWORK, Activation, Regularization, Units, narrower

MOST_PAIRS = 65536
"""Of words that a cross may have, since each is a value of its own before they are dealt out to buckets."""

Pair = Annotated[list[ColumnName], Field(min_length=2, max_length=2)]


class WideAndDeep(ModelKind):
    """A wide and deep network (Cheng et al., arXiv:1606.07792), for tables with categories: a linear model over all
    features and over crosses of categories (wide), added to dense layers over numbers and embeddings (deep)."""

    capabilities = NETWORK

    hidden_units: Annotated[list[Units], Field(min_length=1, max_length=64)] = [128, 64]
    """Units of each hidden layer of the deep part, first to last."""
    embedding_units: Annotated[int, Field(ge=1, le=4096)] = 8
    """Numbers that a word of a category becomes in the deep part; as many as the category has words where these are
    fewer."""
    crosses: Annotated[list[Pair], Field(max_length=64)] = []
    """Pairs of categories, such as [city, weekday]: each pair of their words has a weight of its own in the wide
    part."""
    cross_buckets: Annotated[int, Field(ge=1, le=MOST_PAIRS)] = 1024
    """Weights of each cross, for each class: where there are more pairs of words, some share one (Weinberger et al.,
    arXiv:0902.2206)."""
    activation: Activation = "relu"
    """The function after each hidden layer."""
    batch_normalization: bool = False
    """Whether each hidden layer's output is normalized over the global batch (of all workers) before the activation."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Fraction of each hidden layer's outputs that a training step leaves out."""
    regularization: Regularization = Regularization()
    """Penalties on the weights, the embeddings' too."""

    @model_validator(mode="after")
    def _crosses_each_pair_once(self) -> Self:
        for index, (one, other) in enumerate(self.crosses):
            if one == other:
                raise refuse(f"crosses[{index}]", "'{column}' is crossed with itself; name two columns", column=one)
            for first, second in self.crosses[:index]:
                if {first, second} == {one, other}:
                    raise refuse(
                        f"crosses[{index}]",
                        "'{one}' and '{other}' are crossed twice; once will do",
                        one=first,
                        other=second,
                    )
        return self

    def misfit(self, features: Features) -> tuple[str, str] | None:
        """See ModelKind."""
        for index, pair in enumerate(self.crosses):
            field = f"crosses[{index}]"
            for column in pair:
                if column not in features.inputs:
                    there = ", ".join(map(repr, features.inputs))
                    return field, f"there is no feature {column!r}; the features are {there}"
                if column not in features.categories:
                    allowed = ", ".join(map(repr, sorted(features.categories))) or "none, the table has no categories"
                    return field, (
                        f"{column!r} is no category (dataset.categorical makes one of a column of numbers); allowed: "
                        f"{allowed}"
                    )
            one, other = (features.inputs[column] for column in pair)
            if one * other > MOST_PAIRS:
                return field, (
                    f"{pair[0]!r} has {one:,} words and {pair[1]!r} {other:,}, which are {one * other:,} pairs; "
                    f"allowed: at most {MOST_PAIRS:,}; dataset.categories.max keeps the most frequent words only"
                )
        return None

    @property
    def widths(self) -> tuple[int, ...]:
        """See ModelKind."""
        return tuple(self.hidden_units)

    def narrowed(self, factor: float) -> Self | None:
        """Its hidden layers, embeddings and crosses. See ModelKind."""
        student = self.model_copy(
            update={
                "hidden_units": [narrower(units, factor) for units in self.hidden_units],
                "embedding_units": narrower(self.embedding_units, factor),
                "cross_buckets": narrower(self.cross_buckets, factor) if self.crosses else self.cross_buckets,
            }
        )
        return student if student != self else None

    def shallower(self) -> Self | None:
        """Without the last hidden layer. See ModelKind."""
        return self.model_copy(update={"hidden_units": self.hidden_units[:-1]}) if self.hidden_units[1:] else None
