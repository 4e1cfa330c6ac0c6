"""A Keras model as a file without a date. Imports Keras."""

import json
import zipfile
from pathlib import Path

import keras

# Anything reads a ZIP archive's dates; this is the earliest one that the format has.
_NO_DATE = (1980, 1, 1, 0, 0, 0)


def write_keras(model: keras.Model, path: Path) -> None:
    """Saves a Keras model without the date that Keras puts in, twice: equal models give equal bytes."""
    dated = path.with_name(f"dated-{path.name}")
    model.save(dated)
    with zipfile.ZipFile(dated) as source, zipfile.ZipFile(path, "w") as sink:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "metadata.json":
                metadata = json.loads(content)
                del metadata["date_saved"]
                content = json.dumps(metadata).encode()
            sink.writestr(zipfile.ZipInfo(entry.filename, _NO_DATE), content, compress_type=entry.compress_type)
    dated.unlink()
