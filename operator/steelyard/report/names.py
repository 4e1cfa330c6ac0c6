"""What things are called where people read. Imports the api only."""

from steelyard.api.compression import BASELINE

BASELINES = (BASELINE, "None")
"""What the model without compression is called in JSON; "None" in jobs of before that name."""


def shown_name(name: str, baseline: str | None) -> str:
    """What a candidate is called: the model without compression by its form, float32 or skops.

    Args:
        name: as JSON has it.
        baseline: what the result's `baseline` says.
    """
    return (baseline or "float32") if name in BASELINES else name
