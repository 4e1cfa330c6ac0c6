"""The stage prepare: reads the source, checks it, splits it, and leaves shards and their description in the workspace.

Imports steelyard, numpy and pyarrow; never TensorFlow.
"""

import errno
import json
import os
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steelyard.api.compression.proof import too_few_rows
from steelyard.api.dataset import Dataset
from steelyard.api.errors import ConfigurationError, DataError
from steelyard.api.training_job import TrainingJobSpec
from steelyard.cells.manifest import column_style, csv_style, markers
from steelyard.contract.stages import Reason
from steelyard.contract.summaries import PrepareSummary
from steelyard.contract.workspace import DATASET_FILE, PREPROCESSING_FILE, Workspace
from steelyard.serving.preprocessing import Preprocessing
from steelyard.stores.placing import sync
from steelyard.texts.figures import counted
from steelyard_trainer.begin import begin
from steelyard_trainer.contract import Outcome, StageContext
from steelyard_trainer.data.checks import (
    check_features,
    check_limits,
    check_task,
    check_training,
    explain_split,
    notices,
    refuse_missing,
)
from steelyard_trainer.data.dealing import deal, described, in_words
from steelyard_trainer.data.fingerprint import Fingerprint
from steelyard_trainer.data.hashing import count_repeats
from steelyard_trainer.data.reading import ROW, PreparedDataset
from steelyard_trainer.data.sharding import Shard, median_of, rows_of_a_shard, write_shards
from steelyard_trainer.data.source import ReadAgain, Source
from steelyard_trainer.data.sources import open_source
from steelyard_trainer.data.splitting import Split, SplitName, TooFewRowsError
from steelyard_trainer.data.spool import Spool, spool
from steelyard_trainer.data.statistics import Moments, WordLearner, as_read, check_constant, learner_of
from steelyard_trainer.data.target import Target

_MOST_LISTED = 20
"""Groups of labels in dataset.json."""


def prepare(context: StageContext, *, shard_rows: int | None = None) -> Outcome:
    """Makes the workspace's `prepared` folder, complete or not at all.

    Args:
        context: the stage.
        shard_rows: rows of a shard; None: as many as memory bears well. Nothing but the shards depends on it.

    Raises:
        DataError: the data is bad.
        ConfigurationError: the manifest does not go with the data.
        SteelyardError: another process was started in this one's place.
        OSError: the disk is full or was lost.
    """
    context = begin(context)
    workspace = context.workspace
    if (document := _prepared_before(workspace, context.key)) is not None:
        context.notice("the dataset is prepared already")
        return _outcome(document)
    for leftover in workspace.root.glob(f"{workspace.prepared.name}.partial*"):
        shutil.rmtree(leftover, ignore_errors=True)
    # A folder of its own: a process that was given up may still write to the last one.
    partial = workspace.prepared.with_name(f"{workspace.prepared.name}.partial-{secrets.token_hex(4)}")
    partial.mkdir()
    try:
        document = _prepare(context, partial, shard_rows)
        sync(partial)
        context.check_attempt()
        shutil.rmtree(workspace.prepared, ignore_errors=True)
        partial.rename(workspace.prepared)
        sync(workspace.root)
    except OSError as error:
        # The one that was started in this one's place has removed its files.
        context.check_attempt()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            # A write does not know its file's name.
            error.filename = error.filename or str(partial)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return _outcome(document)


