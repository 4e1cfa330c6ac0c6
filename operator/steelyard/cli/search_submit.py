"""`steelyard submit` of a TuningJob: a search on a cluster, and its trials as they end. Imports rich, local, api and
client."""

import json
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from steelyard.api.tuning_job import TuningJob
from steelyard.api.tuning_status import TuningJobStatus
from steelyard.cli.outcome import model_lines, summary_of
from steelyard.cli.output import OutputFormat
from steelyard.cli.search_status import secondary_of, trial_lines
from steelyard.cli.submission import Submission
from steelyard.cli.tuning_display import search_display
from steelyard.contract.events import RunEnded
from steelyard.search.best import best_of
from steelyard.search.events import NewBest, SearchEnded, SearchEvent, SearchReport, SearchStarted, TrialEnded
from steelyard.search.log import Entry

if TYPE_CHECKING:
    from steelyard.client import Client, SearchHandle


@dataclass
class SearchSubmission(Submission["SearchHandle"]):
    """A TuningJob that is submitted; what its methods do says Submission."""

    tuning: TuningJob
    file: Path

    then = ("status", "trials")

    def made(self, client: "Client") -> "SearchHandle":
        return client.submit(self.tuning, self.file.parent)

    def display(self, output: OutputFormat, handle: "SearchHandle") -> AbstractContextManager[SearchReport]:
        return search_display(output, Console(), handle.tuning.spec)

    def events(
        self, before: TuningJobStatus | None, after: TuningJobStatus, handle: "SearchHandle"
    ) -> Iterable[SearchEvent]:
        return events_between(before or TuningJobStatus(), after, handle)

    def ended(self, handle: "SearchHandle", reason: str, message: str, exit_code: int) -> RunEnded:
        status, metric = handle.status, handle.tuning.spec.objective.name
        summary = {"trials": status.trials.model_dump(), "best": _best(status, metric)}
        summary |= summary_of(status.model) if status.model else {}
        return RunEnded(handle.name, reason, message, exit_code, status.active_seconds, "", summary)

    def done(self, handle: "SearchHandle") -> list[str]:
        status = handle.status
        lines = [
            "",
            f"The search {handle.name} is done.",
            "",
            *trial_lines(status, secondary_of(handle)),
            *model_lines(status.model),
        ]
        following = [f"  steelyard trials {handle.name} --namespace {handle.namespace}"]
        if status.model is not None and status.model.published:
            following.append(f"  steelyard fetch {handle.name} DIR --namespace {handle.namespace}")
        return [*lines, "", "next:", *following]


def events_between(before: TuningJobStatus, after: TuningJobStatus, handle: "SearchHandle") -> list[SearchEvent]:
    """What has happened between two readings of a search's status, in its order."""
    from steelyard.client.outcome import condition

    spec = handle.tuning.spec
    metric, goal = spec.objective.name, spec.objective.direction
    events: list[SearchEvent] = []
    known = [Entry.decode(line, spec.parameters) for line in before.log]
    if before.phase is None:
        events.append(SearchStarted(handle.name, (), spec.max_trials, ""))
    best = best_of(known, goal)
    told = {entry.number for entry in known}
    for line in after.log:
        entry = Entry.decode(line, spec.parameters)
        if entry.number in told:
            continue
        events.append(TrialEnded(entry, metric, entry.reason))
        if best_of([each for each in (best, entry) if each is not None], goal) is entry:
            best = entry
            events.append(NewBest(entry, metric))
    if condition(before, "Searched") is None and (searched := condition(after, "Searched")) is not None:
        counts = after.trials.model_dump()
        events.append(SearchEnded(handle.name, searched.reason, searched.message, counts, _best(after, metric)))
    return events


def _best(status: TuningJobStatus, metric: str) -> dict[str, Any] | None:
    """The best trial, as a local run's summary has it."""
    if status.best is None:
        return None
    parameters = {path: json.loads(value) for path, value in status.best.parameters.items()}
    found = {"trial": status.best.trial, "metric": metric, "value": status.best.value, "parameters": parameters}
    return found | status.best.model_dump(include={"secondary", "epoch"}, exclude_none=True)
