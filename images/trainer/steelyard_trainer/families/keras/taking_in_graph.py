"""The program that reads a SavedModel from elsewhere for the first time, in a process with limits: it looks the folder
through, loads it, makes a graph of constants of it, which must answer as it does, converts that, and writes it. Imports
Keras and TensorFlow after it is confined.

    python -m steelyard_trainer.families.keras.taking_in_graph FOLDER SAVED_MODEL
"""

import sys
from pathlib import Path
from typing import Any

from steelyard.contract.workspace import GRAPH_FILE
from steelyard_trainer.elsewhere.archive import RefusedError
from steelyard_trainer.elsewhere.confined import confine, finish, refuse
from steelyard_trainer.families.keras.taking_in import ROWS, converts

_COMPARED = 8
"""Rows that are asked together and alone."""
_NEAR = 1e-2
"""How far the answers may be from each other, in parts of the largest one."""


def main() -> None:
    """Ends the process."""
    folder, source = Path(sys.argv[1]), Path(sys.argv[2])
    is_cut_off = confine()
    try:
        found = _take(source, folder)
    except RefusedError as error:
        refuse(folder, str(error))
    finish(folder, {**found, "network": not is_cut_off})


def _take(source: Path, folder: Path) -> dict[str, Any]:
    from steelyard_trainer.families.keras.lean import import_keras

    import_keras()
    from steelyard_trainer.elsewhere.saved_model import check_saved_model
    from steelyard_trainer.families.keras.frozen_graph import frozen, graph_model, weights_of

    signature = check_saved_model(source)
    content, document = frozen(source, signature)
    model = graph_model(content, document)
    check_answers(model, signature.shape, signature.outputs)
    network = converts(model, folder)
    (folder / GRAPH_FILE).write_bytes(content)
    return {"weights": weights_of(model), **document, **network}


def check_answers(model: Any, shape: tuple[int, ...], outputs: int) -> None:
    """Whether a model answers rows, each by itself.

    Args:
        model: of Keras.
        shape: what it takes of a row.
        outputs: how many numbers it gives of one.

    Raises:
        RefusedError: it can't answer, gives others than it says, or answers a row by the others that are asked with it.
    """
    import numpy as np

    rows = np.random.default_rng(0).normal(size=(_COMPARED, *shape)).astype(np.float32)
    try:
        given = np.asarray(model(np.zeros((ROWS, *shape), np.float32), training=False)).shape
        together = np.asarray(model(rows, training=False))
        alone = np.concatenate([np.asarray(model(row[np.newaxis], training=False)) for row in rows])
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a foreign graph makes of it
        raise RefusedError(f"it can't answer {ROWS} rows: {type(error).__name__}: {str(error)[:300]}") from None
    if given != (ROWS, outputs):
        raise RefusedError(f"it gives an array of the shape {given} of {ROWS} rows; allowed: {(ROWS, outputs)}")
    near = _NEAR * max(1e-6, float(np.abs(alone[np.isfinite(alone)]).max(initial=0.0)))
    same = np.isclose(together, alone, rtol=0, atol=near, equal_nan=True).all(axis=1)
    # Where it rounds, one row or another may fall to either side.
    if same.sum() < _COMPARED / 2:
        raise RefusedError(
            f"its answer to a row depends on the other rows that are asked with it: of {_COMPARED} rows "
            f"{_COMPARED - same.sum()} are answered in another way when they are asked alone; allowed: a model that "
            "answers each row by itself (not by a mean of the batch, say, as in training)"
        )


if __name__ == "__main__":
    main()
