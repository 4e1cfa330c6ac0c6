"""How many seeds, or cases, a statistical or fuzz test takes: all of them with STEELYARD_SEEDS=all, as
`make test-statistics` sets it; else the few with which it runs in CI. Bounds are the same in both."""

import os

TAKES_ALL = os.environ.get("STEELYARD_SEEDS", "few") == "all"


def seeds(every: int, few: int) -> range:
    """The seeds 0, 1, 2 ...: `every` of them, or the first `few`."""
    return range(every if TAKES_ALL else few)
