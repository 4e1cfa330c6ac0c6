"""What is looked at of a .keras file before Keras reads it: that it is whole, no larger than allowed when it is
expanded, and that its description names nothing but Keras' own layers, none of which runs code of its own or reads
other files. Imports the standard library only.

Keras' safe mode alone refuses Lambda layers, but not all that a description can make it import (CVE-2025-1550) or read
(CVE-2025-12058): so whatever is not listed here is refused.
"""

import json
import zipfile
from pathlib import Path
from typing import Any

from steelyard_trainer.elsewhere.archive import RefusedError, check_entries, opened

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MOST_CONFIG_BYTES = 16 * 2**20
_LAYERS = """
    Activation ActivityRegularization Add AlphaDropout Average AveragePooling1D AveragePooling2D BatchNormalization
    Bidirectional Concatenate Conv1D Conv2D Conv2DTranspose Cropping1D Cropping2D Dense DepthwiseConv1D DepthwiseConv2D
    Dot Dropout ELU Embedding Flatten GRU GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
    GlobalMaxPooling1D GlobalMaxPooling2D GroupNormalization InputLayer LSTM LayerNormalization LeakyReLU MaxPooling1D
    MaxPooling2D Maximum Minimum Multiply Normalization PReLU Permute ReLU RepeatVector Rescaling Reshape
    SeparableConv1D SeparableConv2D SimpleRNN Softmax SpatialDropout1D SpatialDropout2D Subtract TimeDistributed
    UnitNormalization UpSampling1D UpSampling2D ZeroPadding1D ZeroPadding2D
    """
LAYERS = frozenset(_LAYERS.split())
"""Of keras.layers."""
_MODULES: dict[str, frozenset[str] | None] = {
    "keras.layers": LAYERS,
    "keras": frozenset({"Sequential", "DTypePolicy"}),
    "keras.models": frozenset({"Sequential"}),
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.models.sequential": frozenset({"Sequential"}),
    "keras.initializers": None,
    "keras.regularizers": frozenset({"L1", "L2", "L1L2"}),
    "keras.constraints": frozenset({"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"}),
}
"""The modules whose classes may be named, and which; None: all of them."""
_VALUES = frozenset({"__keras_tensor__", "__tuple__"})
"""What a description calls a class and is none."""


def check_archive(path: Path) -> None:
    """Looks through a .keras file. Raises RefusedError where Keras must not read it; OSError."""
    needed = (CONFIG, METADATA, WEIGHTS)
    with opened(path) as archive:
        check_entries(archive.infolist(), lambda name: name in needed, ", ".join(needed))
        if missing := [name for name in needed if name not in archive.namelist()]:
            raise RefusedError(f"its archive lacks {missing[0]}")
        if (size := archive.getinfo(CONFIG).file_size) > MOST_CONFIG_BYTES:
            raise RefusedError(f"its {CONFIG} is {size:,} bytes; allowed: {MOST_CONFIG_BYTES:,}")
        content = archive.read(CONFIG)
        for name in (METADATA, WEIGHTS):
            _read_through(archive, name)
    try:
        config = json.loads(content)
    except RecursionError:
        raise RefusedError(f"its {CONFIG} is nested too deeply") from None
    except ValueError as error:
        raise RefusedError(f"it is damaged or not whole: {CONFIG} is no JSON: {error}") from None
    check_config(config)


def _read_through(archive: zipfile.ZipFile, name: str) -> None:
    with archive.open(name) as file:
        while file.read(2**20):
            pass


def check_config(config: Any) -> None:
    """Looks through a model's description. Raises RefusedError for the first class that may not be named."""
    if not isinstance(config, dict) or "class_name" not in config:
        raise RefusedError(f"its {CONFIG} describes no model")
    # What it was trained by is not read: the model is not compiled.
    waiting: list[Any] = [{key: value for key, value in config.items() if key != "compile_config"}]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "class_name" in node:
                _check_class(node)
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _is_known(name: str, module: Any) -> bool:
    if module is None:
        return name in _VALUES
    allowed = _MODULES.get(module, frozenset()) if isinstance(module, str) else frozenset()
    return allowed is None or name in allowed


def _check_class(node: dict[str, Any]) -> None:
    name, module, registered = node["class_name"], node.get("module"), node.get("registered_name")
    if isinstance(name, str) and registered in (None, name) and _is_known(name, module):
        return
    custom = registered if isinstance(registered, str) and ">" in registered else None
    shown = custom or (f"{module}.{name}" if isinstance(module, str) else name)
    if name in ("function", "__lambda__"):
        shown = f"the function {node.get('config')!r:.60}"
    raise RefusedError(
        f"it has {shown!s:.120}, which is not known to be harmless; allowed: Keras' own layers "
        f"({', '.join(sorted(LAYERS))})"
    )
