"""What an earlier search has found out, as far as a new one can use it. Pure; imports tuning and the api only."""

from typing import Any

from steelyard.api.contract import Reason
from steelyard.api.errors import ConfigurationError
from steelyard.api.search import Parameter
from steelyard.api.search_log import Entry, is_better
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.controller.draft import is_terminal
from steelyard.tuning.space import Space

MOST_PRIOR = 200
"""Answers of an earlier search that are kept: the best ones."""
_FIELD = "spec.warmStart.tuningJob"


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
            f"{_FIELD}: there is no TuningJob '{name}' in this namespace", reason=Reason.SOURCE_NOT_FOUND
        )
    status = other.get("status") or {}
    if not is_terminal(status):
        raise ConfigurationError(f"{_FIELD}: the TuningJob '{name}' has not ended yet; wait for its end")
    parameters = [Parameter.model_validate(each) for each in other["spec"]["parameters"]]
    own = sorted(parameter.path for parameter in spec.parameters)
    paths = sorted(parameter.path for parameter in parameters)
    if own != paths:
        raise ConfigurationError(
            f"{_FIELD}: '{name}' has searched over {', '.join(paths)}, and this search is over {', '.join(own)}; a "
            "search can learn from one over the same paths only"
        )
    metric = other["spec"]["objective"]["metric"]
    if metric != spec.objective.metric:
        raise ConfigurationError(
            f"{_FIELD}: '{name}' has searched for {metric}, and this search is for {spec.objective.metric}"
        )
    space = Space.of(spec.parameters)
    entries = [Entry.decode(line, parameters) for line in status.get("log") or ()]
    useful = _most_useful([entry for entry in entries if space.contains(entry.values)], spec)
    return [entry.encode(spec.parameters) for entry in useful]


def _most_useful(entries: list[Entry], spec: TuningJobSpec) -> list[Entry]:
    """At most MOST_PRIOR of them: the best answers, then what was pruned; by number."""
    goal = spec.objective.direction
    sign = -1.0 if is_better(1.0, 0.0, goal) else 1.0
    known = [entry for entry in entries if entry.state in ("Complete", "Pruned") and entry.value is not None]
    known.sort(key=lambda entry: (entry.state != "Complete", sign * (entry.value or 0.0), entry.number))
    return sorted(known[:MOST_PRIOR], key=lambda entry: entry.number)
