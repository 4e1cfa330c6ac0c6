"""`spec.model`: exactly one kind of model. Imports the api only."""

from collections.abc import Callable, Mapping
from typing import Self, get_args

from steelyard.api.base import ExactlyOneOf
from steelyard.api.models.capabilities import Capabilities, Family, ModelKind
from steelyard.api.models.container import Container
from steelyard.api.models.convolutional import Cnn, DsCnn, ResNet8
from steelyard.api.models.entrypoint import Entrypoint
from steelyard.api.models.networks import Linear, Mlp
from steelyard.api.models.sklearn import (
    ElasticNet,
    GradientBoosting,
    Lasso,
    LogisticRegression,
    NearestNeighbors,
    RandomForest,
    Ridge,
)
from steelyard.api.models.wide_and_deep import WideAndDeep


class Model(ExactlyOneOf):
    """The model to train: exactly one kind."""

    mlp: Mlp | None = None
    """A multi-layer perceptron."""
    linear: Linear | None = None
    """Logistic or linear regression, trained as a network."""
    cnn: Cnn | None = None
    """A convolutional network, over images whose pixels are the columns."""
    res_net8: ResNet8 | None = None
    """ResNet-8 of MLPerf Tiny, for small images."""
    ds_cnn: DsCnn | None = None
    """DS-CNN of MLPerf Tiny, for spoken words as time and frequency."""
    wide_and_deep: WideAndDeep | None = None
    """A wide and deep network, for tables with categories."""
    random_forest: RandomForest | None = None
    """scikit-learn: a random forest."""
    ridge: Ridge | None = None
    """scikit-learn: ridge regression."""
    lasso: Lasso | None = None
    """scikit-learn: the lasso (regression)."""
    elastic_net: ElasticNet | None = None
    """scikit-learn: the elastic net (regression)."""
    logistic_regression: LogisticRegression | None = None
    """scikit-learn: logistic regression (classification)."""
    nearest_neighbors: NearestNeighbors | None = None
    """scikit-learn: k nearest neighbors."""
    gradient_boosting: GradientBoosting | None = None
    """scikit-learn: gradient boosting of decision trees, with histograms."""
    entrypoint: Entrypoint | None = None
    """A model that a function of your own builds: of Keras or scikit-learn."""
    container: Container | None = None
    """A program of your own, in any language, that trains the model."""

    @property
    def given(self) -> ModelKind:
        """The settings that are given."""
        given: ModelKind = next(value for name in type(self).model_fields if (value := getattr(self, name)) is not None)
        return given

    @property
    def capabilities(self) -> Capabilities:
        """What the model that is given can do."""
        return self.given.can

    def narrowed(self, factor: float) -> Self | None:
        """The student of the same kind whose widths are multiplied. See ModelKind."""
        return self._of(self.given.narrowed(factor))

    def shallower(self) -> Self | None:
        """The student of the same kind with fewer blocks or layers. See ModelKind."""
        return self._of(self.given.shallower())

    def _of(self, student: ModelKind | None) -> Self | None:
        given = next(name for name in type(self).model_fields if getattr(self, name) is not None)
        return None if student is None else self.model_copy(update={given: student})


KINDS: Mapping[str, type[ModelKind]] = {
    str(info.alias or name): next(iter(get_args(info.annotation))) for name, info in Model.model_fields.items()
}
"""Every kind of model by its name in the manifest."""


def capabilities_of(kind: str) -> tuple[Capabilities, ...]:
    """What models of a kind can do: one, or one for each of its variants."""
    settings = KINDS[kind]
    return tuple(settings.variants.values()) or (settings.capabilities,)


def kinds(can: Callable[[Capabilities], object]) -> tuple[str, ...]:
    """The names of the kinds of which something is true, or of one of their variants, in their order."""
    return tuple(name for name in KINDS if any(map(can, capabilities_of(name))))


def plurals(can: Callable[[Capabilities], object]) -> str:
    """The families of these kinds, where a person reads."""
    return " and ".join(
        dict.fromkeys(each.family.plural for kind in KINDS for each in capabilities_of(kind) if can(each))
    )


FAMILIES: tuple[Family, ...] = tuple(dict.fromkeys(kind.capabilities.family for kind in KINDS.values()))
