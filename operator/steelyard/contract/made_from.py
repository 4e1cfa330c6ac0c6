"""What a published model was made from, as steelyard.json has it: the data, and a user's own code. Imports pydantic and
the contract only."""

from typing import Any

from steelyard.contract.documents import Document, absent


class ColumnReport(Document):
    """A feature."""

    name: str
    kind: str
    """Number, Category ..."""


class DatasetReport(Document):
    """What the model was trained and judged on."""

    fingerprint: str
    """SHA-256 (hex) of the prepared rows."""
    rows: dict[str, int]
    """By set: train, validation, test."""
    split: dict[str, Any] = {}
    """How the rows were dealt out, where it was not by chance alone."""
    source_rows: int
    dropped_rows: int
    columns: list[ColumnReport]
    classes: list[str] | None
    """The labels; None of a regression."""
    class_counts: dict[str, list[int]] | None
    """Rows of each label, by set."""
    findings: dict[str, Any]


class CodeReport(Document):
    """The user's own code that built the model."""

    function: str
    """As package.module:name."""
    framework: str
    """Keras or Sklearn."""
    sha256: str | None = absent()
    """The digest of the code; None where it was not to be found."""
