"""`steelyard init`: a commented manifest for a table. Imports typer, yaml, the api; serving when it runs.

What it guesses it says in a comment beside the guess, so that a reader can put it right.
"""

import os
import re
import shlex
import sys
import unicodedata
from pathlib import Path
from typing import Annotated

import typer
import yaml

from steelyard.api.contract import Reason
from steelyard.api.errors import ConfigurationError, DataError
from steelyard.api.loading import parse_training_job
from steelyard.api.metrics import Task
from steelyard.api.training_job import API_VERSION
from steelyard.cli.sample import Column, Sample, read_sample

_USUAL_TARGETS = ("target", "label", "class", "y")
_MOST_CLASSES_OF_NUMBERS = 20
_LONGEST_NAME = 40
_LISTED = 8
# What the manifest leaves to training: 1 less the default test and validation parts.
_TRAIN_FRACTION = 0.7
_ROWS_WORTH_TWO_WORKERS = 100_000
_STANDARD_OUTPUT = Path("-")


def init(
    table: Annotated[
        Path, typer.Argument(metavar="CSV", help="The table: a CSV file with a header (.csv, .tsv, .gz).")
    ],
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="The column to predict. Default: target, label, class or y, else the last."
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="FILE", help="Where the manifest goes; - is standard output. Default: beside the table."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Writes a commented manifest for a table, to be read and run."""
    from steelyard.cells.missing import MISSING_NUMBER_WORDS

    sample = read_sample(table, MISSING_NUMBER_WORDS)
    chosen = _target(table, sample, target)
    name = job_name(table.name)
    path = to or table.parent / f"{name}.yaml"
    folder = Path() if path == _STANDARD_OUTPUT else path.parent
    manifest = manifest_for(sample, chosen, name=name, uri=os.path.relpath(table, folder), is_guess=target is None)
    # Names that no manifest can hold are found here, before anything is written.
    parse_training_job(yaml.safe_load(manifest), source=f"the manifest for {table}")
    if path == _STANDARD_OUTPUT:
        sys.stdout.write(manifest)
        return
    if path.exists() and not force:
        raise ConfigurationError(
            f"{path} is there already; name another file with --to, or replace it with --force",
            reason=Reason.TARGET_OCCUPIED,
        )
    path.write_text(manifest, encoding="utf-8")
    file = shlex.quote(str(path))
    print(f"Wrote {path}: {_task(chosen).lower()} of {chosen.name!r}. Its comments say what was guessed.\n")
    print(f"Check it:  steelyard validate {file}")
    print(f"Train:     steelyard run {file}")


def job_name(file_name: str) -> str:
    """A job's name made of a file's: lower-case letters, digits and '-', at most 40 of them, a letter first."""
    stem = re.sub(r"\.(csv|tsv|txt)?(\.gz)?$", "", file_name, flags=re.IGNORECASE)
    ascii_only = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")
    if not name[:1].isalpha():
        name = f"job-{name}"
    return name[:_LONGEST_NAME].strip("-")


def manifest_for(sample: Sample, target: Column, *, name: str, uri: str, is_guess: bool) -> str:
    """The manifest's text.

    Args:
        sample: the table.
        target: its column to predict.
        name: the job's name.
        uri: the table, relative to the manifest's folder.
        is_guess: whether the target was guessed.
    """
    task = _task(target)
    features = [column for column in sample.columns if column is not target]
    guess = "  # a guess: the column to predict" if is_guess else ""
    lines = [
        f"# {'' if sample.is_whole_table else 'About '}{sample.all_rows:,} rows and {len(sample.columns)} columns; "
        f"{'all' if sample.is_whole_table else f'the first {sample.rows:,}'} were looked at.",
        "# Every field, its default and its bounds: docs/manifest.md",
        f"apiVersion: {API_VERSION}",
        "kind: TrainingJob",
        "metadata:",
        f"  name: {quoted(name)}",
        "",
        "spec:",
        f"  task: {task}  # {_why_task(target, task)}",
        "  dataset:",
        f"    uri: {quoted(uri)}  # relative to this file's folder",
        *([] if _tells_format(uri) else ["    format: CSV"]),
        f"    target: {quoted(target.name)}{guess}",
        *_exclude_lines(features),
        *_categorical_lines(features),
        *_missing_lines(sample, features),
        "    split:  # the rest is trained on",
        "      test: 0.2  # judges the finished model, once",
        "      validation: 0.1  # decides which epoch is best and which compressed candidate is good enough",
        *_stratify_lines(sample, target, task),
        "",
        "  model:",
        "    mlp:  # a multi-layer perceptron; or `linear: {}`",
        "      hiddenUnits: [128, 64]",
        "",
        "  training:",
        f"    workers: {2 if sample.all_rows >= _ROWS_WORTH_TWO_WORKERS else 1}  # processes that train together",
        "    epochs: 100  # at most",
        f"    batchSize: {_batch_size(sample)}  # rows of one worker's step",
        "    optimizer: {name: Adam, learningRate: 0.001}",
        "    earlyStopping: {monitor: val_loss, patience: 10}",
        "",
        "  compression:  # each candidate is measured; the smallest that is good enough is published",
        "    candidates: [DynamicRange, Float16, Int8]",
        f"    maxMetricDrop: 0.01  # how much validation {_metric(task)} it may lose against float32",
        "",
        "  # evaluation:  # a model that is worse is not published",
        "  #   require:",
        f"  #     - {{metric: {_metric(task)}, minimum: {0.9 if task == 'Classification' else 0.5}}}",
        "",
        "  publish:",
        f"    - uri: models/{name}  # a folder, relative to this file's",
    ]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """The text as YAML, in quotes where it could be read as anything else."""
    is_plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_./-]*", text) and yaml.safe_load(text) == text
    if is_plain and text.lower() not in ("y", "n"):
        return text
    return str(yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**9)).strip()


def _target(table: Path, sample: Sample, given: str | None) -> Column:
    names = [column.name for column in sample.columns]
    if given is None:
        by_folded = {name.casefold(): name for name in reversed(names)}
        given = next((by_folded[usual] for usual in _USUAL_TARGETS if usual in by_folded), names[-1])
    elif given not in names:
        raise DataError(f"{table} has no column {given!r} (--target); its columns are {_listed(names, 40)}")
    column = sample.column(given)
    if not column.counts:
        raise DataError(f"the target {given!r} is empty in all rows that were looked at; name another with --target")
    return column


def _task(target: Column) -> Task:
    is_number = target.kind == "Number" and (not target.is_whole or len(target.counts) > _MOST_CLASSES_OF_NUMBERS)
    return "Regression" if is_number else "Classification"


def _why_task(target: Column, task: Task) -> str:
    if task == "Regression":
        what = "whole numbers" if target.is_whole else "numbers"
        return f"the target takes {len(target.counts):,} different {what}"
    return f"the target takes {len(target.counts):,} different values: {_listed(list(target.counts))}"


def _metric(task: Task) -> str:
    return "accuracy" if task == "Classification" else "r2"


def _is_left_out(column: Column) -> bool:
    return column.kind == "Empty" or column.is_identifier


def _exclude_lines(features: list[Column]) -> list[str]:
    names = [column.name for column in features if _is_left_out(column)]
    if not names or len(names) == len(features):
        return []
    return [
        "    # Columns that are empty, or have another value in every row, as a customer's number has:",
        f"    exclude: [{', '.join(map(quoted, names))}]",
    ]


def _categorical_lines(features: list[Column]) -> list[str]:
    names = [
        column.name
        for column in features
        if column.is_whole and 2 < len(column.counts) <= _MOST_CLASSES_OF_NUMBERS and not _is_left_out(column)
    ]
    if not names:
        return []
    # Behind a second mark, so that the line can be put to use by taking the first one away.
    more = f"  #{_more(names)}" if _more(names) else ""
    return [
        "    # Columns of few whole numbers, in case these are names rather than amounts; text is categorical anyway:",
        f"    # categorical: [{', '.join(map(quoted, names[:_LISTED]))}]{more}",
    ]


def _missing_lines(sample: Sample, features: list[Column]) -> list[str]:
    gaps = {column.name: column.missing for column in features if column.missing and not _is_left_out(column)}
    if not gaps:
        return ["    # missingValues: {strategy: Median}  # no cell is empty in the rows that were looked at"]
    shown = ", ".join(f"{quoted(name)} {count:,}" for name, count in list(gaps.items())[:_LISTED])
    return [
        f"    # Empty cells in {sample.rows:,} rows: {shown}{_more(gaps)}.",
        "    # Median puts that of the training part (text: its most frequent word); or Mean, Constant, DropRow, Fail.",
        "    missingValues: {strategy: Median}",
    ]


def _stratify_lines(sample: Sample, target: Column, task: Task) -> list[str]:
    """Where classes are too small to be dealt out evenly, the default would end the job."""
    if task == "Regression":
        return []
    rarest = min(target.counts.values())
    smallest_part = round(0.1 * sample.all_rows)
    if sample.is_whole_table and (rarest < 4 or smallest_part < len(target.counts)):
        return [
            f"      stratify: false  # {rarest} row{'s' * (rarest != 1)} of the rarest class can't be dealt out evenly"
        ]
    return ["      stratify: true  # every part gets the same mixture of classes"]


def _batch_size(sample: Sample) -> int:
    """A power of two from 1 to 256 that leaves some 40 steps in an epoch, where there are rows enough."""
    rows = max(1, int(_TRAIN_FRACTION * sample.all_rows))
    size = 256
    while size > 1 and (size * 40 > rows) and (size > 8 or size > rows):
        size //= 2
    return size


def _listed(names: list[str], limit: int = _LISTED) -> str:
    return ", ".join(map(quoted, names[:limit])) + _more(names, limit)


def _more(names: list[str] | dict[str, int], limit: int = _LISTED) -> str:
    return f" and {len(names) - limit:,} more" if len(names) > limit else ""


def _tells_format(uri: str) -> bool:
    return uri.lower().endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz"))
