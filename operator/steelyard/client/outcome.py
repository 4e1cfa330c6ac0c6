"""How a job stands and how it ended, read from its status. Pure. Imports the api only."""

from copy import deepcopy
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from steelyard.api.status import StatusCondition, TrainingJobStatus
from steelyard.api.tuning_status import TuningCondition, TuningJobStatus
from steelyard.contract.stages import ExitCode, Reason

AnyStatus = TrainingJobStatus | TuningJobStatus
_Model = TypeVar("_Model", bound=BaseModel)

_DATA = {Reason.INVALID_DATA, Reason.CHECK_FAILED, Reason.SOURCE_NOT_FOUND}
_TRY_AGAIN = {Reason.RETRIES_EXHAUSTED, Reason.WORKERS_NOT_READY}
_COUNTED = {
    Reason.BACKOFF_LIMIT_EXCEEDED,
    Reason.DEADLINE_EXCEEDED,
    Reason.OUT_OF_MEMORY,
    Reason.CRASHED,
    Reason.STALLED,
}


def exit_code_of(reason: str) -> int:
    """What `steelyard run` ends with where a job failed for this reason."""
    if reason == Reason.GATE_FAILED:
        return ExitCode.GATE_FAILED
    if reason in _DATA:
        return ExitCode.DATA
    if reason in _TRY_AGAIN:
        return ExitCode.TRY_AGAIN
    if reason in _COUNTED or reason not in Reason.__members__.values():
        return 1
    return ExitCode.CONFIGURATION


def condition(status: AnyStatus, type: str) -> StatusCondition | TuningCondition | None:
    """The condition of a type, if it is true."""
    return next((each for each in status.conditions if each.type == type and each.status == "True"), None)


def is_final(status: AnyStatus) -> bool:
    """Whether the job is Complete or Failed, and so will never change again."""
    return condition(status, "Complete") is not None or condition(status, "Failed") is not None


def standing(status: AnyStatus) -> str:
    """How the job stands, in words: its phase, and why where that is known."""
    phase = status.phase or "Pending"
    for type in ("Failed", "Suspended", "Waiting"):
        if (found := condition(status, type)) is not None:
            return f"{phase}: {found.message}" if found.message else phase
    if status.progress and phase != "Complete":
        return f"{phase}: {status.progress}"
    return phase if status.phase else "Pending: the operator has not seen it yet; is Steelyard's operator running?"


def read_status(document: Any) -> TrainingJobStatus:
    """The status that an operator wrote, maybe one of another version: what this version does not know is left out."""
    return _known_part(TrainingJobStatus, document if isinstance(document, dict) else {})


def read_tuning_status(document: Any) -> TuningJobStatus:
    """The status of a search, as `read_status`."""
    return _known_part(TuningJobStatus, document if isinstance(document, dict) else {})


def _known_part(model: type[_Model], document: dict[str, Any]) -> _Model:
    document = deepcopy(document)
    while True:
        try:
            return model.model_validate(document)
        except ValidationError as error:
            # One at a time: the others' indexes into lists may not be what they were.
            _remove(document, error.errors(include_url=False)[0]["loc"])


def _remove(document: Any, path: tuple[int | str, ...]) -> None:
    """Removes what a path leads to; where that is not there (a field is missing), the part that lacks it."""
    holder, key, target = None, None, document
    for step in path:
        if not (step in target if isinstance(target, dict) else isinstance(target, list) and isinstance(step, int)):
            break
        holder, key, target = target, step, target[step]
    if holder is None:
        document.clear()
    else:
        del holder[key]
