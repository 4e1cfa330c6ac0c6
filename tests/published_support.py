"""Folders that are laid out like published models, for the tests of what says whether one is intact."""

import json
from collections.abc import Collection
from pathlib import Path

from steelyard.contract.package import KIND, SUMS_FILE
from steelyard.serving.published import sums_of


def made(folder: Path, names: Collection[str]) -> Path:
    """A folder with these files, and sums that are right."""
    folder.mkdir()
    for name in names:
        (folder / name).write_text(f"the content of {name}")
    (folder / "steelyard.json").write_text(json.dumps({"apiVersion": "steelyard.dev/v1alpha1", "kind": KIND}))
    (folder / SUMS_FILE).write_bytes(sums_of(folder))
    return folder