def _prepare(context: StageContext, folder: Path, shard_rows: int | None) -> dict[str, Any]:
    """Fills the folder; gives the content of dataset.json."""
    spec = context.job.spec
    meter = _Meter(context)
    source, spooled = _read(context, folder, meter)
    kept, dropped_targets = _kept(spec.dataset, spooled)
    target, duplicates = _check(context, source, spooled, kept)
    rows = spooled.rows if kept is None else len(kept)
    split = _split(spec, rows, target, source, spooled, kept)
    if source.dealt_by is not None:
        context.notice(f"{source.dealt_by!r} deals the rows out, and is no feature")
    check_training(spec, len(split.train), target.classes)
    _say_what_is_proved(context, target, split)

    fingerprint = Fingerprint(_description(spec.dataset, source, target))
    learners = [learner_of(column, spec.dataset.categories.max) for column in source.features]
    shards: list[Shard] = []
    for shard, table in write_shards(
        spooled,
        kept,
        split,
        target,
        columns=source.features,
        target_name=source.target,
        folder=folder,
        shard_rows=shard_rows or rows_of_a_shard(spooled),
        progress=meter.advance(rows),
    ):
        shards.append(shard)
        for index, column in enumerate(table.columns):
            fingerprint.update(f"{shard.split}/{index}", column.combine_chunks())
        if shard.split == "train":
            for learner in learners:
                learner.add(table.column(learner.name).combine_chunks())

    train_shards = [shard for shard in shards if shard.split == "train"]
    missing_values = spec.dataset.missing_values
    target_moments = Moments()
    if target.values is not None:
        target_moments.add(target.values[split.train])
    preprocessing = Preprocessing(
        columns=tuple(
            as_read(
                learner.learn(missing_values, lambda name: median_of(folder, train_shards, name)),
                column,
                spooled.spellings.get(column.name, "Values"),
                markers(spec.dataset),
            )
            for learner, column in zip(learners, source.features, strict=True)
        ),
        target=source.target,
        task=target.task,
        classes=target.classes,
        target_mean=target_moments.mean,
        target_scale=target_moments.scale if target.values is not None else 1.0,
        target_spelling=target.spelling,
        target_style=column_style(spec.dataset, source.target),
        missing_markers=markers(spec.dataset),
        csv=None if spec.dataset.csv is None else csv_style(spec.dataset.uri, spec.dataset.csv),
    )
    check_features(spec, preprocessing)
    findings = {
        "missing": spooled.missing,
        "duplicateRows": duplicates,
        "droppedTargets": dropped_targets,
        "leftOut": list(source.left_out),
        "lookAlikeLabels": target.look_alikes[:_MOST_LISTED],
        "featuresEqualToTarget": spooled.equal_to_target,
        "otherCells": {
            learner.name: learner.other_cells
            for learner in learners
            if isinstance(learner, WordLearner) and learner.other_cells
        },
        "looksLikeDates": spooled.date_forms,
    }
    for notice in notices(findings, spec.dataset):
        context.notice(notice)
    document = {
        "key": context.key,
        "fingerprint": fingerprint.hexdigest(),
        "task": target.task,
        "target": source.target,
        "classes": None if target.classes is None else list(target.classes),
        "columns": [{"name": column.name, "kind": column.kind} for column in source.features],
        "source": {"rows": spooled.rows, "droppedRows": spooled.rows - rows},
        "rows": {name: len(part) for name, part in split.parts.items()},
        "split": described(spec.dataset),
        "classCounts": _class_counts(target, split),
        "shards": {
            name: [{"file": shard.file, "rows": shard.rows} for shard in shards if shard.split == name]
            for name in split.parts
        },
        "missingValues": missing_values.model_dump(mode="json", by_alias=True, exclude_none=True),
        "findings": findings,
    }
    _write_json(folder / PREPROCESSING_FILE, preprocessing.to_json())
    _write_json(folder / DATASET_FILE, document)
    meter.done(rows)
    return document


def _say_what_is_proved(context: StageContext, target: Target, split: Split) -> None:
    """Tells before anything is trained that the rows will prove nothing of a compressed model.

    Raises:
        DataError: that is so, and the manifest says to fail then.
    """
    compression = context.job.spec.compression
    if compression is None:
        return
    parts: tuple[SplitName, ...] = ("validation", "train") if compression.is_cross_fitted else ("validation",)
    counts = _class_counts(target, split) or {part: [] for part in parts}
    of_labels = zip(target.classes or (), *(counts[part] for part in parts), strict=True)
    by_label = {label: sum(each) for label, *each in of_labels}
    doubt = too_few_rows(context.job.spec, target.task, sum(len(split.parts[part]) for part in parts), by_label)
    if doubt is None:
        return
    if compression.on_too_few_rows == "Fail":
        raise DataError(f"spec.compression: {doubt}", reason=Reason.CHECK_FAILED)
    context.notice(f"too few rows: {doubt}", "TooFewRows")


def _read(context: StageContext, folder: Path, meter: "_Meter") -> tuple[Source, Spool]:
    """The first pass; done again where columns are not what their first cells said."""
    again = ReadAgain()
    spec = context.job.spec
    while True:
        source = open_source(context, again)
        try:
            return source, spool(source, spec.dataset, spec.task, folder / "source.arrow", meter.read)
        except ReadAgain as found:
            again |= found


def _kept(dataset: Dataset, spooled: Spool) -> tuple[npt.NDArray[np.int64] | None, int]:
    """(the rows that are not left out, None for all; how many of the others lack their target).

    Raises:
        DataError: a row's target is missing, and the manifest does not say to leave such rows out.
    """
    missing = spooled.target.missing()
    if dataset.missing_values.target == "Fail":
        spooled.target.refuse_missing(missing)
    dropped_targets = int(np.count_nonzero(missing))
    if missing.all():
        raise DataError(f"the target {dataset.target!r} is missing in all {spooled.rows:,} rows")
    if dataset.missing_values.strategy == "DropRow":
        missing = missing | spooled.incomplete
    return (np.flatnonzero(~missing) if missing.any() else None), dropped_targets


