"""The files of scikit-learn's models: equal for equal models, the same when read back, and nothing else is loaded."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from steelyard.api.errors import DataError
from steelyard.serving.estimators import OnnxModel, SkopsModel, load_estimator
from steelyard_trainer.families.sklearn.onnx_conversion import to_onnx
from steelyard_trainer.families.sklearn.skops_files import estimator_bytes


@pytest.mark.parametrize(
    ("foreign", "said"),
    [
        (StandardScaler().fit([[0]]), "holds a StandardScaler"),
        (FunctionTransformer(subprocess.getoutput), "holds types that no model of Steelyard has"),
    ],
)
def test_a_skops_file_with_anything_else_is_not_loaded(foreign: Any, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        load_estimator(skops.io.dumps(foreign))
    assert caught.value.reason == "ModelNotIntact"


def test_finishing_needs_no_tensorflow() -> None:
    script = (
        "import sys, steelyard_trainer.finish, steelyard_trainer.families.sklearn.bench\n"
        "sys.exit(str({'tensorflow', 'keras', 'ai_edge_litert'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and so on", b"x" * 1000])
def test_damaged_files_are_told(content: bytes) -> None:
    with pytest.raises(DataError, match="skops file can't be loaded with scikit-learn"):
        load_estimator(content)
    with pytest.raises(DataError, match="ONNX file can't be loaded"):
        OnnxModel(content)


def test_a_class_that_training_never_saw_has_probability_0_in_both() -> None:
    random = np.random.default_rng(0)
    features, targets = random.normal(size=(60, 3)), random.choice([0, 2, 3], 60)
    for estimator in (
        RandomForestClassifier(5, random_state=0).fit(features, targets),
        LogisticRegression().fit(features, targets),
        KNeighborsClassifier().fit(features, targets),
    ):
        outputs = SkopsModel(estimator, classes=5).predict(features)
        assert outputs.shape == (60, 5) and (outputs[:, [1, 4]] == 0).all()
        np.testing.assert_array_equal(outputs[:, [0, 2, 3]], estimator.predict_proba(features))
        converted = OnnxModel(to_onnx(estimator, 3, 5))
        assert (converted.width, converted.outputs) == (3, 5)
        np.testing.assert_allclose(converted.predict(features), outputs, atol=1e-5)


_FIT = """
import sys, hashlib
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsRegressor
from steelyard_trainer.families.sklearn.onnx_conversion import to_onnx
from steelyard_trainer.families.sklearn.skops_files import estimator_bytes
random = np.random.default_rng(0)
features = random.normal(size=(80, 4))
models = [
    (RandomForestClassifier(20, random_state=0).fit(features, random.choice(3, 80)), 3),
    (KNeighborsRegressor(algorithm="kd_tree").fit(features, features[:, 0]), None),
]
for model, classes in models:
    print(hashlib.sha256(estimator_bytes(model)).hexdigest(), hashlib.sha256(to_onnx(model, 4, classes)).hexdigest())
"""


def test_equal_models_are_equal_files_in_every_process() -> None:
    def run(extra: str) -> str:
        return subprocess.run([sys.executable, "-c", extra + _FIT], capture_output=True, text=True, check=True).stdout

    first = run("")
    # What a process did before (skl2onnx counts its models) and where it keeps its objects leaves no trace.
    assert first == run(_FIT.replace("print(", "(") + "kept = [object() for _ in range(1000)]\n")
    assert len(first.split()) == 4


def test_a_reloaded_model_is_the_same_to_the_last_bit() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(100, 4))
    for model in (
        RandomForestClassifier(10, random_state=0, n_jobs=2).fit(features, random.choice(3, 100)),
        KNeighborsRegressor(algorithm="ball_tree", p=3).fit(features, features[:, 0]),
    ):
        loaded = load_estimator(estimator_bytes(model))
        np.testing.assert_array_equal(loaded.predict(features), model.predict(features))
