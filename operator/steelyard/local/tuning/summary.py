"""A search in figures: how many trials there are, and the best of them. Pure. Imports the search, the api and local."""

from collections.abc import Collection, Mapping
from typing import Any

from steelyard.search.log import Entry

_NAMES = {"Complete": "complete", "Pruned": "pruned", "Failed": "failed", "Repeated": "repeated"}


def counts_of(entries: Mapping[int, Entry], running: Collection[int] = ()) -> dict[str, int]:
    """How many trials there are, by their state."""
    counts = {"created": len(entries) + len(running), "running": len(running), **dict.fromkeys(_NAMES.values(), 0)}
    for entry in entries.values():
        counts[_NAMES[entry.state]] += 1
    return counts


def best_to_json(best: Entry | None, metric: str) -> dict[str, Any] | None:
    """The best trial, as the summary of a search has it."""
    if best is None:
        return None
    document: dict[str, Any] = {"trial": best.number, "metric": metric, "value": best.value, "parameters": best.values}
    if best.secondary is not None:
        document["secondary"] = best.secondary
    if best.epoch is not None:
        document["epoch"] = best.epoch
    return document
