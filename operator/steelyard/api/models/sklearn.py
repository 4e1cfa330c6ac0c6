"""The models of scikit-learn in `spec.model`. Imports the api only.

Defaults are scikit-learn's own. The random state is `spec.training.seed`.
"""

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from steelyard.api.base import Share
from steelyard.api.models.capabilities import Capabilities, Family, ModelKind

SKLEARN = Family("sklearn", "model of scikit-learn", "scikit-learn's models", baseline_form="skops", trained_as="Skops")
ESTIMATOR = Capabilities(
    SKLEARN, candidates=("Onnx",), compression_objective="Balanced", has_folds=True, is_fitted_anew=True
)
REGRESSOR = replace(ESTIMATOR, tasks=("Regression",))

Scaling = Literal["Standard", "None"]

# An unbounded depth is told apart from a bound by the field's absence.
Depth = Annotated[int, Field(ge=1, le=10000)]


class Estimator(ModelKind):
    """What the settings of scikit-learn's models share."""

    classes: ClassVar[tuple[str, ...]]
    """scikit-learn's names of what is fitted and published."""


class RandomForest(Estimator):
    """A forest of decision trees, each grown on a sample of the rows (Breiman, "Random Forests", 2001)."""

    capabilities = replace(ESTIMATOR, weighs_classes=True, is_searched=True)
    classes = ("RandomForestClassifier", "RandomForestRegressor")

    n_estimators: Annotated[int, Field(ge=1, le=10000)] = 100
    """How many trees are grown."""
    max_depth: Depth | None = None
    """The longest way from a tree's root to a leaf; left out, trees grow until their leaves are pure."""
    min_samples_split: Annotated[int, Field(ge=2, le=10**9)] = 2
    """The fewest rows that are still split."""
    min_samples_leaf: Annotated[int, Field(ge=1, le=10**9)] = 1
    """The fewest rows of a leaf."""
    max_features: Annotated[float, Field(gt=0, le=1)] | None = None
    """Fraction of the features that a split may choose from. Default: their square root for classification, all for
    regression."""
    bootstrap: bool = True
    """Whether each tree sees a sample of the rows, drawn with replacement, or all of them."""


class Ridge(Estimator):
    """Linear regression with a penalty on the squares of the weights."""

    capabilities = REGRESSOR
    classes = ("Ridge",)

    alpha: Annotated[float, Field(ge=0, le=1e12)] = 1.0
    """Factor of the penalty."""
    fit_intercept: bool = True
    """Whether there is a constant term."""
    scaling: Scaling = "Standard"
    """Standard: each feature to mean 0 and deviation 1 over the rows that are learned from; None: as they are."""


class Lasso(Estimator):
    """Linear regression with a penalty on the absolute values of the weights, which makes some of them 0."""

    capabilities = REGRESSOR
    classes = ("Lasso",)

    alpha: Annotated[float, Field(gt=0, le=1e12)] = 1.0
    """Factor of the penalty."""
    fit_intercept: bool = True
    """Whether there is a constant term."""
    max_iterations: Annotated[int, Field(ge=1, le=10**7)] = 1000
    """Passes over the features, at most."""
    scaling: Scaling = "Standard"
    """Standard: each feature to mean 0 and deviation 1 over the rows that are learned from; None: as they are."""


class ElasticNet(Estimator):
    """Linear regression with both penalties."""

    capabilities = REGRESSOR
    classes = ("ElasticNet",)

    alpha: Annotated[float, Field(gt=0, le=1e12)] = 1.0
    """Factor of both penalties."""
    l1_ratio: Share = 0.5
    """Share of the penalty on absolute values; the rest is on squares."""
    fit_intercept: bool = True
    """Whether there is a constant term."""
    max_iterations: Annotated[int, Field(ge=1, le=10**7)] = 1000
    """Passes over the features, at most."""
    scaling: Scaling = "Standard"
    """Standard: each feature to mean 0 and deviation 1 over the rows that are learned from; None: as they are."""


class LogisticRegression(Estimator):
    """A linear model of the classes' log odds, with a penalty on the squares of the weights."""

    capabilities = replace(ESTIMATOR, weighs_classes=True, tasks=("Classification",))
    classes = ("LogisticRegression",)

    c: Annotated[float, Field(gt=0, le=1e12)] = 1.0
    """The inverse of the penalty's factor: smaller is stronger."""
    fit_intercept: bool = True
    """Whether there is a constant term."""
    max_iterations: Annotated[int, Field(ge=1, le=10**7)] = 100
    """Iterations of the solver (L-BFGS), at most."""
    scaling: Scaling = "Standard"
    """Standard: each feature to mean 0 and deviation 1 over the rows that are learned from; None: as they are."""


class NearestNeighbors(Estimator):
    """The majority, or the mean, of the most similar rows that were learned."""

    capabilities = ESTIMATOR
    classes = ("KNeighborsClassifier", "KNeighborsRegressor")

    neighbors: Annotated[int, Field(ge=1, le=10**6)] = 5
    """How many rows are looked at."""
    algorithm: Literal["Auto", "KDTree", "BallTree", "Brute"] = "Auto"
    """How they are found; the neighbors are the same. KDTree is for few features, BallTree for more, Brute computes
    every distance."""
    weights: Literal["Uniform", "Distance"] = "Uniform"
    """Uniform: all count the same; Distance: by the inverse of their distance."""
    p: Annotated[float, Field(ge=1, le=100)] = 2.0
    """The power of Minkowski's distance: 1 is Manhattan's, 2 is Euclid's."""
    leaf_size: Annotated[int, Field(ge=1, le=10**6)] = 30
    """Rows of a tree's leaf: memory and speed, not the outcome."""
    scaling: Scaling = "Standard"
    """Standard: each feature to mean 0 and deviation 1 over the rows that are learned from; None: as they are."""


class GradientBoosting(Estimator):
    """Decision trees one after the other, each mending what those before it leave (Ke et al., "LightGBM", 2017, as
    scikit-learn's HistGradientBoosting has it).

    Categories are split as sets, at most 255 in a column: the most frequent 254 and `other`. Gaps have a side of their
    own at every split, so that missingValues Mean and Median fill nothing for this model; Constant does, and Fail and
    DropRow let no gap through to it but those that predict meets.
    """

    capabilities = replace(ESTIMATOR, weighs_classes=True, is_searched=True)
    classes = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    """How much of each tree counts."""
    max_iterations: Annotated[int, Field(ge=1, le=10000)] = 300
    """Trees at most; of several classes, of each class. scikit-learn's own default is 100, without early stopping."""
    max_leaf_nodes: Annotated[int, Field(ge=2, le=65536)] = 31
    """The most leaves of a tree."""
    max_depth: Depth | None = None
    """The longest way from a tree's root to a leaf; left out, there is no bound."""
    min_samples_leaf: Annotated[int, Field(ge=1, le=10**9)] = 20
    """The fewest rows of a leaf."""
    l2_regularization: Annotated[float, Field(ge=0, le=1e12)] = 0.0
    """Factor of the penalty on the squares of the leaves' values."""
    patience: Annotated[int, Field(ge=0, le=10000)] = 10
    """Early stopping: a tenth of the training set is kept aside, and no more trees are grown when the loss on it has
    not improved for so many trees in a row. 0: none is kept aside and all trees are grown, as where a class has too few
    rows for that."""
