"""The log of an earlier search, read from its TuningJob. Pure; imports tuning, the search and the api only."""

from typing import Any

from steelyard.api.errors import ConfigurationError
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.contract.stages import Reason
from steelyard.controller.runtime.draft import is_terminal
from steelyard.search.log import Entry
from steelyard.tuning.warm_start import FIELD, prior_of


def prior_lines(spec: TuningJobSpec, name: str, other: dict[str, Any] | None) -> list[str]:
    """The answers of an earlier search as lines of this one's log, by number.

    Args:
        spec: the new search.
        name: the earlier one's.
        other: the earlier one's body; None where there is none.

    Raises:
        ConfigurationError: it can't be learned from.
    """
    if other is None:
        raise ConfigurationError(
            f"{FIELD}: there is no TuningJob '{name}' in this namespace", reason=Reason.SOURCE_NOT_FOUND
        )
    status = other.get("status") or {}
    if not is_terminal(status):
        raise ConfigurationError(f"{FIELD}: the TuningJob '{name}' has not ended yet; wait for its end")
    try:
        earlier = TuningJobSpec.model_validate(other["spec"])
        log = [Entry.decode(line, earlier.parameters) for line in status.get("log") or ()]
    except ValueError as error:
        raise ConfigurationError(f"{FIELD}: the TuningJob '{name}' can't be understood: {error}") from None
    return [entry.encode(spec.parameters) for entry in prior_of(spec, name, earlier, log)]
