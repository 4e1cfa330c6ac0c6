"""`steelyard.run` and `steelyard.tune`: what `steelyard run` does, from Python. Imports the api and the search, local,
the cli's displays and this package.
"""

import re
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from steelyard.api.errors import ConfigurationError, DataError, SteelyardError
from steelyard.api.loading import put_values, read_manifest
from steelyard.api.training_job import TrainingJob
from steelyard.api.tuning_job import TuningJob
from steelyard.cli.searches import read_search
from steelyard.cli.trial_table import best_first, record
from steelyard.contract.events import RunEnded
from steelyard.contract.stages import ExitCode, Reason
from steelyard.contract.version import API_VERSION
from steelyard.local.beginning import failures_reported
from steelyard.local.job import LocalJob
from steelyard.local.runner import LocalRunner, StageError
from steelyard.local.tuning.job import LocalSearch
from steelyard.local.tuning.runner import SearchRunner
from steelyard.local.tuning.state import SearchState
from steelyard.sdk.early import check_table, in_words_of_the_table
from steelyard.sdk.progress import in_notebook, job_progress, search_progress
from steelyard.sdk.results import RunResult, TuneResult, facts_of
from steelyard.sdk.source import with_source, write_source
from steelyard.sdk.tables import Table
from steelyard.search.manifest import parse_manifest
from steelyard.texts.own_lines import own_lines

_CALLED = {
    "run the same command again": "call it again",
    r"--workspace\b": "workspace=",
    r"--claim ([^ =]+)=DIR": r'claims={"\1": DIR}',
    r"--claim ([^ =]+)=\.\.\.": r"claims, \1",
    r"--force\b": "force=True",
    r"`steelyard run`": "steelyard.run",
    r"missingValues: \{strategy: Median\} under dataset": 'overrides={"dataset.missingValues.strategy": "Median"}',
    r"dataset\.missingValues: \{target: DropRow\}": 'overrides={"dataset.missingValues.target": "DropRow"}',
}
"""What the command's messages advise to type, and what stands for it in Python; the keys are patterns."""

Manifest: TypeAlias = str | Path | Mapping[str, Any] | TrainingJob | TuningJob
"""A manifest's file, or the manifest as a dictionary or as a model of the API."""


def run(
    manifest: str | Path | Mapping[str, Any] | TrainingJob,
    data: Table | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    workspace: str | Path | None = None,
    claims: Mapping[str, str | Path] | None = None,
    force: bool = False,
    progress: bool = True,
) -> RunResult:
    """Prepares the data, trains, compresses and publishes a model, as a TrainingJob says; as `steelyard run` does it.

    What is done already is not done again: neither in the same program nor in the next. Ctrl-C (in a notebook: the
    kernel's interruption) ends all processes and raises KeyboardInterrupt; the same call goes on where it stopped.
    To be called in the main thread.

    Args:
        manifest: the manifest's file, or the manifest as a dictionary or a TrainingJob; a dictionary needs no
            apiVersion and no kind. Relative paths in it are relative to the file's folder, else to the current one.
        data: the table, in place of `dataset.uri`, which may then be left out: a pandas or Polars DataFrame, an Arrow
            table or a dictionary of columns. It is written to the workspace, without its index. An equal table is not
            prepared again.
        overrides: other values of fields, by path, as {"training.epochs": 5}.
        workspace: the folder for the prepared data, checkpoints and logs. Default: .steelyard/NAME beside the manifest.
        claims: the folder that stands for a claim, by claim. Default: claims/CLAIM beside the manifest.
        force: do everything again, even what is done or finished already.
        progress: show how far it is: a live table in a terminal or a notebook, else lines.

    Raises:
        ManifestError: the manifest is not valid; every mistake is named.
        ConfigurationError: the manifest or the set-up is at fault (exit code 78).
        DataError: the data is at fault (exit code 65).
        SteelyardError: anything else, such as a model that is not good enough; `reason` says what.
    """
    document, base = _read(manifest, overrides, "TrainingJob")
    where, folders = _path(workspace), _folders(claims)
    with _explained(spoken := Spoken(data)):
        job = LocalJob.of(_training_job(document, data), base, where, folders)
        spoken.file = job.workspace.input_file
        if data is not None:
            check_table(job.job.spec, data)
            job.load_state()
            uri = _uri(write_source(data, job.workspace), job.base_dir)
            job = LocalJob.of(_training_job(with_source(document, uri)), base, where, folders)
        with job_progress(job.job, is_shown=progress) as report:
            ended = LocalRunner(job, report).run(force=force)
    return RunResult(**_achieved(ended, job.publish_folders))


def tune(
    manifest: str | Path | Mapping[str, Any] | TuningJob,
    data: Table | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    workspace: str | Path | None = None,
    claims: Mapping[str, str | Path] | None = None,
    force: bool = False,
    progress: bool = True,
) -> TuneResult:
    """Runs a search, as a TuningJob says, and publishes the best model; as `steelyard run` does it.

    Otherwise as `run`; `data` stands for `template.dataset.uri`. With `force` all answers are forgotten.
    """
    document, base = _read(manifest, overrides, "TuningJob")
    where, folders = _path(workspace), _folders(claims)
    with _explained(spoken := Spoken(data)):
        search = LocalSearch.of(_tuning_job(document, data), base, where, folders)
        spoken.file = search.workspace.input_file
        if data is not None:
            check_table(search.tuning.spec.template, data, "spec.template")
            search.check_workspace()
            SearchState.load(search)
            uri = _uri(write_source(data, search.workspace), search.base_dir)
            search = LocalSearch.of(_tuning_job(with_source(document, uri)), base, where, folders)
        with search_progress(search.tuning.spec, is_shown=progress) as report, warnings.catch_warnings():
            # Optuna imports tqdm, which misses widgets of its own in a notebook; we show nothing by it.
            warnings.filterwarnings("ignore", message="IProgress not found")
            ended = SearchRunner(search, report).run(force=force)
    found = read_search(search.search_file)
    best = ended.summary.get("best") or {}
    entries = best_first(found.entries, found.spec.objective.direction)
    return TuneResult(
        **_achieved(ended, search.template.publish_folders),
        metric=found.spec.objective.name,
        best_trial=best.get("trial"),
        best_value=best.get("value"),
        best_parameters=dict(best.get("parameters") or {}),
        trials=[record(entry, found.spec) for entry in entries],
        trials_are_shown=progress and in_notebook(),
    )


