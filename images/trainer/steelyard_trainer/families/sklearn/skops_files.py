"""skops files that are the same bytes for the same estimator, and small. Imports skops, numpy and serving.

skops names what it saves by addresses in memory and dates the archive: two files of one estimator differ.
"""

import io
import json
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt
import skops.io

SCHEMA_FILE = "schema.json"
# Anything reads a ZIP archive's dates; this is the earliest one that the format has.
_NO_DATE = (1980, 1, 1, 0, 0, 0)


def estimator_bytes(estimator: Any) -> bytes:
    """A fitted estimator as a compressed skops file, for `steelyard.serving.estimators.load_estimator`."""
    return reproducible(skops.io.dumps(estimator))


def reproducible(content: bytes) -> bytes:
    """A skops file without addresses and dates, compressed: equal for equal estimators of equal libraries."""
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(sink, "w") as archive:
        schema = json.loads(source.read(SCHEMA_FILE))
        names: dict[str, str] = {}
        _rename(schema, names)
        for old, new in names.items():
            _write(archive, new, _without_padding(source.read(old)))
        _write(archive, SCHEMA_FILE, json.dumps(schema, separators=(",", ":")).encode())
    return sink.getvalue()


def _rename(node: Any, names: dict[str, str]) -> None:
    """Numbers the files in the order of their use and leaves out the objects' addresses: what was one object in two
    places is two equal ones when it is loaded."""
    if isinstance(node, dict):
        node.pop("__id__", None)
        if node.get("__loader__") == "NdArrayNode" and "file" in node:
            node["file"] = names.setdefault(node["file"], f"{len(names)}.npy")
        for child in node.values():
            _rename(child, names)
    elif isinstance(node, list):
        for child in node:
            _rename(child, names)


def _without_padding(content: bytes) -> bytes:
    """An array's file with zeros in the gaps between a record's fields, where anything may be."""
    array: npt.NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    # Not zeros_like, which copies the fields only.
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _NO_DATE), content, compress_type=zipfile.ZIP_DEFLATED, compresslevel=6)
