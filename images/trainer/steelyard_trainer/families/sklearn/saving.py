"""A fitted model as a file of skops, which runs no code when it is read; never a pickle. Imports skops when it is
needed: a trial that leaves no model has no use for the time that takes."""

import os
from pathlib import Path

from steelyard_trainer.families.sklearn.build import Estimator


def save_estimator(estimator: Estimator, path: Path) -> None:
    """Writes a fitted model, complete or not at all. Raises OSError."""
    from steelyard_trainer.families.sklearn.skops_files import estimator_bytes

    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(estimator_bytes(estimator))
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)


def load_estimator(path: Path) -> Estimator:
    """Reads a fitted model.

    Raises:
        DataError: the file holds something else than a model of ours, or is damaged.
        OSError: it can't be read.
    """
    # Brings ONNX Runtime, which fitting does not need.
    from steelyard.serving import estimators

    return estimators.load_estimator(path.read_bytes())
