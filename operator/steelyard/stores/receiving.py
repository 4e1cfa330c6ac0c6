"""A published model into a folder here: complete, verified, or absent. Whatever the way it comes. Imports the api and
the contract only."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from steelyard.api.errors import ConfigurationError
from steelyard.contract.package import is_published_model
from steelyard.contract.stages import Reason
from steelyard.stores.integrity import check_intact, verify


def receive(folder: Path, digest: str | None, copy: Callable[[Path], None]) -> bool:
    """Gets a model into a folder, if it is not there already.

    Args:
        folder: is made; may be there if it is empty, or holds this very model.
        digest: the model's, if it is known.
        copy: makes a folder of this path with the model; beside it is room for what that needs, which is removed.

    Returns:
        Whether it was copied; False where it was there already.

    Raises:
        ConfigurationError: the folder holds something else (reason TargetOccupied), or what came is no model.
        DataError: what came is not as it was published (reason ModelNotIntact).
        OSError: it can't be written.
    """
    folder = folder.absolute()
    if holds_model(folder, digest):
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        model = aside / folder.name
        copy(model)
        check_intact(model, verify(model, digest))
        if folder.exists():
            folder.rmdir()
        model.rename(folder)
    finally:
        shutil.rmtree(aside)
    return True


def holds_model(folder: Path, digest: str | None) -> bool:
    """Whether a folder holds this very model, intact. Raises ConfigurationError where it holds anything else."""
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is a file; name a folder that is empty or does not exist yet")
    if not any(folder.iterdir()):
        return False
    if digest is not None and is_published_model(folder) and not verify(folder, digest):
        return True
    raise ConfigurationError(
        f"{folder} is not empty and does not hold this model; name a folder that is empty or does not exist yet",
        reason=Reason.TARGET_OCCUPIED,
    )
