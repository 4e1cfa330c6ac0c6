"""What there is to tell of a published model. Imports the contract and the search's part of the report."""

from dataclasses import dataclass

from steelyard.contract.report import PublishedReport
from steelyard.report.search import Found


@dataclass(frozen=True)
class Told:
    """All that the sections are made of; none of them computes a figure."""

    report: PublishedReport
    """steelyard.json."""
    found: Found | None = None
    """The search that the model is the best of."""
