"""Folders that are laid out like published models, for the tests of what says whether one is intact."""

import json
from collections.abc import Collection
from pathlib import Path

from steelyard.contract.package import KIND, SUMS_FILE
from steelyard.stores.integrity import sums_of


def made(folder: Path, names: Collection[str], word: str = "") -> Path:
    """A folder with these files, others for each word, and sums that are right."""
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(f"the content of {name}{word}")
    (folder / "steelyard.json").write_text(json.dumps({"apiVersion": "steelyard.dev/v1alpha1", "kind": KIND}))
    (folder / SUMS_FILE).write_bytes(sums_of(folder))
    return folder
