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
    _ask(model, signature.shape, signature.outputs)
    network = converts(model, folder)
    (folder / GRAPH_FILE).write_bytes(content)
    return {"weights": weights_of(model), **document, **network}


def _ask(model: Any, shape: tuple[int, ...], outputs: int) -> None:
    """Raises RefusedError where it can't answer rows, or gives others than it says."""
    import numpy as np

    try:
        given = np.asarray(model(np.zeros((ROWS, *shape), np.float32), training=False)).shape
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a foreign graph makes of it
        raise RefusedError(f"it can't answer {ROWS} rows: {type(error).__name__}: {str(error)[:300]}") from None
    if given != (ROWS, outputs):
        raise RefusedError(f"it gives an array of the shape {given} of {ROWS} rows; allowed: {(ROWS, outputs)}")


if __name__ == "__main__":
    main()
