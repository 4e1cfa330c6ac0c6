"""`steelyard init`: a commented manifest for a table. Imports typer, yaml, cells and the api.

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

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.api.loading import parse_training_job
from steelyard.api.metrics import Task
from steelyard.api.places import FILE, Place, scheme_of
from steelyard.cells.numbers import NumberStyle
from steelyard.cli.fitting import program
from steelyard.cli.judging import (
    MOST_CLASSES_OF_NUMBERS,
    Findings,
    Judged,
    can_be_target,
    findings_of,
    is_regression,
    judge,
    missing_targets,
)
from steelyard.cli.sample import Sample, read_sample
from steelyard.contract.stages import Reason
from steelyard.contract.version import API_VERSION
from steelyard.formats.table import FORMATS, format_by_ending
from steelyard.texts.figures import counted

_USUAL_TARGETS = ("target", "label", "class", "y")
_LONGEST_NAME = 40
_LISTED = 8
# What the manifest leaves to training: 1 less the default test and validation sets.
_TRAIN_FRACTION = 0.7
_ROWS_WORTH_TWO_WORKERS = 100_000
_STANDARD_OUTPUT = "-"
_ENDINGS = "|".join(re.escape(ending) for form in FORMATS for ending in form.endings)
# In a sample, of a class that has fewer rows there may be too few in the table, too.
_FEW_SAMPLED_ROWS = 20


def init(
    table: Annotated[
        str,
        typer.Argument(metavar="TABLE", help="The table: a CSV file (.csv, .tsv, .gz), or a Parquet file (.parquet)."),
    ],
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="The column to predict. Default: target, label, class or y, else the last that can be.",
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
    path = Path(Place.parse(table).path if scheme_of(table) is FILE else table)
    sample = read_sample(path, table)
    columns = judge(sample)
    chosen = _target(path, columns, target)
    if all(column.kind == "Empty" for column in columns if column is not chosen):
        raise DataError(f"{path}: no column beside the target {chosen.name!r} has a value in the rows looked at")
    name = job_name(path.name)
    file = to or path.parent / f"{name}.yaml"
    is_stream = str(file) == _STANDARD_OUTPUT
    folder = Path() if is_stream else file.parent
    uri = os.path.relpath(path, folder)
    manifest = manifest_for(sample, columns, chosen, name=name, uri=uri, is_guess=target is None)
    # Names that no manifest can hold are found here, before anything is written.
    parse_training_job(yaml.safe_load(manifest), source=f"the manifest for {table}")
    if is_stream:
        sys.stdout.write(manifest)
        return
    if file.exists() and not force:
        raise ConfigurationError(
            f"{file} is there already; name another file with --to, or replace it with --force",
            reason=Reason.TARGET_OCCUPIED,
        )
    file.write_text(manifest, encoding="utf-8")
    for line in _summary(file, columns, chosen, is_guess=target is None):
        print(line)


def _summary(file: Path, columns: list[Judged], target: Judged, *, is_guess: bool) -> list[str]:
    """What is printed: the target, what was left out and why, and what comes next."""
    guess = " (a guess; --target names another column)" if is_guess else ""
    lines = [f"Wrote {file}: {_task(target).lower()} of {target.name!r}{guess}."]
    findings = findings_of(columns, target)
    if findings.exclude:
        lines.append("Left out of the features:")
        shown = list(findings.exclude.items())[:_LISTED]
        lines += [f"  {name!r}: {why}" for name, why in shown]
        if more := len(findings.exclude) - len(shown):
            lines.append(f"  and {more:,} more, each with its reason in the file")
    run = shlex.quote(program())
    return [
        *lines,
        "Its comments say what was guessed.",
        "",
        f"Check it:  {run} validate {shlex.quote(str(file))}",
        f"Train:     {run} run {shlex.quote(str(file))}",
    ]


def job_name(file_name: str) -> str:
    """A job's name made of a file's: lower-case letters, digits and '-', at most 40 of them, a letter first."""
    stem = re.sub(rf"({_ENDINGS}|\.txt)?(\.gz)?$", "", file_name, count=1, flags=re.IGNORECASE)
    ascii_only = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")
    if not name[:1].isalpha():
        name = f"job-{name}"
    return name[:_LONGEST_NAME].strip("-")


def manifest_for(sample: Sample, columns: list[Judged], target: Judged, *, name: str, uri: str, is_guess: bool) -> str:
    """The manifest's text.

    Args:
        sample: the table.
        columns: what its columns are.
        target: the one to predict.
        name: the job's name.
        uri: the table, relative to the manifest's folder.
        is_guess: whether the target was guessed.
    """
    task = _task(target)
    findings = findings_of(columns, target)
    features = [column for column in columns if column is not target and column.name not in findings.exclude]
    guess = "  # a guess: the column to predict" if is_guess else ""
    lines = [
        f"# {'' if sample.is_whole_table else 'About '}{counted(sample.all_rows, 'row')} and "
        f"{counted(len(sample.columns), 'column')}; "
        f"{'all' if sample.is_whole_table else f'{sample.rows:,} rows from all over the file'} were looked at.",
        "# Every field, its default and its bounds: docs/manifest.md",
        f"apiVersion: {API_VERSION}",
        "kind: TrainingJob",
        "metadata:",
        f"  name: {quoted(name)}",
        "",
        "spec:",
        _task_line(sample, target, task),
        "  dataset:",
        f"    uri: {quoted(uri)}  # relative to this file's folder",
        *([] if _tells_format(uri, sample) else [f"    format: {sample.format.name}"]),
        *_csv_lines(sample, findings),
        f"    target: {quoted(target.name)}{guess}",
        *_index_lines(sample),
        *_exclude_lines(findings),
        *_cell_lines(findings, columns),
        *_categorical_lines(features, findings),
        *_missing_lines(sample, features, target, findings),
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
        "    candidates: [Auto]  # trains smaller networks, too; quicker, without: [DynamicRange, Float16, Int8]",
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


def _target(path: Path, columns: list[Judged], given: str | None) -> Judged:
    names = [column.name for column in columns]
    if given is not None and given not in names:
        raise DataError(f"{path} has no column {given!r} (--target); its columns are {_listed(names, 40)}")
    by_name = {column.name: column for column in columns}
    if given is not None:
        chosen = by_name[given]
    else:
        by_folded = {name.casefold(): name for name in reversed(names)}
        usual = [by_folded[name] for name in _USUAL_TARGETS if name in by_folded]
        order = [*(by_name[name] for name in usual), *reversed(columns)]
        chosen = next((column for column in order if can_be_target(column)), by_name[(usual or names[-1:])[0]])
    if not chosen.counts:
        raise DataError(
            f"the target {chosen.name!r} is empty in all rows that were looked at; name another with --target"
        )
    if chosen.kind == "Date":
        raise DataError(
            f"the target {chosen.name!r} is a date, which can't be predicted; name a number or a label with --target"
        )
    return chosen


def _task(target: Judged) -> Task:
    return "Regression" if is_regression(target) else "Classification"


def _task_line(sample: Sample, target: Judged, task: Task) -> str:
    if sample.is_whole_table:
        return f"  task: {task}  # {_why_task(target, task)}"
    return f"  # task: {task}  # left to the whole table; in the rows looked at {_why_task(target, task)}"


def _why_task(target: Judged, task: Task) -> str:
    if task == "Regression":
        what = "whole numbers" if target.is_whole else "numbers"
        return f"the target takes {len(target.counts):,} different {what}"
    return f"the target takes {len(target.counts):,} different values: {_listed(list(target.counts))}"


def _metric(task: Task) -> str:
    return "accuracy" if task == "Classification" else "r2"


def _csv_lines(sample: Sample, findings: Findings) -> list[str]:
    said = {**sample.csv, **({"decimal": findings.decimal} if findings.decimal else {})}
    if not said:
        return []
    fields = ", ".join(f"{name}: {quoted(value) if isinstance(value, str) else value}" for name, value in said.items())
    nameless = "  # no line names the columns: they are column1, column2 ..." if said.get("headerRow") == 0 else ""
    return ["    # How the file is written:", f"    csv: {{{fields}}}{nameless}"]


def _index_lines(sample: Sample) -> list[str]:
    if not sample.left_out:
        return []
    return [f"    # Left out anyway, as it is the index that pandas saved: {_listed(list(sample.left_out))}"]


def _exclude_lines(findings: Findings) -> list[str]:
    if not findings.exclude:
        return []
    return [
        "    # Nothing can be learned from these:",
        *(f"    #   {quoted(name)}: {why}" for name, why in findings.exclude.items()),
        f"    exclude: [{', '.join(map(quoted, findings.exclude))}]",
    ]


def _cell_lines(findings: Findings, columns: list[Judged]) -> list[str]:
    """Missing markers, numbers that are written as text, dates."""
    lines = []
    if findings.markers:
        where = [column.name for column in columns if column.markers]
        lines += [
            f"    # Words among numbers, taken for an empty cell: in {_listed(where)}",
            f"    missingMarkers: [{', '.join(map(quoted, findings.markers))}]",
        ]
    examples = {column.name: next(iter(column.counts), "") for column in columns}
    if findings.numbers:
        lines.append("    numbers:  # texts that are numbers")
        lines += [
            f"      {quoted(name)}: {_style(style)}  # such as {_example(examples[name])}"
            for name, style in findings.numbers.items()
        ]
    if findings.dates:
        lines.append("    dates:  # become year, month, day and so on")
        lines += [
            f"      {quoted(name)}: {quoted(form)}  # such as {_example(examples[name])}"
            for name, form in findings.dates.items()
        ]
    return lines


def _style(style: NumberStyle) -> str:
    return "{" + ", ".join(f"{name}: {quoted(mark)}" for name, mark in style.to_json().items()) + "}"


def _example(text: str) -> str:
    return repr(text[:40])


def _categorical_lines(features: list[Judged], findings: Findings) -> list[str]:
    if findings.categorical:
        return [
            "    # Codes: some of their texts are numbers, the others are none:",
            f"    categorical: [{', '.join(map(quoted, findings.categorical))}]",
        ]
    names = [
        column.name for column in features if column.is_whole and 2 < len(column.counts) <= MOST_CLASSES_OF_NUMBERS
    ]
    if not names:
        return []
    # Behind a second mark, so that the line can be put to use by taking the first one away.
    more = f"  #{_more(names)}" if _more(names) else ""
    return [
        "    # Columns of few whole numbers, in case these are names rather than amounts; text is categorical anyway:",
        f"    # categorical: [{', '.join(map(quoted, names[:_LISTED]))}]{more}",
    ]


def _missing_lines(sample: Sample, features: list[Judged], target: Judged, findings: Findings) -> list[str]:
    gaps = {column.name: column.missing for column in features if column.missing}
    absent = missing_targets(target, sample.column(target.name), findings.markers)
    if not gaps and not absent:
        return ["    # missingValues: {strategy: Median}  # no cell is empty in the rows that were looked at"]
    fields = (["strategy: Median"] if gaps else []) + (["target: DropRow"] if absent else [])
    lines = []
    if gaps:
        shown = ", ".join(f"{quoted(name)} {count:,}" for name, count in list(gaps.items())[:_LISTED])
        lines = [
            f"    # Empty cells in {counted(sample.rows, 'row')}: {shown}{_more(gaps)}.",
            "    # Median puts the training set's (text: its most frequent word); or Mean, Constant, DropRow, Fail.",
        ]
    if absent:
        have, them = ("has", "it") if absent == 1 else ("have", "them")
        lines.append(f"    # {absent:,} of {sample.rows:,} rows {have} no target; DropRow leaves {them} out.")
    return [*lines, f"    missingValues: {{{', '.join(fields)}}}"]


def _stratify_lines(sample: Sample, target: Judged, task: Task) -> list[str]:
    """Where classes are too small to be dealt out evenly, the default would end the job."""
    if task == "Regression":
        return []
    rarest = min(target.counts.values())
    smallest_part = round(0.1 * sample.all_rows)
    is_small = rarest < 4 or smallest_part < len(target.counts)
    if is_small if sample.is_whole_table else rarest < _FEW_SAMPLED_ROWS:
        return [
            f"      stratify: false  # {rarest} row{'s' * (rarest != 1)} of the rarest class can't be dealt out evenly"
        ]
    if not sample.is_whole_table:
        return []
    return ["      stratify: true  # every set gets the same mixture of classes"]


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


def _tells_format(uri: str, sample: Sample) -> bool:
    return format_by_ending(uri) is sample.format
