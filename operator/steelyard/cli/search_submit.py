"""`steelyard submit` of a TuningJob: a search on a cluster, and its trials as they end. Imports rich, local, api and
client."""

import json
from typing import TYPE_CHECKING, Any

from rich.console import Console

from steelyard.api.errors import SteelyardError
from steelyard.api.tuning_job import TuningJob
from steelyard.api.tuning_status import TuningJobStatus
from steelyard.cli.cluster import DocumentFormat, connected, print_object, waiting_interrupted
from steelyard.cli.outcome import model_lines, summary_of
from steelyard.cli.output import OutputFormat, print_json
from steelyard.cli.search_status import secondary_of, trial_lines
from steelyard.cli.tuning_display import search_display
from steelyard.contract.events import RunEnded
from steelyard.contract.stages import ExitCode, Reason
from steelyard.search.best import best_of
from steelyard.search.events import NewBest, SearchEnded, SearchEvent, SearchStarted, TrialEnded
from steelyard.search.log import Entry

if TYPE_CHECKING:
    from steelyard.client import SearchHandle


def submit_search(
    tuning: TuningJob, wait: bool, context: str | None, namespace: str | None, output: OutputFormat
) -> None:
    """Makes a search on a cluster, and waits for its end if asked to. Raises SteelyardError."""
    handle = None
    try:
        with connected(context, namespace) as client:
            handle = client.submit(tuning)
            if wait:
                _wait(handle, output)
    except SteelyardError as error:
        if wait and output is OutputFormat.JSON:
            _print_end(handle, error.reason, error.message, error.exit_code)
        raise
    if output is OutputFormat.JSON:
        if wait:
            _print_end(handle, Reason.SUCCEEDED, "", ExitCode.DONE)
        else:
            print_object(handle.document, DocumentFormat.JSON)
    else:
        print("\n".join(_done(handle) if wait else _submitted(handle)))


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


def _wait(handle: "SearchHandle", output: OutputFormat) -> None:
    """Shows the trials until the search has ended. Raises SteelyardError where it failed."""
    before = TuningJobStatus()
    try:
        with search_display(output, Console(), handle.tuning.spec) as report:

            def show(after: TuningJobStatus) -> None:
                nonlocal before
                for event in events_between(before, after, handle):
                    report(event)
                before = after

            handle.wait(on_progress=show)
    except KeyboardInterrupt:
        raise waiting_interrupted(handle) from None


def _print_end(handle: "SearchHandle | None", reason: str, message: str, exit_code: int) -> None:
    """Prints the last event; without a search where it could not even be submitted."""
    summary: dict[str, Any] = {}
    if handle is not None:
        status, metric = handle.status, handle.tuning.spec.objective.name
        summary = {"trials": status.trials.model_dump(), "best": _best(status, metric)}
        summary |= summary_of(status.model) if status.model else {}
    seconds = handle.status.active_seconds if handle is not None else 0.0
    name = handle.name if handle is not None else ""
    print_json(RunEnded(name, reason, message, exit_code, seconds, "", summary).to_json())


def _submitted(handle: "SearchHandle") -> list[str]:
    what = "created" if handle.is_new else f"unchanged ({handle.status.phase or 'Pending'})"
    next_commands = [
        f"  steelyard {each} {handle.name} --namespace {handle.namespace}" for each in ("status", "trials")
    ]
    return [f"tuningjob {handle.name} {what}", "", "next:", *next_commands]


def _done(handle: "SearchHandle") -> list[str]:
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
