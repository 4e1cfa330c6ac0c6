"""How a search on a cluster stands, for a person. Imports the api and the client."""

import json
from typing import TYPE_CHECKING

from steelyard.api.tuning_status import TuningJobStatus
from steelyard.cli.cluster import age, table
from steelyard.cli.outcome import outcome_lines, summary_of
from steelyard.cli.trial_table import SECONDARY_NAMES, cost, front_line, metric, shown

if TYPE_CHECKING:
    from steelyard.client import SearchHandle


def describe_search(handle: "SearchHandle") -> list[str]:
    """A search, line by line."""
    from steelyard.client.outcome import condition, standing

    found = handle.status
    created = handle.document["metadata"]["creationTimestamp"]
    lines = [
        f"search      {handle.namespace}/{handle.name}, {age(created)} old",
        f"phase       {standing(found)}",
        *trial_lines(found, secondary_of(handle)),
    ]
    lines += [f"time left   about {_duration(found.seconds_left)}"] if found.seconds_left is not None else []
    if found.model is not None:
        lines += model_lines(found)
    if found.conditions:
        rows = [
            [each.type, each.status, each.reason, age(each.last_transition_time), each.message.replace("\n", " ")]
            for each in found.conditions
        ]
        lines += ["", *table(["CONDITION", "STATUS", "REASON", "AGE", "MESSAGE"], rows)]
    lines += ["", "next:", f"  steelyard trials {handle.name} --namespace {handle.namespace}"]
    if condition(found, "Complete") is not None and found.model is not None and found.model.published:
        lines.append(f"  steelyard fetch {handle.name} DIR --namespace {handle.namespace}")
    return lines


def secondary_of(handle: "SearchHandle") -> str | None:
    """The secondary objective, of a search of another version as well."""
    secondary = handle.document["spec"]["objective"].get("secondary")
    return secondary if secondary in SECONDARY_NAMES else None


def trial_lines(found: TuningJobStatus, secondary: str | None) -> list[str]:
    """How many trials there are, and the best of them; `secondary` is the secondary objective."""
    counts = found.trials.model_dump(exclude={"created"})
    states = [f"{count} {state}" for state, count in counts.items() if count]
    lines = [f"trials      {found.trials.created} created" + (f": {', '.join(states)}" if states else "")]
    if found.best is not None:
        name = (found.metric or "").partition(" ")[0]
        figures = filter(None, [f"{name} {metric(found.best.value)}", cost(found.best.secondary, secondary)])
        lines.append(f"best        trial {found.best.trial}: {', '.join(figures)}")
        lines += [f"            {path}: {shown(json.loads(value))}" for path, value in found.best.parameters.items()]
    return [*lines, f"front       {front_line(found.front)}"] if found.front else lines


def model_lines(found: TuningJobStatus) -> list[str]:
    """What came out, as `steelyard run` shows it."""
    if found.model is None:
        return []
    return outcome_lines(summary_of(found.model), found.model.published or [])


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
