"""Whether trials share a process, which imports the libraries and reads the data once for many of them. Pure. Imports
the api and the search only."""

from collections.abc import Mapping

from steelyard.api.tuning_job import TuningJobSpec
from steelyard.search.log import Entry

SHORT_SECONDS = 10.0
"""About what a pod needs to start: shorter trials cost less together."""


def first_trials(spec: TuningJobSpec) -> int:
    """How many trials, from 0 on, tell how long a trial takes, where `placement` is Auto."""
    return max(2, spec.parallel_trials)


def is_packed(spec: TuningJobSpec, entries: Mapping[int, Entry]) -> bool | None:
    """Whether the next trials are packed; None where the first ones have not told yet.

    Args:
        spec: the search.
        entries: the log, by number.
    """
    if not spec.is_packable or spec.placement == "Pods":
        return False
    if spec.placement == "Packed":
        return True
    first = [entries.get(number) for number in range(first_trials(spec))]
    seconds = [entry.seconds for entry in first if entry is not None and entry.state != "Failed"]
    if None in first:
        return None
    return bool(seconds) and sum(seconds) / len(seconds) < SHORT_SECONDS


def first_packed(spec: TuningJobSpec) -> int:
    """The number of the first trial that may share a process."""
    return first_trials(spec) if spec.placement == "Auto" else 0


def leaves_models(spec: TuningJobSpec) -> bool:
    """Whether trials leave their models in a pack, too: those do that are not fitted anew at the end."""
    return not spec.template.capabilities.is_fitted_anew