def _read(manifest: Manifest, overrides: Mapping[str, Any] | None, kind: str) -> tuple[dict[str, Any], Path]:
    """The manifest as JSON values, and the file that it lies in, or would lie in. Raises ConfigurationError.

    A dictionary need not say what the call says: that it is of this kind, and of the one version there is.
    """
    if isinstance(manifest, str | Path):
        path = Path(manifest)
        document: Mapping[str, Any] = read_manifest(path)
    elif isinstance(manifest, TrainingJob | TuningJob):
        path, document = Path.cwd() / "manifest", manifest.to_manifest()
    elif isinstance(manifest, Mapping):
        path, document = Path.cwd() / "manifest", {"apiVersion": API_VERSION, "kind": kind, **manifest}
    else:
        raise ConfigurationError(
            f"a {type(manifest).__name__} is no manifest; allowed: its file, a dictionary, a TrainingJob or a TuningJob"
        )
    return put_values(document, overrides or {}), path


def _training_job(document: dict[str, Any], data: Table | None = None) -> TrainingJob:
    job = _parsed(document, data)
    if isinstance(job, TuningJob):
        raise ConfigurationError(
            "the manifest is of a TuningJob, which steelyard.tune runs; steelyard.run takes a TrainingJob"
        )
    return job


def _tuning_job(document: dict[str, Any], data: Table | None = None) -> TuningJob:
    job = _parsed(document, data)
    if isinstance(job, TrainingJob):
        raise ConfigurationError(
            "the manifest is of a TrainingJob, which steelyard.run runs; steelyard.tune takes a TuningJob"
        )
    return job


def _parsed(document: dict[str, Any], data: Table | None) -> TrainingJob | TuningJob:
    """The job; one with data in memory needs no source. Raises ManifestError."""
    return parse_manifest(document if data is None else with_source(document, "input.parquet"))


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)


def _folders(claims: Mapping[str, str | Path] | None) -> dict[str, Path]:
    """The claims' folders. Raises ConfigurationError where one is not there."""
    folders = {claim: Path(folder).absolute() for claim, folder in (claims or {}).items()}
    for claim, folder in folders.items():
        if not folder.is_dir():
            raise ConfigurationError(f"claims, {claim}: there is no folder {folder}; make it, or name another")
    return folders


def _uri(file: Path, base_dir: Path) -> str:
    """A file as a manifest would name it, so that a folder that is moved keeps its results."""
    return str(file.relative_to(base_dir) if file.is_relative_to(base_dir) else file)


def interruption(message: str) -> KeyboardInterrupt:
    """An interruption that a notebook shows without the library's source.

    Not a subclass: by the very type Python knows that the process is to end as one that SIGINT ended.
    """
    error = KeyboardInterrupt(message)
    vars(error)["_render_traceback_"] = partial(own_lines, error)
    return error


@dataclass
class Spoken:
    """A message of the command's, for those who called it from Python."""

    data: Table | None
    file: Path | None = None
    """Where the table is written to, once that is known."""

    def __call__(self, message: str) -> str:
        """The message; what it names as options are arguments here."""
        if self.data is not None and self.file is not None:
            message = in_words_of_the_table(message, self.file, self.data)
        for typed, called in _CALLED.items():
            message = re.sub(typed, called, message)
        return message


@contextmanager
def _explained(spoken: Spoken) -> Iterator[None]:
    """What ends a run, as Python's users expect it: by the kind of error, and an interruption as such."""
    if threading.current_thread() is not threading.main_thread():
        raise ConfigurationError(
            "a run is to be started in the main thread, as only that one is told of an interruption; for several at a "
            "time start several processes"
        )
    try:
        with failures_reported(lambda _reason, _message, _exit_code: None):
            yield
    except SteelyardError as error:
        if error.reason == Reason.INTERRUPTED and error.exit_code == 130:
            what = error.message.partition(";")[0]
            raise interruption(f"{what}; the same call goes on where it stopped") from None
        message = spoken(error.message)
        if isinstance(error, StageError):
            message += f"\nlog: {error.log}"
        elif message == error.message:
            raise
        if error.exit_code == ExitCode.DATA:
            raise DataError(message, reason=error.reason) from None
        if error.exit_code == ExitCode.CONFIGURATION:
            raise ConfigurationError(message, reason=error.reason) from None
        raise SteelyardError(message, reason=error.reason, exit_code=error.exit_code) from None


def _achieved(ended: RunEnded, published: list[Path]) -> dict[str, Any]:
    """What a run and a search have in common, as RunResult has it."""
    folders = tuple(folder for folder in published if folder.is_dir())
    return {
        "name": ended.job,
        "model": folders[0] if folders else None,
        "published": folders,
        "is_new": ended.reason != Reason.ALREADY_FINISHED,
        "seconds": ended.seconds,
        "workspace": Path(ended.workspace),
        "message": ended.message,
        "summary": ended.summary,
        **facts_of(ended.summary, folders),
    }
