"""What the data must be like for the manifest, and the manifest for the data. Imports steelyard.api and numpy."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic_core import PydanticCustomError

from steelyard.api.dataset import Checks, Dataset
from steelyard.api.errors import ConfigurationError, DataError
from steelyard.api.metrics import Task
from steelyard.api.models.capabilities import Features
from steelyard.api.training import Training
from steelyard.api.training_job import TrainingJobSpec
from steelyard.cells.messages import flow
from steelyard.cells.numbers import finite_number
from steelyard.contract.stages import Reason
from steelyard.serving.input_columns import CategoryColumn
from steelyard.serving.preprocessing import Preprocessing
from steelyard.texts.figures import counted
from steelyard_trainer.data.splitting import ClassTooSmallError, PartTooSmallError, TooFewRowsError
from steelyard_trainer.data.words import listed


def check_task(spec: TrainingJobSpec, task: Task) -> None:
    """Raises ConfigurationError for a field that does not go with the task that was found in the data."""
    try:
        spec.check_task(task)
    except PydanticCustomError as error:
        context = error.context or {}
        found = (
            "" if spec.task else f" (the task was found in the target {spec.dataset.target!r}; spec.task can set it)"
        )
        raise ConfigurationError(f"spec.{context['field']}: {error.message()}{found}") from None


def check_features(spec: TrainingJobSpec, preprocessing: Preprocessing) -> None:
    """Raises ConfigurationError where the model can't take what the columns become."""
    columns = preprocessing.columns
    inputs = {column.name: len(column.feature_names) for column in columns}
    categories = {column.name for column in columns if isinstance(column, CategoryColumn)}
    try:
        spec.check_features(Features(inputs, categories))
    except PydanticCustomError as error:
        raise ConfigurationError(f"spec.{(error.context or {})['field']}: {error.message()}") from None


def check_limits(
    checks: Checks,
    *,
    rows: int,
    source_rows: int,
    missing: dict[str, int],
    duplicates: int,
    classes: Sequence[str] | None,
    class_counts: npt.NDArray[np.int64] | None,
) -> None:
    """Raises DataError (reason CheckFailed) with every limit of dataset.checks that the table does not keep.

    Args:
        checks: the limits.
        rows: rows that are kept.
        source_rows: rows of the source, DropRow's included.
        missing: missing cells by column, in the source.
        duplicates: kept rows that repeat an earlier one.
        classes: labels, for classification.
        class_counts: rows of each.
    """
    failed = []
    if checks.min_rows is not None and rows < checks.min_rows:
        are = "is" if rows == 1 else "are"
        failed.append(f"minRows: there {are} {counted(rows, 'row')}, but at least {checks.min_rows:,} are needed")
    if checks.min_class_fraction is not None and classes is not None and class_counts is not None:
        smallest = int(class_counts.argmin())
        if (fraction := int(class_counts[smallest]) / rows) < checks.min_class_fraction:
            failed.append(
                f"minClassFraction: class {classes[smallest]!r} has {class_counts[smallest]:,} of {rows:,} rows "
                f"({fraction:.4g}), but at least {checks.min_class_fraction:g} is needed"
            )
    if checks.max_missing_fraction is not None:
        failed += [
            f"maxMissingFraction: column {name!r} is missing in {count:,} of {source_rows:,} rows "
            f"({count / source_rows:.4g}), but at most {checks.max_missing_fraction:g} is allowed"
            for name, count in missing.items()
            if count / source_rows > checks.max_missing_fraction
        ]
    if checks.max_duplicate_fraction is not None and duplicates / rows > checks.max_duplicate_fraction:
        failed.append(
            f"maxDuplicateFraction: {duplicates:,} of {rows:,} rows ({duplicates / rows:.4g}) repeat an earlier one, "
            f"but at most {checks.max_duplicate_fraction:g} is allowed"
        )
    if failed:
        raise DataError("the data does not pass dataset.checks: " + "; ".join(failed), reason=Reason.CHECK_FAILED)


def refuse_missing(missing: dict[str, int], first: dict[str, str]) -> None:
    """Raises DataError for missing cells under strategy Fail.

    Args:
        missing: missing cells by column.
        first: what to call the first row with one, by column.
    """
    if missing:
        columns = [f"{name!r} ({count:,}, first in {first[name]})" for name, count in list(missing.items())[:20]]
        more = f" and {len(missing) - 20} more" if len(missing) > 20 else ""
        raise DataError(
            f"cells are empty in {', '.join(columns)}{more}; fill them in, or choose what becomes of them with "
            "dataset.missingValues.strategy (Constant, Mean, Median or DropRow), such as "
            "missingValues: {strategy: Median} under dataset"
        )


