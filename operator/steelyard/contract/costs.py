"""What steelyard.json says of what a candidate costs, and of its worst class. Imports pydantic only."""

from typing import Literal, TypeAlias

from steelyard.contract.documents import Document, absent

Difference: TypeAlias = Literal["Faster", "Slower", "NoDifference"]


class LatencyReport(Document):
    """Microseconds a row."""

    median: float
    p99: float
    """99 of 100 calls take no longer."""


class TimesReport(Document):
    """How long a candidate takes, measured in turns with the others."""

    machine: str
    """The processor."""
    threads: int
    turns: int | None = absent()
    """In how many turns, where they are fewer than usual, as it is slow."""
    row: LatencyReport
    """Of one row."""
    batch_rows: int
    batch: LatencyReport | None = absent()
    """Per row, in batches of so many; None where even few rows take too long."""
    against_baseline: Difference | None = absent()
    """Whether one row takes less time than with the model without compression, by more than chance; None where that
    was not told."""


class ClassReport(Document):
    """What a candidate loses of one class's recall."""

    label: str
    drop: float
    drop_at_most: float | None = absent()
    """With the choice's confidence."""


class MadeReport(Document):
    """What it took to make a candidate of the trained model."""

    seconds: float
    """Of all its steps, also of those that another candidate has, too."""
    work: float | None = absent()
    """What was trained, as rows x epochs x weights, in times the model's own training with all of its epochs. None
    where nothing was."""
