"""How a model from elsewhere gets into the workspace: copied, told by its content, and read for the first time in a
process with limits. Imports formats, errors, the contract and the files of the stages.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard.api.errors import DataError
from steelyard.contract.workspace import ESTIMATOR_FILE, GRAPH_FILE, MODEL_FILE, TRAINING_FILE
from steelyard.formats.models import digest_of
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


@dataclass(frozen=True)
class Arrival:
    """A model that no code of Steelyard's has trained, and how it is taken in."""

    source: Path
    """Its file or folder."""
    format: str
    """What the manifest says that it is: one of PROGRAMS."""
    field: str
    """What of the manifest names it."""
    name: str
    """What to call it."""
    folder: Path
    """Where it lies when it was taken in."""
    noun: str = "the model from elsewhere"

    def take_in(self, context: StageContext) -> TrainedFolder:
        """Takes it in; what arrived before stays.

        Raises:
            DataError: it is not there, too large, no model of the format, changed meanwhile, or not taken (see
                docs/security.md).
            ConfigurationError: its format is another one.
            SteelyardError: another process was started in this one's place (AttemptSuperseded).
            OSError: it can't be read or copied.
        """
        where = f"{self.field}: {self.name}"
        digest = foreign_model(self.source, where, self.format, self.field.removesuffix(".uri")).digest
        document = _read(self.folder / TRAINING_FILE)
        if document.get("digest") != digest or not (self.folder / PROGRAMS[self.format][1]).is_file():
            context.check_attempt()
            document = self._read_first(context, digest, where)
        return TrainedFolder(self.folder, document, self.name, self.field)

    def _read_first(self, context: StageContext, digest: str, where: str) -> dict[str, Any]:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        copy = self.folder / _SOURCE
        _copy(self.source, copy)
        if digest_of(copy) != digest:
            raise DataError(f"{where} was changed while it was copied; start again when it stays as it is")
        context.notice(f"{self.noun} is read in a process of its own, with limits")
        found = run_confined(PROGRAMS[self.format][0], [str(copy)], self.folder, where)
        if found.pop("network", True):
            context.notice(
                "that process had a network: this system gives it none to do without (namespaces of users)",
                "NotCutOff",
            )
        _remove(copy)
        document = {"format": self.format, "digest": digest, **found}
        context.check_attempt()
        write_atomically(self.folder / TRAINING_FILE, json.dumps(document, indent=2))
        return document


def arrived(context: StageContext) -> TrainedFolder:
    """The model that `spec.trained` names, in the workspace's folder `trained`. Raises as `Arrival.take_in`."""
    trained = context.job.spec.trained
    assert trained is not None and trained.uri is not None and trained.format is not None
    source, shown = context.resolve(trained.uri), context.show(trained.uri)
    return Arrival(source, trained.format, "spec.trained.uri", shown, context.workspace.trained).take_in(context)


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