def notices(findings: Mapping[str, Any], dataset: Dataset) -> list[str]:
    """What a user should know of the data, though nothing is wrong with it for certain.

    Args:
        findings: as dataset.json has them.
        dataset: what the manifest says.
    """
    told = []
    if left_out := findings["leftOut"]:
        told.append(
            f"left out: {listed(left_out)}, pandas' saved index; to use it, write the table after reset_index() under "
            "another name"
        )
    if dropped := findings["droppedTargets"]:
        are_left_out = "is left out, as its" if dropped == 1 else "are left out, as their"
        told.append(f"{counted(dropped, 'row')} {are_left_out} target is missing (missingValues.target: DropRow)")
    told += [
        f"labels that look alike are different classes: {_rows_of(group)}; if they mean the same, mend the data"
        for group in findings["lookAlikeLabels"]
    ]
    told += [
        f"the feature {name!r} equals the target {dataset.target!r} in every row; is it meant to be one?"
        for name in findings["featuresEqualToTarget"]
    ]
    for name, cells in findings["otherCells"].items():
        told.append(
            f"column {name!r} has more than {dataset.categories.max:,} different words (categories.max): in "
            f"{counted(cells, 'cell')} of the training set they are one category, other"
        )
    for name, form in findings["looksLikeDates"].items():
        told.append(
            f"column {name!r} is read as words, but looks like dates; to read it as such, write under dataset: "
            f"dates: {flow({name: form})}"
        )
    return told


def _rows_of(labels: Mapping[str, int]) -> str:
    return ", ".join(f"{label!r} ({counted(rows, 'row')})" for label, rows in labels.items())


def explain_split(error: TooFewRowsError, classes: Sequence[str] | None) -> DataError:
    """The split's failure in a user's words."""
    ways_out = "merge it with another class, add rows, or set dataset.split.stratify: false"
    if classes is not None and all(finite_number(label) is not None for label in classes):
        ways_out += "; or is the target a number to predict? say task: Regression"
    if isinstance(error, ClassTooSmallError) and classes is not None:
        return DataError(
            f"class {classes[error.code]!r} has only {counted(error.rows, 'row')} when the {error.part} "
            f"set is cut off, but a stratified split needs at least 2; {ways_out}"
        )
    if isinstance(error, PartTooSmallError):
        return DataError(
            f"the {error.part} set has {counted(error.rows, 'row')}, but there are {error.classes} classes, and a "
            "stratified split needs a row of each; make the set larger (dataset.split), add rows, or set "
            "dataset.split.stratify: false"
        )
    return DataError(f"{error}, so none is left to train on; add rows, or make those sets smaller (dataset.split)")


def check_training(spec: TrainingJobSpec, train_rows: int, classes: Sequence[str] | None) -> None:
    """Raises ConfigurationError where the training set is too small for the batches, or class weights don't fit."""
    if spec.capabilities.has_epochs:
        _check_batches(spec.training, train_rows)
    _check_class_weights(spec.training, classes)
    _check_labels(spec, classes)


def _check_labels(spec: TrainingJobSpec, classes: Sequence[str] | None) -> None:
    """Raises DataError for a metric of a class that the data does not have."""
    try:
        spec.check_labels(classes or ())
    except PydanticCustomError as error:
        raise DataError(f"spec.{(error.context or {})['field']}: {error.message()}") from None


def _check_batches(training: Training, train_rows: int) -> None:
    if training.batch_size > train_rows:
        default = "" if "batch_size" in training.model_fields_set else " (the default)"
        raise ConfigurationError(
            f"spec.training.batchSize: {training.batch_size:,}{default} is more than the "
            f"{counted(train_rows, 'row')} of the training set; at most {train_rows:,} is allowed"
        )
    batches = math.ceil(train_rows / training.batch_size)
    if training.workers > batches:
        raise ConfigurationError(
            f"spec.training.workers: {training.workers} workers are more than the training set's {batches} "
            f"{'batch' if batches == 1 else 'batches'} ({counted(train_rows, 'row')} by batchSize "
            f"{training.batch_size}); use at most {batches}, or smaller batches"
        )


def _check_class_weights(training: Training, classes: Sequence[str] | None) -> None:
    weights = training.class_weights.weights if training.class_weights is not None else None
    if weights is not None and classes is not None:
        unknown = [label for label in weights if label not in classes]
        missing = [label for label in classes if label not in weights]
        if unknown or missing:
            wrong = [f"there is no class {listed(unknown)}"] if unknown else []
            wrong += [f"there is no weight for {listed(missing)}"] if missing else []
            raise ConfigurationError(
                f"spec.training.classWeights.weights: {' and '.join(wrong)}; the classes are {listed(classes)}"
            )
