"""An estimator that a function of the user's own builds, as scikit-learn's models are fitted and published here.
Imports scikit-learn and steelyard.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.ensemble import StackingClassifier
from sklearn.pipeline import Pipeline

from steelyard.api.errors import ConfigurationError
from steelyard.api.models.entrypoint import Entrypoint
from steelyard.contract.stages import Env
from steelyard_trainer.elsewhere.archive import RefusedError
from steelyard_trainer.own_code.data_shape import DataShape
from steelyard_trainer.own_code.importing import FIELD, OwnCode


def own_estimator(entrypoint: Entrypoint, data: DataShape) -> BaseEstimator:
    """What the function returns, not fitted; with the hook `preprocess`, that before it.

    What is None of its random states becomes the data's seed: the same rows give the same model.

    Raises:
        ConfigurationError: the function fails, or what it returns can't be fitted or published.
    """
    # Where the stage has put it: those who fit on folds know no stage.
    folder = os.environ.get(Env.CODE)
    code = OwnCode.of(entrypoint, Path(folder) if folder else None)
    estimator, before = code.build(data), code.hook("preprocess", data)
    try:
        _check_type(estimator, code.name, data)
        if before is not None:
            if not hasattr(before, "transform") or isinstance(before, type):
                raise RefusedError(f"preprocess returned a {type(before).__name__}; allowed: a transformer")
            estimator = Pipeline([("preprocess", before), ("model", estimator)])
        for path, value in _parts_of(estimator):
            _check_part(path, value)
        _seed(estimator, data.seed)
    except RefusedError as error:
        raise ConfigurationError(f"{FIELD}: what {code.name} returned can't be fitted and published: {error}") from None
    return estimator


def check_fitted(estimator: BaseEstimator) -> None:
    """Raises ConfigurationError where a fitted classifier gives no probabilities."""
    if hasattr(estimator, "classes_") and not hasattr(estimator, "predict_proba"):
        raise ConfigurationError(
            f"{FIELD}: {_no_probabilities(estimator[-1] if isinstance(estimator, Pipeline) else estimator)}"
        )


def check_published(estimator: BaseEstimator, function: str) -> None:
    """Raises ConfigurationError where a fitted estimator of a function can't be loaded from what is published of it."""
    # Brings ONNX Runtime and skops, which building does not need.
    from skops.io import get_untrusted_types

    from steelyard.serving.estimators import TRUSTED_TYPES, load_estimator
    from steelyard_trainer.families.sklearn.skops_files import estimator_bytes

    what = f"{FIELD}: what {function} returned was fitted, but can't be published"
    try:
        content = estimator_bytes(estimator)
        unknown = sorted({*get_untrusted_types(data=content)} - {*TRUSTED_TYPES})
        if not unknown:
            load_estimator(content)
            return
    except Exception as error:  # noqa: BLE001 - whatever skops makes of a foreign estimator
        raise ConfigurationError(f"{what}: {type(error).__name__}: {error}") from None
    raise ConfigurationError(
        f"{what}: it holds {', '.join(unknown)}, and who loads the file does not trust such types; take another "
        "estimator"
    )


def _no_probabilities(estimator: BaseEstimator) -> str:
    return (
        f"{type(estimator).__name__} gives no probabilities (predict_proba), which metrics and predictions need; put "
        "it in sklearn.calibration.CalibratedClassifierCV, or take its setting for them"
    )


def _check_type(estimator: Any, function: str, data: DataShape) -> None:
    if isinstance(estimator, type):
        raise RefusedError(f"it is the class {estimator.__name__}; return an object of it: {estimator.__name__}()")
    if not (isinstance(estimator, BaseEstimator) and hasattr(estimator, "fit")):
        hint = "; does it lack a return?" if estimator is None else ""
        given = "None" if estimator is None else f"a {type(estimator).__name__}"
        raise RefusedError(f"it is {given}; framework Sklearn needs an estimator or a Pipeline of scikit-learn{hint}")
    kind = getattr(estimator, "_estimator_type", None) or _kind_of(estimator)
    wanted = "regressor" if data.classes is None else "classifier"
    if kind != wanted:
        name = (
            f"of the kind {kind}"
            if kind not in ("classifier", "regressor", None)
            else f"a {kind}"
            if kind
            else f"a {type(estimator).__name__}, no {wanted}"
        )
        raise RefusedError(f"it is {name}, but the task is {data.task}; {function} is told it: data.task")
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    # A stack knows only when it is fitted.
    if wanted == "classifier" and not (hasattr(estimator, "predict_proba") or isinstance(last, StackingClassifier)):
        raise RefusedError(_no_probabilities(last))


def _kind_of(estimator: Any) -> str | None:
    from sklearn.utils import get_tags

    try:
        kind: str | None = get_tags(estimator).estimator_type
    except (AttributeError, IndexError, TypeError, ValueError):
        return None
    return kind


def _parts_of(estimator: BaseEstimator) -> Iterator[tuple[str, Any]]:
    """The estimator and everything in its settings, each with where it is: steps by their names."""
    yield type(estimator).__name__, estimator
    yield from estimator.get_params(deep=True).items()


def _check_part(path: str, value: Any) -> None:
    """What a skops file can hold without bringing code along."""
    if isinstance(value, type) or not (callable(value) or isinstance(value, BaseEstimator)):
        return
    step = path.replace("__", ".")
    if isinstance(value, BaseEstimator):
        if type(value).__module__.partition(".")[0] != "sklearn":
            raise RefusedError(
                f"{step} is a {type(value).__name__}, a class of your own: whoever loads the model would run its code; "
                "allowed: estimators and transformers of scikit-learn (a model that needs code can't be published yet)"
            )
    elif (name := getattr(value, "__name__", type(value).__name__)) == "<lambda>":
        raise RefusedError(f"{step} is a lambda, which no file holds; take a transformer of scikit-learn")
    elif str(getattr(value, "__module__", "")).partition(".")[0] not in ("numpy", "scipy", "sklearn"):
        raise RefusedError(
            f"{step} is {name}, a function of your own: whoever loads the model would run its code; allowed: those of "
            "numpy, scipy and scikit-learn"
        )


def _seed(estimator: BaseEstimator, seed: int) -> None:
    settings = estimator.get_params(deep=True)
    open_ones = [name for name, value in settings.items() if name.endswith("random_state") and value is None]
    estimator.set_params(**dict.fromkeys(open_ones, seed))
