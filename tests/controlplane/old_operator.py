"""The operator as it was before its core changed, from a wheel that is test data: data/old-operator/README.md."""

import zipfile
from pathlib import Path

FOLDER = Path(__file__).parent / "data" / "old-operator"
"""The wheel, and the CRDs of its commit."""


def unpack(folder: Path) -> Path:
    """Unpacks the wheel into a new folder; gives that: what OperatorProcess takes as `packages`. The environment's own
    installation stays as it is."""
    (wheel,) = FOLDER.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder
