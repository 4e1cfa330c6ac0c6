"""How a model from elsewhere gets into the workspace: copied, told by its content, and read for the first time in a
process with limits. Imports formats, the contract and the files of the stages.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steelyard.contract.workspace import ESTIMATOR_FILE, GRAPH_FILE, MODEL_FILE, TRAINING_FILE
from steelyard.formats.saved_models import kept_files
from steelyard.stores.foreign_models import foreign_model
from steelyard_trainer.contract import StageContext
from steelyard_trainer.elsewhere.confined import run_confined
from steelyard_trainer.files import write_atomically
from steelyard_trainer.trained import TrainedFolder

PROGRAMS: Mapping[str, tuple[str, str]] = {
    "Keras": ("steelyard_trainer.families.keras.taking_in", MODEL_FILE),
    "SavedModel": ("steelyard_trainer.families.keras.taking_in_graph", GRAPH_FILE),
    "Skops": ("steelyard_trainer.families.sklearn.taking_in", ESTIMATOR_FILE),
}
"""By format: what reads it for the first time, and the file that this leaves."""
_SOURCE = "from-elsewhere.keras"
"""With the ending by which Keras tells its format; of a SavedModel a folder."""


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
    digest = foreign_model(source, where, trained.format).digest
    document = _read(folder / TRAINING_FILE)
    if document.get("digest") != digest or not (folder / PROGRAMS[trained.format][1]).is_file():
        context.check_attempt()
        document = _take_in(context, source, folder, digest, where)
    return TrainedFolder(folder, document, context.show(trained.uri))


def _take_in(context: StageContext, source: Path, folder: Path, digest: str, where: str) -> dict[str, Any]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    copy = folder / _SOURCE
    _copy(source, copy)
    assert context.job.spec.trained is not None and context.job.spec.trained.format is not None
    name = context.job.spec.trained.format
    context.notice("the model from elsewhere is read in a process of its own, with limits")
    found = run_confined(PROGRAMS[name][0], [str(copy)], folder, where)
    if found.pop("network", True):
        context.notice(
            "that process had a network: this system gives it none to do without (namespaces of users)", "NotCutOff"
        )
    _remove(copy)
    document = {"format": name, "digest": digest, **found}
    context.check_attempt()
    write_atomically(folder / TRAINING_FILE, json.dumps(document, indent=2))
    return document


def _copy(source: Path, copy: Path) -> None:
    """Copies a file, or of a folder what is read of it."""
    files = kept_files(source).items() if source.is_dir() else [("", source)]
    for name, path in files:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy / name)


def _remove(copy: Path) -> None:
    if copy.is_dir():
        shutil.rmtree(copy)
    else:
        copy.unlink()


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
