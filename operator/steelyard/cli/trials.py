"""`steelyard trials`: the trials of a search, here or on a cluster. Imports typer, local, the search, the api, the
report and the client."""

import csv
import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from steelyard.cli.cluster import ContextOption, NamespaceOption
from steelyard.cli.output import print_json, section_lines
from steelyard.cli.searches import find_search
from steelyard.cli.trial_table import answered, best_first, columns, front_line, metric, numbered, record, trials_table
from steelyard.local.tuning.summary import counts_of
from steelyard.report.blocks import Section, Text
from steelyard.search.best import best_of, error_of, front_of, within_error_of
from steelyard.search.events import entry_to_json
from steelyard.search.log import Entry, SearchDocument
from steelyard.texts.figures import with_error


class TrialsFormat(StrEnum):
    """How trials are printed."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


class Sorting(StrEnum):
    """The order of the rows."""

    BEST = "best"
    NUMBER = "number"


def trials(
    search: Annotated[
        str,
        typer.Argument(
            metavar="JOB|FILE|FOLDER",
            help="A TuningJob on a cluster, a manifest that ran here, or a folder: a search's workspace or its model.",
        ),
    ],
    sort: Annotated[
        Sorting, typer.Option("--sort", help="best: the best first; number: as they were created.", show_choices=True)
    ] = Sorting.BEST,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    output: Annotated[
        TrialsFormat,
        typer.Option("--output", "-o", help="text is for people, json and csv for programs.", show_choices=True),
    ] = TrialsFormat.TEXT,
) -> None:
    """Lists the trials of a search: what was tried, what came out, and why a trial failed."""
    found = find_search(search, context, namespace)
    goal = found.spec.objective.direction
    entries = best_first(found.entries, goal) if sort is Sorting.BEST else list(found.entries)
    if output is TrialsFormat.JSON:
        print_json(to_json(found, entries))
    elif output is TrialsFormat.CSV:
        _print_csv(found, entries)
    else:
        print("\n".join(lines_of(found, entries)))


def to_json(found: SearchDocument, entries: Sequence[Entry]) -> dict[str, Any]:
    """A search as JSON values, its trials in the given order."""
    objective = found.spec.objective
    best = best_of(found.entries, objective.direction)
    return {
        "job": found.name,
        "metric": objective.name,
        "goal": objective.direction,
        "secondary": objective.secondary,
        "ended": found.ended or None,
        "best": best.number if best else None,
        "standardError": error_of(best) if best else None,
        "withinStandardError": None
        if best is None or error_of(best) is None
        else [entry.number for entry in within_error_of(best, found.entries, objective.direction)],
        "front": [entry.number for entry in front_of(found.entries, objective.direction)]
        if objective.secondary
        else None,
        "trials": [entry_to_json(entry, objective.name) for entry in entries],
    }


def lines_of(found: SearchDocument, entries: Sequence[Entry]) -> list[str]:
    """A search for a person, line by line."""
    if not entries:
        return [f"The search {found.name} has no finished trial yet."]
    texts = [_about_all(found)]
    if failed := [entry for entry in entries if entry.state == "Failed"]:
        texts.append("\n".join(["failed:", *(f"  trial {entry.number}: {entry.reason}" for entry in failed)]))
    return section_lines(Section("", (trials_table(entries, found.spec), *map(Text, texts))))


def _about_all(found: SearchDocument) -> str:
    """The front, how far it is, and the best."""
    spec, lines = found.spec, []
    if spec.objective.secondary:
        front = [entry.number for entry in front_of(found.entries, spec.objective.direction)]
        lines.append(
            f"on the front of {spec.objective.name} and {spec.objective.secondary.lower()}: {front_line(front)}"
        )
    counts = counts_of({entry.number: entry for entry in found.entries})
    states = [f"{counts[name]} {name}" for name in ("complete", "pruned", "failed", "repeated") if counts[name]]
    head = f"{answered(len(found.entries), spec)}: {', '.join(states)}"
    lines.append(head + (f"; it ended: {found.ended}" if found.ended else ""))
    best = best_of(found.entries, spec.objective.direction)
    return "\n".join(lines if best is None else [*lines, _best_line(found, best)])


def _best_line(found: SearchDocument, best: Entry) -> str:
    """The best answer, its standard error, and how many others can't be told from it by that."""
    objective, error = found.spec.objective, error_of(best)
    line = f"best: trial {best.number}, {objective.name} "
    if error is None or best.value is None:
        return line + metric(best.value)
    others = numbered(len(within_error_of(best, found.entries, objective.direction)), "other trial")
    return f"{line}{with_error(best.value, error, 5)}; within one standard error of it: {others}"


def _print_csv(found: SearchDocument, entries: Sequence[Entry]) -> None:
    """One line per trial; values that are no numbers or texts are JSON."""
    names = columns(found.spec)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    for entry in entries:
        known = record(entry, found.spec)
        writer.writerow([_csv_cell(known[name], name in entry.values) if name in known else "" for name in names])


def _csv_cell(value: Any, is_parameter: bool) -> Any:
    if value is None and not is_parameter:
        return ""
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else json.dumps(value)
