"""The program that reads a .keras file from elsewhere for the first time, in a process with limits: it looks the file
through, loads it, has it answer, converts it, and writes it anew. Imports Keras and TensorFlow after it is confined.

    python -m steelyard_trainer.families.keras.taking_in FOLDER FILE
"""

import sys
from pathlib import Path
from typing import Any

from steelyard.contract.workspace import MODEL_FILE
from steelyard_trainer.elsewhere.archive import MOST_EXPANDED_BYTES, RefusedError
from steelyard_trainer.elsewhere.confined import confine, finish, refuse
from steelyard_trainer.elsewhere.keras_archive import WEIGHTS, check_archive

ROWS = 256
"""That it must be able to answer at once."""


def main() -> None:
    """Ends the process."""
    folder, source = Path(sys.argv[1]), Path(sys.argv[2])
    is_cut_off = confine()
    try:
        check_archive(source)
        _check_weights(source)
        found = _take(source, folder)
    except RefusedError as error:
        refuse(folder, str(error))
    finish(folder, {**found, "network": not is_cut_off})


def _check_weights(source: Path) -> None:
    """HDF5 may point to other files, and say that it holds more than it has room for. Raises RefusedError."""
    import io
    import zipfile

    import h5py

    total = 0

    def look(group: Any) -> None:
        nonlocal total
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise RefusedError(f"its weights hold a link, {name!r:.60}, where values are allowed only")
            item = group[name]
            if isinstance(item, h5py.Group):
                look(item)
            elif not isinstance(item, h5py.Dataset) or item.size is None:
                raise RefusedError(f"its weights hold what is no array ({name!r:.60})")
            elif item.external or item.is_virtual:
                raise RefusedError(f"its weights lie in another file ({name!r:.60})")
            else:
                total += item.size * item.dtype.itemsize
                if total > MOST_EXPANDED_BYTES:
                    raise RefusedError(
                        f"its weights take more than {MOST_EXPANDED_BYTES:,} bytes, which is what is allowed"
                    )

    with zipfile.ZipFile(source) as archive:
        content = io.BytesIO(archive.read(WEIGHTS))
    try:
        with h5py.File(content, "r") as file:
            look(file)
    except (OSError, RuntimeError, KeyError, RecursionError) as error:
        raise RefusedError(f"its weights are damaged or not whole: {error}") from None


def _take(source: Path, folder: Path) -> dict[str, Any]:
    from steelyard_trainer.families.keras.lean import import_keras

    import_keras()
    import keras
    import numpy as np

    from steelyard_trainer.families.keras.keras_file import write_keras
    from steelyard_trainer.families.keras.row_shape import input_shape

    try:
        model = keras.saving.load_model(source, compile=False, safe_mode=True)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a foreign file makes of it
        raise RefusedError(
            f"Keras {keras.__version__} can't load it: {type(error).__name__}: {str(error)[:400]}"
        ) from None
    shape = input_shape(model)
    model(np.zeros((ROWS, *shape), np.float32), training=False)
    network = converts(model, folder)
    write_keras(model, folder / MODEL_FILE)
    return {"weights": int(model.count_params()), **network}


def converts(model: Any, folder: Path) -> dict[str, Any]:
    """Makes a LiteRT file of a network.

    Args:
        model: a Keras model.
        folder: where files may lie meanwhile.

    Returns:
        What a search of its formats goes by: `takesBlocks`, whether the number of inputs of every dense layer is a
        multiple of 32, and `hasConvolutions`.

    Raises:
        RefusedError: it can't be made.
    """
    from steelyard_trainer.compression.artifact import Artifact
    from steelyard_trainer.compression.litert_file import weights
    from steelyard_trainer.compression.techniques.litert_converter import converted

    try:
        layers = weights(converted(Artifact.in_memory(folder, "Keras", model), folder, lambda _converter: None))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - the converter's errors have no class in common
        raise RefusedError(f"LiteRT can't be made of it: {type(error).__name__}: {str(error)[:400]}") from None
    inputs = [shape[-1] for layer, shape, _ in layers if layer == "FULLY_CONNECTED"]
    return {
        "takesBlocks": bool(inputs) and all(each % 32 == 0 for each in inputs),
        "hasConvolutions": any(layer != "FULLY_CONNECTED" for layer, _, _ in layers),
    }


if __name__ == "__main__":
    main()
