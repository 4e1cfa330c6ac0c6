"""What somebody else's network takes of a row. Imports Keras."""

import keras

from steelyard_trainer.elsewhere.archive import RefusedError


def input_shape(model: keras.Model) -> tuple[int, ...]:
    """What a model takes of one row. Raises RefusedError where that is not one array of float32 of a known shape."""
    try:
        inputs = list(model.inputs or [])
    except (AttributeError, ValueError):
        inputs = []
    if not inputs:
        raise RefusedError("it does not say what it takes; give it an Input, and save it again")
    if len(inputs) > 1:
        shown = ", ".join(f"{each.name} {tuple(each.shape)}" for each in inputs[:10])
        raise RefusedError(f"it takes {len(inputs)} inputs ({shown}); allowed: one, with all columns of a row")
    (source,) = inputs
    if keras.backend.standardize_dtype(source.dtype) != "float32":
        raise RefusedError(f"it takes {source.dtype}; allowed: float32")
    shape = tuple(source.shape[1:])
    if not shape or source.shape[0] is not None or any(size is None for size in shape):
        raise RefusedError(
            f"it takes the shape {tuple(source.shape)}; allowed: (None, numbers of a row), or an image's"
        )
    return tuple(int(size) for size in shape)
