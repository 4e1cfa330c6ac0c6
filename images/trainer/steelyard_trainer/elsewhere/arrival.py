"""How a model from elsewhere gets into the workspace: copied, told by its content, and read for the first time in a
process with limits. Imports formats, the contract and the files of the stages.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.contract.stages import Reason
from steelyard.contract.workspace import ESTIMATOR_FILE, MODEL_FILE, TRAINING_FILE
from steelyard.formats.models import NoModelError, model_format
from steelyard_trainer.contract import StageContext
from steelyard_trainer.elsewhere.confined import run_confined
from steelyard_trainer.files import write_atomically
from steelyard_trainer.trained import TrainedFolder

MOST_BYTES = 2**30
"""Of a model's file."""
PROGRAMS: Mapping[str, tuple[str, str]] = {
    "Keras": ("steelyard_trainer.families.keras.taking_in", MODEL_FILE),
    "Skops": ("steelyard_trainer.families.sklearn.taking_in", ESTIMATOR_FILE),
}
"""By format: what reads it for the first time, and the file that this leaves."""
_SOURCE = "from-elsewhere.keras"
"""With the ending by which Keras tells its format."""


def arrived(context: StageContext) -> TrainedFolder:
    """The model that `spec.trained` names, in the workspace's folder `trained`; what arrived before stays.

    Raises:
        DataError: it is not there, too large, no model of the format, or not taken (see docs/security.md).
        ConfigurationError: its format is another one.
        SteelyardError: another process was started in this one's place (AttemptSuperseded).
        OSError: it can't be read or copied.
    """
    trained = context.job.spec.trained
    assert trained is not None and trained.uri is not None and trained.format is not None
    where = f"spec.trained.uri: {context.show(trained.uri)}"
    source, folder = context.resolve(trained.uri), context.workspace.trained
    digest = _check(source, trained.format, where)
    document = _read(folder / TRAINING_FILE)
    if document.get("digest") != digest or not (folder / PROGRAMS[trained.format][1]).is_file():
        context.check_attempt()
        document = _take_in(context, source, folder, digest, where)
    return TrainedFolder(folder, document, context.show(trained.uri))


def _check(source: Path, expected: str, where: str) -> str:
    """The SHA-256 (hex) of a model's file that is what the manifest says."""
    try:
        if source.is_file() and (size := source.stat().st_size) > MOST_BYTES:
            raise DataError(f"{where} is {size:,} bytes; allowed: {MOST_BYTES:,}")
        found = model_format(source)
    except FileNotFoundError:
        raise DataError(f"{where} does not exist: there is no {source}", reason=Reason.SOURCE_NOT_FOUND) from None
    except NoModelError as error:
        raise DataError(f"{where} {error}") from None
    if found != expected:
        raise ConfigurationError(f"spec.trained.format: {expected}, but {source.name} is {found}")
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _take_in(context: StageContext, source: Path, folder: Path, digest: str, where: str) -> dict[str, Any]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    copy = folder / _SOURCE
    shutil.copyfile(source, copy)
    assert context.job.spec.trained is not None and context.job.spec.trained.format is not None
    name = context.job.spec.trained.format
    context.notice("the model from elsewhere is read in a process of its own, with limits")
    found = run_confined(PROGRAMS[name][0], [str(copy)], folder, where)
    if found.pop("network", True):
        context.notice(
            "that process had a network: this system gives it none to do without (namespaces of users)", "NotCutOff"
        )
    copy.unlink()
    document = {"format": name, "digest": digest, **found}
    context.check_attempt()
    write_atomically(folder / TRAINING_FILE, json.dumps(document, indent=2))
    return document


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
