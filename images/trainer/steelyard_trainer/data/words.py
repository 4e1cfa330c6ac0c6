"""Lists in messages. Imports the standard library."""

from collections.abc import Collection


def listed(names: Collection[str], limit: int = 40) -> str:
    """Names with commas between; of many the first ones and how many more there are."""
    shown = ", ".join(repr(name) for name in list(names)[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit:,} more"
