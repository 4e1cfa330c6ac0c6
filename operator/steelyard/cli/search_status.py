"""How a search on a cluster stands, for a person. Imports the api, the report and the client."""

import json
from typing import TYPE_CHECKING

from steelyard.api.tuning_status import TuningJobStatus
from steelyard.cli.cluster import age, conditions_table
from steelyard.cli.outcome import standing_section
from steelyard.cli.trial_table import SECONDARY_NAMES, cost, front_line, metric, shown
from steelyard.report.blocks import Facts, Section
from steelyard.report.outcome import Row
from steelyard.report.terminal import terminal_lines

if TYPE_CHECKING:
    from steelyard.client import SearchHandle


def search_section(handle: "SearchHandle") -> Section:
    """A search for a person."""
    from steelyard.client.outcome import condition, standing

    found = handle.status
    created = handle.document["metadata"]["creationTimestamp"]
    rows: list[Row] = [
        ("search", ((f"{handle.namespace}/{handle.name}", f"{age(created)} old"),)),
        ("phase", ((standing(found),),)),
        *_trials(found, secondary_of(handle)),
    ]
    rows += [("time left", ((f"about {_duration(found.seconds_left)}",),))] if found.seconds_left is not None else []
    following = [f"steelyard trials {handle.name} --namespace {handle.namespace}"]
    if condition(found, "Complete") is not None and found.model is not None and found.model.published:
        following.append(f"steelyard fetch {handle.name} DIR --namespace {handle.namespace}")
    return standing_section(rows, found.model, conditions_table(found.conditions), following)


def secondary_of(handle: "SearchHandle") -> str | None:
    """The secondary objective, of a search of another version as well."""
    secondary = handle.document["spec"]["objective"].get("secondary")
    return secondary if secondary in SECONDARY_NAMES else None


def trial_lines(found: TuningJobStatus, secondary: str | None) -> list[str]:
    """How many trials there are, and the best of them; `secondary` is the secondary objective."""
    return terminal_lines(Section("", (Facts(tuple(_trials(found, secondary))),)))


def _trials(found: TuningJobStatus, secondary: str | None) -> list[Row]:
    counts = found.trials.model_dump(exclude={"created"})
    states = [f"{count} {state}" for state, count in counts.items() if count]
    created = f"{found.trials.created} created" + (f": {', '.join(states)}" if states else "")
    rows: list[Row] = [("trials", ((created,),))]
    if found.best is not None:
        name = (found.metric or "").partition(" ")[0]
        figures = filter(None, [f"{name} {metric(found.best.value)}", cost(found.best.secondary, secondary)])
        values = [(f"{path}: {shown(json.loads(value))}",) for path, value in found.best.parameters.items()]
        rows.append(("best", ((f"trial {found.best.trial}: {', '.join(figures)}",), *values)))
    return [*rows, ("front", ((front_line(found.front),),))] if found.front else rows


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
