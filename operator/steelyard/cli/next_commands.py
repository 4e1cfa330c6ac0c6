"""What to type after a run. Imports local."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from steelyard.cli.fitting import program
from steelyard.cli.outcome import typed
from steelyard.local.job import LocalJob

_ANY_ROWS = "ROWS.csv"


def next_commands(job: LocalJob, folder: str) -> list[str]:
    """What to do with a published model: lines that can be pasted as they are.

    Args:
        job: what published it.
        folder: where it lies, as it is typed here.
    """
    run, model = shlex.quote(program()), shlex.quote(folder)
    rows = _rows(job)
    table = _ANY_ROWS if rows is None else shlex.quote(typed(rows))
    return [f"  {run} verify {model}", f"  {run} predict {model} --input {table}"]


def next_heading(commands: Sequence[str]) -> str:
    """What stands above them."""
    is_any = any(command.endswith(_ANY_ROWS) for command in commands)
    return f"next ({_ANY_ROWS} stands for a table of yours):" if is_any else "next:"


def _rows(job: LocalJob) -> Path | None:
    """A table with the right columns: the one that it was trained on, which shows how it goes, and is no test."""
    dataset = job.job.spec.dataset
    if dataset.is_prepared:
        return None
    if dataset.is_file:
        return job.resolve(dataset.uri)
    # Of a data set that scikit-learn ships there may be a copy beside the manifest, as in examples/digits.
    copy = job.base_dir / f"{dataset.uri.partition(':')[2]}.csv"
    return copy if copy.is_file() else None
