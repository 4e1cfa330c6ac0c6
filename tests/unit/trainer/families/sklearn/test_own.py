"""Estimators that a function of the user's own builds: what is fitted, and what is refused in words."""

import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steelyard.api.errors import ConfigurationError
from steelyard.api.models.entrypoint import Entrypoint
from steelyard.contract.stages import Env
from steelyard.serving.estimators import OnnxModel, SkopsModel
from steelyard.serving.interface import TargetUnit
from steelyard_trainer.families.sklearn.onnx_conversion import to_onnx
from steelyard_trainer.families.sklearn.own import check_fitted, check_published, own_estimator
from steelyard_trainer.families.sklearn.skops_files import estimator_bytes
from steelyard_trainer.own_code.data_shape import DataShape

CLASSES = DataShape(3, ("a", "b", "c"), ("no", "yes"), "Classification", 7)
NUMBER = DataShape(3, ("a", "b", "c"), None, "Regression", 7)
ROWS = np.random.default_rng(0).normal(size=(60, 3))
MODULES = itertools.count()
HEAD = """
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest, StackingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a function with this body builds; `more` is in the module, too."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv(Env.CODE, str(tmp_path))

    def built(body: str, data: DataShape = CLASSES, more: str = "") -> Any:
        module = f"own_sklearn_{next(MODULES)}"
        (tmp_path / f"{module}.py").write_text(f"{HEAD}{more}\ndef build(data):\n    {body}\n")
        return own_estimator(Entrypoint(function=f"{module}:build", framework="Sklearn"), data)

    return built


def test_pipeline_is_published_by_the_hook_and_the_seed_and_says_the_same_in_every_form(own):
    hook = "def preprocess(data):\n    return StandardScaler()\n"
    model = own("return make_pipeline(PCA(2), LogisticRegression(C=data.outputs))", more=hook)
    assert [name for name, _ in model.steps] == ["preprocess", "model"]
    assert model.get_params()["model__pca__random_state"] == 7
    targets = (ROWS[:, 0] > 0).astype(int)
    model.fit(ROWS, targets)
    check_fitted(model)
    content = estimator_bytes(model)
    served = SkopsModel.load(content, 2)
    assert served.predict(ROWS) == pytest.approx(model.predict_proba(ROWS))
    onnx = OnnxModel(to_onnx(model, 3, 2))
    assert onnx.predict(ROWS) == pytest.approx(model.predict_proba(ROWS), abs=1e-5)


def test_regression_gives_the_standardized_target_in_onnx(own):
    model = own("return make_pipeline(StandardScaler(), Ridge())", NUMBER)
    targets = 50 + 3 * ROWS[:, 0]
    model.fit(ROWS, targets)
    unit = TargetUnit(float(targets.mean()), float(targets.std()))
    onnx = OnnxModel(to_onnx(model, 3, None, unit))
    assert unit.restored(onnx.predict(ROWS))[:, 0] == pytest.approx(model.predict(ROWS), rel=1e-4)


REFUSED = {
    "return None": "it is None; framework Sklearn needs an estimator .*; does it lack a return",
    "return Ridge": r"it is the class Ridge; return an object of it: Ridge\(\)",
    "return KMeans()": "it is of the kind clusterer, but the task is Classification",
    "return IsolationForest()": "it is of the kind outlier_detector, but the task is Classification",
    "return PCA()": "it is a PCA, no classifier, but the task is Classification",
    "return Ridge()": "it is a regressor, but the task is Classification",
    "return make_pipeline(FunctionTransformer(lambda x: x), LogisticRegression())": (
        r"functiontransformer\.func is a lambda, which no file holds"
    ),
    "return make_pipeline(FunctionTransformer(halved), LogisticRegression())": (
        r"functiontransformer\.func is halved, a function of your own"
    ),
    "return make_pipeline(Mine(), LogisticRegression())": "mine is a Mine, a class of your own: .* published yet",
}
MORE = """
def halved(x):
    return x / 2
class Mine(BaseEstimator):
    def fit(self, x, y=None):
        return self
    def transform(self, x):
        return x
"""


@pytest.mark.parametrize("body", REFUSED)
def test_what_can_not_be_published_is_refused_by_its_step(own, body):
    with pytest.raises(ConfigurationError, match=REFUSED[body]):
        own(body, more=MORE)


def test_classifier_without_probabilities_is_refused_before_it_is_fitted_where_it_knows(own):
    with pytest.raises(ConfigurationError, match="LinearSVC gives no probabilities"):
        own("return make_pipeline(StandardScaler(), LinearSVC())")
    model = own("return StackingClassifier([('a', LogisticRegression())], LinearSVC())").fit(ROWS, ROWS[:, 0] > 0)
    with pytest.raises(ConfigurationError, match="StackingClassifier gives no probabilities"):
        check_fitted(model)


def test_fitted_estimator_that_can_not_be_loaded_again_is_refused_with_its_types(own):
    check_published(own("return Ridge()", NUMBER).fit(ROWS, ROWS[:, 0]), "build")
    model = own("return Ridge()", NUMBER).fit(ROWS, ROWS[:, 0])
    model.own_ = object.__new__(type("Strange", (), {"__module__": "elsewhere"}))
    with pytest.raises(ConfigurationError, match=r"what build returned was fitted, but can't be published: .*Strange"):
        check_published(model, "build")
