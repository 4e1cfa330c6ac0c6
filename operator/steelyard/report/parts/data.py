"""What the model was trained and judged on, and what was found in the data."""

import json
from typing import Any

from steelyard.contract.report import DatasetReport, NetworkTraining, PublishedReport, TrainingElsewhere
from steelyard.report.blocks import FEW_COLUMNS, Bullets, Folded, Section, Table, code, listed
from steelyard.report.told import Told


def data(told: Told) -> Section:
    """Rows, target, columns, fingerprint and labels; all columns in a table of their own."""
    dataset = told.report.dataset
    parts = ", ".join(f"{rows:,} for {split}" for split, rows in dataset.rows.items())
    columns = listed((f"{column.name} ({column.kind.lower()})" for column in dataset.columns), FEW_COLUMNS)
    items = [
        f"Rows: {dataset.source_rows:,} were read, {dataset.dropped_rows:,} dropped; {parts}.{_split(dataset.split)}",
        *_set_aside(told.report),
        f"Target: {code(told.report.target)}. Columns: {columns}.",
        f"Fingerprint: `{dataset.fingerprint}`.",
    ]
    if dataset.class_counts is not None and dataset.classes is not None:
        counts = zip(dataset.classes, dataset.class_counts["train"], strict=True)
        items.append("Training rows of each label: " + listed(f"{label}: {count:,}" for label, count in counts) + ".")
    return Section("Data", (Bullets(tuple(items)), Folded("All columns", _columns(dataset))))


def findings(told: Told) -> Section | None:
    """What prepare found in the data; None where it found nothing."""
    found = {name: value for name, value in told.report.dataset.findings.items() if value}
    if not found:
        return None
    rows = tuple((_in_words(name), _shown(value)) for name, value in found.items())
    return Section("What was found in the data", (Table(("finding", "where, or how often"), rows),))


def _split(split: dict[str, Any]) -> str:
    """How the rows were dealt out, where it was not by chance alone."""
    how = {
        "group": "all rows of one {} are in one set",
        "time": "the sets follow each other in the order of {}, test last",
        "column": "{} says which row is in which set",
        "testUri": "the test set is the file {}",
    }
    said = [text.format(code(split[field])) for field, text in how.items() if field in split]
    return f" Split: {'; '.join(said)}." if said else ""


def _set_aside(report: PublishedReport) -> list[str]:
    """What is said of rows that steered the search of a smaller model, where there were any."""
    rows, training = report.dataset.rows, report.training
    if not (search := rows.get("search")):
        return []
    if isinstance(training, TrainingElsewhere):
        return [
            f"{search:,} of {rows['train'] + search:,} training rows were set aside to steer the search; nothing that "
            "was trained here learned from them."
        ]
    model = "network" if isinstance(training, NetworkTraining) else "model"
    refit = ", until it was refitted" if "search" in training.parts else ""
    return [
        f"{search:,} of {rows['train'] + search:,} training rows were set aside to steer the search; neither the "
        f"{model} nor the students learned from them{refit}."
    ]


def _columns(dataset: DatasetReport) -> Table:
    missing = dataset.findings.get("missing") or {}
    rows = tuple(
        (code(column.name), column.kind.lower(), f"{missing.get(column.name, 0):,}") for column in dataset.columns
    )
    return Table(("column", "kind", "missing cells"), rows, frozenset({2}))


def _in_words(name: str) -> str:
    """duplicateRows: duplicate rows."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)


def _shown(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(
            f"{code(name)}: {each:,}" if isinstance(each, int) else f"{code(name)}: {code(str(each))}"
            for name, each in value.items()
        )
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return listed(value)
    return code(json.dumps(value, ensure_ascii=False))
