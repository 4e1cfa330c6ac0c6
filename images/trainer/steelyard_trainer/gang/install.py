"""Puts the supervisor into a volume, from which any image runs it. Imports what is pure of the contract only."""

import shutil
from pathlib import Path

from steelyard.contract.errors import StageError
from steelyard.contract.stages import ExitCode, Reason
from steelyard_trainer.process import Outcome

SUPERVISOR = Path("/opt/steelyard/supervise")
"""In the trainer's image: one static file, made by images/trainer/static."""


def install(folder: Path) -> Outcome:
    """Copies the supervisor to a folder, in place of an older one. Raises StageError (78), OSError."""
    if not SUPERVISOR.is_file():
        raise StageError(
            f"there is no {SUPERVISOR} in this image; spec.template.image must be a trainer image, or be made FROM one",
            reason=Reason.INVALID_CONFIGURATION,
            exit_code=ExitCode.CONFIGURATION,
        )
    partial = folder / f".{SUPERVISOR.name}.partial"
    shutil.copy(SUPERVISOR, partial)
    partial.chmod(0o755)
    partial.rename(folder / SUPERVISOR.name)
    return Outcome(f"the supervisor lies in {folder}", {})
