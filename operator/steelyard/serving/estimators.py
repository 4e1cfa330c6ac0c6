"""scikit-learn's models as they are served: from a skops file or from ONNX, never from a pickle.

The only module of serving that imports skops, scikit-learn and ONNX Runtime, which `steelyard[estimators]` brings; it
is imported when such a model is loaded.
"""

import io
import re
import warnings
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import sklearn
import skops.io
from skops.io.exceptions import UntrustedTypesFoundException
from threadpoolctl import ThreadpoolController

from steelyard.api.errors import DataError
from steelyard.api.models import KINDS
from steelyard.api.models.sklearn import Estimator
from steelyard.contract.stages import Reason
from steelyard.serving.interface import BATCH_ROWS, by_batches, timed

ESTIMATORS = frozenset(name for kind in KINDS.values() if issubclass(kind, Estimator) for name in kind.classes)
"""The models that are published."""
TRUSTED_TYPES = (
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
)
"""What is in their skops files beside what skops trusts anyway; a file with anything else is not loaded."""
ONNX_INPUT = "features"
ONNX_BATCH_ROWS = 128
"""ONNX's nearest neighbors keep all distances of a batch at a time."""


def load_estimator(content: bytes, *, only: Collection[str] = ()) -> Any:
    """The estimator in a skops file.

    Args:
        content: of the file.
        only: the names of the classes that it may be of. Default: any public one of scikit-learn that predicts.

    Raises:
        DataError: the file is damaged, or holds something that no model of ours holds.
    """
    try:
        with warnings.catch_warnings():
            # Another version of scikit-learn; `version_note` says so in our words.
            warnings.simplefilter("ignore")
            estimator = skops.io.load(io.BytesIO(content), trusted=TRUSTED_TYPES)
    except UntrustedTypesFoundException as error:
        raise DataError(
            f"the skops file is not loaded: it holds types that no model of Steelyard has: {error}",
            reason=Reason.MODEL_NOT_INTACT,
        ) from None
    except Exception as error:  # noqa: BLE001 - whatever a foreign file makes of it
        raise DataError(
            f"the skops file can't be loaded with scikit-learn {sklearn.__version__} and skops {skops.__version__}: "
            f"{type(error).__name__}: {error}",
            reason=Reason.MODEL_NOT_INTACT,
        ) from None
    kind, is_public = type(estimator).__name__, type(estimator).__module__.partition(".")[0] == "sklearn"
    if kind not in only if only else not (is_public and hasattr(estimator, "predict")):
        allowed = f"one of {', '.join(sorted(only))}" if only else "an estimator of scikit-learn that predicts"
        raise DataError(
            f"the skops file holds a {kind}; a model of Steelyard is {allowed}", reason=Reason.MODEL_NOT_INTACT
        )
    return estimator


def version_note(made_with: str) -> str:
    """What to say where the scikit-learn here is not the one that a skops file was made with; else nothing.

    Args:
        made_with: that version.
    """
    if _minor(made_with) == _minor(sklearn.__version__):
        return ""
    return (
        f"the model was made with scikit-learn {made_with}, here is {sklearn.__version__}, which may predict "
        f"differently; for the same: pip install 'scikit-learn=={made_with}'"
    )


def _minor(version: str) -> str:
    match = re.match(r"\d+\.\d+", version)
    return match[0] if match else version


class SkopsModel:
    """An estimator of scikit-learn on plain float64 matrices, on one thread."""

    features_type = np.float64

    def __init__(self, estimator: Any, classes: int | None) -> None:
        """Wraps a fitted estimator; `load_estimator` reads one.

        Args:
            estimator: for classification fitted on indices of the classes.
            classes: how many there are; None for regression. Those that the estimator never saw get probability 0.
        """
        if hasattr(estimator, "n_jobs"):
            # Threads would add up a forest's trees in any order.
            estimator.set_params(n_jobs=None)
        self._estimator = estimator
        self._seen: npt.NDArray[np.int64] | None = None
        if classes is not None and len(estimator.classes_) < classes:
            self._seen = np.asarray(estimator.classes_, dtype=np.int64)
        self._is_classifier = classes is not None
        self._threads = ThreadpoolController()
        self.width = int(estimator.n_features_in_)
        self.outputs = 1 if classes is None else classes

    @classmethod
    def load(cls, content: bytes, classes: int | None) -> "SkopsModel":
        """A model from the bytes of a skops file. Raises DataError as `load_estimator` does."""
        return cls(load_estimator(content), classes)

    def predict(self, features: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The outputs, float64, shape (rows, outputs)."""
        with self._threads.limit(limits=1):
            return by_batches(self._run, np.asarray(features, dtype=np.float64), self.outputs, BATCH_ROWS)

    def latencies(
        self, features: npt.ArrayLike, *, rows: int = 1, repeats: int = 1000, seconds: float = 1.0
    ) -> list[float]:
        """Times of calls in scikit-learn, in microseconds; see `timed`."""
        matrix = np.asarray(features, dtype=np.float64)
        with self._threads.limit(limits=1):
            return timed(self._run, matrix, rows=rows, repeats=repeats, seconds=seconds)

    def _run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if not self._is_classifier:
            return np.asarray(self._estimator.predict(batch)).reshape(-1, 1)
        probabilities = np.asarray(self._estimator.predict_proba(batch))
        if self._seen is None:
            return probabilities
        everything = np.zeros((len(batch), self.outputs))
        everything[:, self._seen] = probabilities
        return everything


class OnnxModel:
    """A model in ONNX Runtime on the CPU, on one thread. Its one input and its one output are both float32, or both
    float64."""

    features_type: type[np.float32] | type[np.float64]

    def __init__(self, content: bytes) -> None:
        """Loads a model from the bytes of a .onnx file. Raises DataError where they are none."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - its errors have no class in common
            raise DataError(
                f"the ONNX file can't be loaded with ONNX Runtime {onnxruntime.__version__}: {error}",
                reason=Reason.MODEL_NOT_INTACT,
            ) from None
        (source,) = self._session.get_inputs()
        (sink,) = self._session.get_outputs()
        self.features_type = np.float64 if source.type == "tensor(double)" else np.float32
        self.width = int(source.shape[1])
        self.outputs = int(sink.shape[1])

    def predict(self, features: npt.ArrayLike) -> npt.NDArray[Any]:
        """The outputs, of `features_type`, shape (rows, outputs)."""
        return self._by_batches(np.asarray(features, dtype=self.features_type))

    def latencies(
        self, features: npt.ArrayLike, *, rows: int = 1, repeats: int = 1000, seconds: float = 1.0
    ) -> list[float]:
        """Times of calls in ONNX Runtime, in microseconds, as `predict` makes them; see `timed`."""
        matrix = np.asarray(features, dtype=self.features_type)
        return timed(self._by_batches, matrix, rows=rows, repeats=repeats, seconds=seconds)

    def _by_batches(self, features: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return by_batches(self._run, features, self.outputs, ONNX_BATCH_ROWS)

    def _run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        (outputs,) = self._session.run(None, {ONNX_INPUT: batch})
        return np.asarray(outputs)
