"""The program that reads a skops file from elsewhere for the first time, in a process with limits: it looks the file
through, loads it with the types that are trusted, and writes it anew. Imports skops after it is confined.

    python -m steelyard_trainer.families.sklearn.taking_in FOLDER FILE
"""

import sys
from pathlib import Path

from steelyard.api.errors import DataError
from steelyard.contract.workspace import ESTIMATOR_FILE
from steelyard_trainer.elsewhere.archive import RefusedError, check_entries, opened
from steelyard_trainer.elsewhere.confined import confine, finish, refuse

_SCHEMA = "schema.json"


def main() -> None:
    """Ends the process."""
    folder, source = Path(sys.argv[1]), Path(sys.argv[2])
    is_cut_off = confine()
    try:
        check_archive(source)
        from steelyard.serving.estimators import ESTIMATORS, load_estimator
        from steelyard_trainer.families.sklearn.skops_files import estimator_bytes
        from steelyard_trainer.families.sklearn.soundness import made_sound

        estimator = load_estimator(source.read_bytes(), only=ESTIMATORS)
        known = getattr(estimator, "feature_names_in_", None)
        estimator = made_sound(estimator)
        if known is not None:
            estimator.feature_names_in_ = known
        (folder / ESTIMATOR_FILE).write_bytes(estimator_bytes(estimator))
    except (RefusedError, DataError) as error:
        refuse(folder, str(error))
    finish(folder, {"estimator": type(estimator).__name__, "network": not is_cut_off})


def check_archive(path: Path) -> None:
    """Looks through a skops file. Raises RefusedError where skops must not read it; OSError."""
    with opened(path) as archive:
        check_entries(
            archive.infolist(), lambda name: name == _SCHEMA or _is_array(name), f"{_SCHEMA}, and arrays (.npy)"
        )


def _is_array(name: str) -> bool:
    return name.endswith(".npy") and "/" not in name and "\\" not in name


if __name__ == "__main__":
    main()