def _check(
    context: StageContext, source: Source, spooled: Spool, kept: npt.NDArray[np.int64] | None
) -> tuple[Target, int]:
    """The target of the kept rows and the number of duplicates, when all that can be said before the split is right."""
    spec = context.job.spec
    numbers = {column.name for column in source.features if column.kind == "Number"}
    check_constant(
        spec.dataset.missing_values, {name: count for name, count in spooled.missing.items() if name in numbers}
    )
    if kept is not None and not len(kept):
        worst = max(spooled.missing, key=lambda name: spooled.missing[name])
        raise DataError(
            f"missingValues DropRow leaves no row: all {spooled.rows:,} have an empty cell, {spooled.missing[worst]:,} "
            f"of them in column {worst!r}; exclude such columns, or choose another strategy"
        )
    is_kept = np.ones(spooled.rows, dtype=np.bool_)
    if kept is not None:
        is_kept[:] = False
        is_kept[kept] = True
    target = spooled.target.finish(is_kept)
    check_task(spec, target.task)
    # The hashes are not needed any more: they are sorted in place, and go.
    hashes, spooled.hashes = spooled.hashes, np.empty(0, dtype=np.uint64)
    duplicates = count_repeats(hashes if kept is None else hashes[kept])
    check_limits(
        spec.dataset.checks,
        rows=spooled.rows if kept is None else len(kept),
        source_rows=spooled.rows,
        missing=spooled.missing,
        duplicates=duplicates,
        classes=target.classes,
        class_counts=target.class_counts,
    )
    if spec.dataset.missing_values.strategy == "Fail":
        refuse_missing(spooled.missing, {name: source.where(row) for name, row in spooled.first_missing.items()})
    return target, duplicates


def _split(
    spec: TrainingJobSpec,
    rows: int,
    target: Target,
    source: Source,
    spooled: Spool,
    kept: npt.NDArray[np.int64] | None,
) -> Split:
    column, first_rows, keys = spooled.split_column, source.first_rows, None
    if column is not None:
        keys = column.finish(None if kept is None else ~spooled.incomplete[:first_rows])
    test_from = first_rows if kept is None or first_rows is None else int(np.searchsorted(kept, first_rows))
    try:
        return deal(rows, spec.dataset.split, target, keys, test_from, sets_rows_aside=spec.sets_rows_aside)
    except TooFewRowsError as error:
        raise explain_split(error, target.classes) from None


def _description(dataset: Dataset, source: Source, target: Target) -> dict[str, Any]:
    """What the fingerprint covers beside the rows."""
    is_dealt = dataset.split.by is not None or dataset.test_uri is not None
    return {
        "version": 1,
        "columns": [
            [ROW, "Row"],
            *([column.name, column.kind] for column in source.features),
            [source.target, target.task],
        ],
        "classes": target.classes,
        "split": [dataset.split.test_fraction, dataset.split.validation_fraction, dataset.split.shuffle_seed],
        # Where chance alone deals the rows out, this is as it always was.
        **({"dealt": described(dataset)} if is_dealt else {}),
    }


def _class_counts(target: Target, split: Split) -> dict[SplitName, list[int]] | None:
    if target.codes is None or target.classes is None:
        return None
    codes, classes = target.codes, len(target.classes)
    return {name: np.bincount(codes[part], minlength=classes).tolist() for name, part in split.parts.items()}


def _prepared_before(workspace: Workspace, key: str) -> dict[str, Any] | None:
    """The description of a dataset that was prepared from the same inputs."""
    try:
        document: dict[str, Any] = json.loads(workspace.dataset_file.read_text(encoding="utf-8"))
        PreparedDataset.load(workspace)
    except (FileNotFoundError, ConfigurationError, AttributeError, ValueError, KeyError, TypeError):
        # Absent or damaged: it is made anew.
        return None
    return document if document["key"] == key else None


def _outcome(document: dict[str, Any]) -> Outcome:
    classes = document["classes"]
    rows = document["rows"]
    what = f", {len(classes)} classes" if classes is not None else ""
    steering = f"{rows['search']:,} to steer the search, " if "search" in rows else ""
    return Outcome(
        f"{sum(rows.values()):,} rows ({rows['train']:,} to train on, {steering}{rows['validation']:,} for validation, "
        f"{rows['test']:,} to test), {counted(len(document['columns']), 'feature')}{what}"
        f"{in_words(document.get('split', {}))}",
        PrepareSummary(
            task=document["task"],
            rows=rows,
            columns=len(document["columns"]),
            classes=None if classes is None else len(classes),
            fingerprint=document["fingerprint"],
            duplicate_rows=document["findings"]["duplicateRows"],
            dropped_rows=document["source"]["droppedRows"],
        ).to_json(),
    )


def _write_json(path: Path, document: dict[str, Any]) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(document, file, indent=1, ensure_ascii=False, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


@dataclass
class _Meter:
    """Progress in rows. Reading the source counts as half of the work, the two passes that follow as the other."""

    context: StageContext
    _last: float = 0.0
    _passed: int = 0

    def read(self, rows: int, estimated: int) -> None:
        """So many of so many rows were read."""
        self._report(rows // 2, estimated)

    def advance(self, rows: int) -> Any:
        """A function to be told how many of the `rows` rows went through one of the two passes."""

        def passed(more: int) -> None:
            self._passed += more
            self._report(rows // 2 + self._passed // 4, rows)

        return passed

    def done(self, rows: int) -> None:
        """All is written."""
        self.context.progress(rows, rows, "rows")

    def _report(self, done: int, total: int) -> None:
        if (now := time.monotonic()) - self._last >= 0.2:
            self._last = now
            self.context.progress(done, total, "rows")
