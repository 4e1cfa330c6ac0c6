"""The values of a search's next trial, and the job that it is. Imports tuning, the search, the api and local."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from steelyard.api.errors import ConfigurationError
from steelyard.api.metrics import METRICS_OF_TASK, Measure
from steelyard.api.training_job import TrainingJob, no_class
from steelyard.contract.stages import Reason
from steelyard.contract.workspace import DATASET_FILE
from steelyard.local.tuning.job import SEARCH_FILE, LocalSearch
from steelyard.search.log import Entry, SearchDocument, Values
from steelyard.tuning.asking import Asker
from steelyard.tuning.pruning import stops_for
from steelyard.tuning.search import known_to, pending_to
from steelyard.tuning.stops import Stops
from steelyard.tuning.trials import trial_job
from steelyard.tuning.warm_start import FIELD, prior_of


@dataclass(frozen=True)
class Suggestion:
    """A trial's number, the values of its parameters, and when it gives up."""

    number: int
    values: Values
    stops: Stops
    seen: tuple[int, ...] | None
    """The numbers of the results that it was created with, where the search is asynchronous."""


@dataclass
class Suggestions:
    """Finds the values of one search's trials; the same ones whenever it is asked."""

    search: LocalSearch
    prior: Sequence[Entry] = ()
    """What the search that spec.warmStart names has found out."""
    _asker: Asker = field(init=False)

    def __post_init__(self) -> None:
        self._asker = Asker(self.search.tuning.spec)

    def ask(self, number: int, entries: Mapping[int, Entry], running: Mapping[int, Values]) -> Suggestion | None:
        """The values of a trial; None where no combination is left.

        Args:
            number: its number.
            entries: the log.
            running: the values of the trials that run, by number.
        """
        spec = self.search.tuning.spec
        known = known_to(spec, entries, number)
        asked = {entry.number: entry.values for entry in entries.values()} | dict(running)
        values = self._asker.ask(number, known, pending_to(spec, asked, known, number), self.prior)
        if values is None:
            return None
        stops = stops_for(spec, number, known)
        return Suggestion(number, values, stops, tuple(entry.number for entry in known) if spec.asynchronous else None)

    def trial(self, suggestion: Suggestion) -> TrainingJob:
        """The job of a trial. Raises ConfigurationError where its values make no valid job."""
        return trial_job(
            self.search.tuning, suggestion.number, suggestion.values, suggestion.stops, self.search.dataset_uri
        )


def check_measure(measure: Measure, prepared: Path) -> None:
    """Raises ConfigurationError where the data, by which alone the task may be known, has no such metric, or no such
    class.

    Args:
        measure: that of the objective.
        prepared: the folder of the prepared data.
    """
    try:
        document = json.loads((prepared / DATASET_FILE).read_text(encoding="utf-8"))
        allowed, classes = METRICS_OF_TASK[document["task"]], document.get("classes") or []
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return  # The trials will say what is wrong with it.
    if measure.metric not in allowed:
        raise ConfigurationError(
            f"spec.objective.metric: {measure.metric} is no metric of {document['task']}; allowed: "
            f"{', '.join(allowed)}",
            reason=Reason.INVALID_MANIFEST,
        )
    if measure.label is not None and measure.label not in classes:
        raise ConfigurationError(
            f"spec.objective.label: {no_class(measure.label, classes)}", reason=Reason.INVALID_MANIFEST
        )


def load_prior(search: LocalSearch, source: str | None = None) -> tuple[Sequence[Entry], str | None]:
    """What the search that spec.warmStart names has found out, and what stands for it.

    Args:
        search: the one that is to learn from it.
        source: stands for the content of the data; None where nobody has looked.

    Raises:
        ConfigurationError: there is no such search beside this one, or it has not ended, or this one can't learn from
            it.
    """
    warm_start = search.tuning.spec.warm_start
    if warm_start is None:
        return (), None
    file = search.workspace.root.parent / warm_start.tuning_job / SEARCH_FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        document, source_then = SearchDocument.from_json(content), content["inputs"]["source"]
    except FileNotFoundError:
        raise ConfigurationError(
            f"{FIELD}: there is no search '{warm_start.tuning_job}' here: {file} does not exist; run it first, or "
            "leave warmStart out",
            reason=Reason.SOURCE_NOT_FOUND,
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{FIELD}: {file} can't be understood: {error}") from None
    if not document.ended:
        raise ConfigurationError(
            f"{FIELD}: the search '{warm_start.tuning_job}' has not ended; run it to its end first"
        )
    if source not in (None, source_then):
        raise ConfigurationError(
            f"{FIELD}: the data has changed since the search '{warm_start.tuning_job}'; run that one again, or leave "
            "warmStart out"
        )
    prior = prior_of(search.tuning.spec, warm_start.tuning_job, document.spec, document.entries)
    log = "\n".join(document.to_json()["log"])
    return prior, hashlib.sha256(log.encode()).hexdigest()
