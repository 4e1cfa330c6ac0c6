"""When a trial gives up, what it reports and whether it leaves a model, fixed when it is asked. Imports the api only.

A trial decides by itself: it stops at once, and at the same step however fast anybody reads what it says. So a rule of
pruning is turned into limits, by the results that the trial was created with.
"""

from dataclasses import dataclass

from steelyard.api.trial import PairedLimit


@dataclass(frozen=True)
class Stops:
    """What becomes of the fields of spec.trial."""

    report_steps: tuple[int, ...] = ()
    """Epochs whose values are reported."""
    limits: tuple[tuple[int, float], ...] = ()
    """(step, worst value with which the trial goes on)."""
    paired: PairedLimit | None = None
    """The bound between folds."""
    to_beat: float | None = None
    """The value that it must beat to leave a model."""
