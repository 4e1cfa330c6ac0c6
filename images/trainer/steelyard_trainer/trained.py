"""What the stage train of this job, or of another one, left: the folder `trained`. Imports steelyard.api; the prepared
data is a type here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.contract.stages import Reason
from steelyard.contract.trial_report import TrialReport
from steelyard.contract.workspace import ESTIMATOR_FILE, MODEL_FILE, TRAINING_FILE
from steelyard.search.best import leaves_model
from steelyard_trainer.contract import Outcome, StageContext
from steelyard_trainer.files import write_atomically

if TYPE_CHECKING:
    from steelyard_trainer.data.reading import PreparedDataset

_NOT_IN_SUMMARY = frozenset({"key", "reason", "message", "history", "dataset", "kind", "code"})
"""What training.json holds beside the summary."""


@dataclass(frozen=True)
class TrainedFolder:
    """A trained model and how it was trained."""

    folder: Path
    training: Mapping[str, Any]
    """training.json."""
    name: str = "this job"
    """Whose model it is, for people."""
    field: str = "spec.trained.uri"
    """What of the manifest names it, where it is no job's own."""

    @property
    def trial(self) -> int | None:
        """The trial's number, where it is one's."""
        return _trial_of(self.training)

    @property
    def model_file(self) -> Path:
        """A network's model."""
        return self.folder / MODEL_FILE

    @classmethod
    def own(cls, context: StageContext) -> "TrainedFolder":
        """What the job's own stage train left."""
        return cls(context.workspace.trained, json.loads(context.workspace.training_file.read_bytes()))

    @classmethod
    def named(cls, context: StageContext, dataset: "PreparedDataset") -> "TrainedFolder":
        """The folder that `spec.trained.uri` names.

        Raises:
            DataError: it holds no trained model.
            ConfigurationError: the model was trained on other data.
        """
        spec = context.job.spec.trained
        assert spec is not None and spec.uri is not None
        folder = context.resolve(spec.uri)
        where = f"spec.trained.uri: {context.show(spec.uri)}"
        try:
            training = json.loads((folder / TRAINING_FILE).read_bytes())
            reason, fingerprint = training.get("reason"), training.get("dataset")
        except (FileNotFoundError, NotADirectoryError):
            raise DataError(
                f"{where} holds no trained model: it has no {TRAINING_FILE}; name the folder `trained` of a workspace",
                reason=Reason.SOURCE_NOT_FOUND,
            ) from None
        except (ValueError, AttributeError) as error:
            raise DataError(f"{where} is damaged: {type(error).__name__}: {error}") from None
        if reason == Reason.PRUNED:
            raise DataError(f"{where} holds no model: the trial gave up ({training.get('message')})")
        if not any((folder / name).is_file() for name in (MODEL_FILE, ESTIMATOR_FILE)):
            raise DataError(f"{where} is not whole: its model is missing", reason=Reason.SOURCE_NOT_FOUND)
        if fingerprint != dataset.fingerprint:
            raise ConfigurationError(
                f"{where} was trained on other data (fingerprint {fingerprint!s:.12}) than spec.dataset.uri names "
                f"({dataset.fingerprint:.12})"
            )
        return cls(folder, training, _name_of(training, context.show(spec.uri)))


def finished_training(context: StageContext, model_file: Path) -> Outcome | None:
    """The outcome of a training that was done under this key before; None where there is none, or its model is gone.

    Args:
        context: the stage.
        model_file: where a model lies, if the training left one.

    Raises:
        ConfigurationError: what was left is damaged.
    """
    try:
        document = json.loads(context.workspace.training_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ConfigurationError(f"{context.workspace.training_file} is damaged ({error}): remove it") from None
    if document["key"] != context.key or document.get("code", "") != context.code_digest:
        return None
    if leaves_model(context.job.spec, document) and not model_file.exists():
        return None
    summary = {name: value for name, value in document.items() if name not in _NOT_IN_SUMMARY}
    message, reason = document.get("message", "was trained already"), document.get("reason", Reason.SUCCEEDED)
    return Outcome(message, summary, reason)


def leave_document(context: StageContext, outcome: Outcome, dataset: "PreparedDataset", **more: Any) -> None:
    """Writes training.json, which says that all is there.

    Raises:
        SteelyardError: another process was started in this one's place (AttemptSuperseded).
        OSError: it can't be written.
    """
    own = {"key": context.key, "reason": outcome.reason, "message": outcome.message, "dataset": dataset.fingerprint}
    if context.code_digest:
        own["code"] = context.code_digest
    context.check_attempt()
    write_atomically(context.workspace.training_file, json.dumps({**own, **outcome.summary, **more}, indent=2))


def candidates_are_made(context: StageContext) -> bool:
    """Whether the workers have trained what is trained of the candidates, under this key."""
    try:
        document = json.loads(context.workspace.candidates_file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return isinstance(document, dict) and document.get("key") == context.key


def leave_candidates(context: StageContext) -> None:
    """Says that they have. Raises as `leave_document` does."""
    context.check_attempt()
    write_atomically(context.workspace.candidates_file, json.dumps({"key": context.key}))


def _name_of(training: Mapping[str, Any], place: str) -> str:
    number = _trial_of(training)
    return place if number is None else f"trial {number}"


def _trial_of(training: Mapping[str, Any]) -> int | None:
    try:
        return TrialReport.from_json(training["trial"]).number
    except (KeyError, ValueError):
        return None
