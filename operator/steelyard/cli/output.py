"""What all commands share: common options, and how documents and errors are printed. Imports typer, the api and the
report."""

import json
import shutil
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from steelyard.api.errors import SteelyardError
from steelyard.cli.fitting import told
from steelyard.contract.events import RunEnded
from steelyard.report.blocks import Section
from steelyard.report.terminal import terminal_lines
from steelyard.texts.printable import printable


class OutputFormat(StrEnum):
    """How a command prints what it has to say."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[
    OutputFormat,
    typer.Option("--output", "-o", help="text is for people, json for scripts.", show_choices=True),
]

ManifestArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="The manifest: a YAML or JSON file with one TrainingJob or TuningJob.")
]

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Use another value for one field, such as training.epochs=5. Can be given several times.",
    ),
]

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        metavar="DIR",
        help="The folder for the prepared data, checkpoints and logs. Default: .steelyard/NAME beside the manifest.",
    ),
]

ClaimOption = Annotated[
    list[str] | None,
    typer.Option(
        "--claim",
        metavar="CLAIM=DIR",
        help="The folder that stands for a claim: pvc://CLAIM/PATH is DIR/PATH. Can be given several times. "
        "Default: claims/CLAIM beside the manifest.",
    ),
]


def print_json(document: Mapping[str, Any]) -> None:
    """Prints a document as one line of JSON on standard output, at once."""
    print(json.dumps(document, allow_nan=False), flush=True)


def terminal_width() -> int | None:
    """Characters of the terminal that standard output is; None where it is a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def section_lines(section: Section) -> list[str]:
    """What a person is told, as lines of this terminal."""
    return terminal_lines(section, terminal_width())


def print_not_begun(error: SteelyardError, output: OutputFormat) -> None:
    """Prints the last event of what did not even begin, where events are printed as JSON."""
    if output is OutputFormat.JSON:
        print_json(RunEnded("", error.reason, error.message, error.exit_code, 0.0, "").to_json())


def print_error(message: str) -> None:
    """Prints `error: MESSAGE` on standard error."""
    print_told(f"error: {message}")


def print_told(text: str) -> None:
    """Prints a text on standard error; on a terminal its lines end between words."""
    sys.stdout.flush()
    text = printable(text)
    if sys.stderr.isatty():
        text = told(text, shutil.get_terminal_size().columns)
    print(text, file=sys.stderr, flush=True)
