"""A model of scikit-learn in ONNX. Imports scikit-learn, skops and ONNX when it is applied."""

from steelyard.api.compression.techniques import Onnx
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import CannotBeMadeError, StepData, Technique, Tell

_LONGEST_REASON = 300


def _apply(artifact: Artifact, _settings: Onnx, data: StepData, _tell: Tell) -> Artifact:
    from steelyard_trainer.families.sklearn.onnx_conversion import to_onnx
    from steelyard_trainer.families.sklearn.saving import load_estimator

    estimator = artifact.opened(load_estimator)
    try:
        content = to_onnx(estimator, data.width, data.classes, data.unit, lambda: data.read_training().features)
    except Exception as error:  # noqa: BLE001 - the converter does not say which exceptions it raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise CannotBeMadeError(f"it can't be converted to ONNX: {reason[:_LONGEST_REASON]}") from None
    made = Artifact(data.into, "OnnxRuntime")
    made.file.write_bytes(content)
    return made


TECHNIQUE = Technique(Onnx, _apply)
