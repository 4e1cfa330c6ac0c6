"""What there is to tell of a published model. Imports the contract and the search's part of the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from steelyard.contract.report import PublishedReport
from steelyard.report.search import Found


@dataclass(frozen=True)
class Told:
    """All that the sections are made of; none of them computes a figure."""

    report: PublishedReport
    """steelyard.json."""
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Of a network: figures such as loss and val_loss, by epoch."""
    found: Found | None = None
    """The search that the model is the best of."""
