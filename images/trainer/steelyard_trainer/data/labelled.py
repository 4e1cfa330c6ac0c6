"""Rows as a model takes them, whichever family it is of. Imports nothing else of the trainer."""

from typing import Any, Protocol


class Labelled(Protocol):
    """Rows as a model takes them, and what it should say."""

    @property
    def features(self) -> Any:
        """Shape (rows, width)."""

    @property
    def targets(self) -> Any:
        """Shape (rows,): class indices, or numbers in the target's own unit."""
