"""What a job achieved, as lines of a terminal. Imports the api, the contract and the report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steelyard.api.status import ModelStatus
from steelyard.contract.summaries import ModelSummary
from steelyard.report.blocks import Code, Heading, Section, Table
from steelyard.report.outcome import Row, outcome
from steelyard.report.terminal import terminal_lines


def outcome_lines(summary: Mapping[str, Any], published: Sequence[str]) -> list[str]:
    """A result, line by line.

    Args:
        summary: that of the last stage's result; one that was too long for its place may lack any part.
        published: the places, as the user can type them.
    """
    return terminal_lines(outcome(ModelSummary.told(summary), published))


def model_lines(model: ModelStatus | None) -> list[str]:
    """What came out of a job on a cluster, as `steelyard run` shows it."""
    return [] if model is None else outcome_lines(summary_of(model), model.published or [])


def standing_section(
    before: Sequence[Row], model: ModelStatus | None, tables: Sequence[Table], following: Sequence[str]
) -> Section:
    """How a job on a cluster stands.

    Args:
        before: what is told first.
        model: what came out, where something did.
        tables: what follows it.
        following: the commands to type next.
    """
    found = ModelSummary.told(summary_of(model)) if model else ModelSummary()
    told = outcome(found, (model and model.published) or [], before)
    blocks = (Heading("next:"), Code("\n".join(following))) if following else ()
    return Section("", (*told.blocks, *tables, *blocks))


def typed(folder: Path) -> str:
    """A folder as the user can type it here: relative if it lies below."""
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)


def summary_of(model: ModelStatus) -> dict[str, Any]:
    """The model as the summary of a result says it."""
    found = model.model_dump(by_alias=True, exclude_none=True)
    if model.metrics is not None:
        found["metrics"] = {name: (each.value, each.standard_error) for name, each in model.metrics.items()}
    return found
