"""What can be said of a table in memory before anything is started, and how errors name it. Imports the api, local,
numpy and this package.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic_core import PydanticCustomError

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.api.training_job import TrainingJobSpec
from steelyard.contract.stages import ExitCode
from steelyard.local.source import names_findings
from steelyard.sdk.tables import Table, columns_of

_MOST_CLASSES_OF_NUMBERS = 20
"""As the stage prepare has it: whole numbers that take more values are numbers to predict."""
_ROW = re.compile(r"\brow ([0-9]+(?:,[0-9]{3})*)")


def check_table(spec: TrainingJobSpec, data: Table, holder: str = "spec") -> None:
    """Compares a table with what a manifest says of it.

    Args:
        spec: the job's, or a search's template.
        data: the table.
        holder: where the spec lies in the manifest.

    Raises:
        DataError: it is no table, or lacks the target.
        ConfigurationError: it lacks another column that is named, or the target is a number, and the manifest asks
            for what only labels have.
    """
    columns = dict(columns_of(data))
    findings = names_findings(spec.dataset, "the table", list(columns))
    if findings:
        lines = [str(finding.problem).replace("spec", holder, 1) for finding in findings]
        is_data = all(finding.exit_code == ExitCode.DATA for finding in findings)
        raise (DataError if is_data else ConfigurationError)("\n".join(lines))
    target = columns[spec.dataset.target]
    if spec.task is None and not spec.dataset.missing_markers and _are_amounts(target):
        try:
            spec.check_task("Regression")
        except PydanticCustomError as error:
            raise ConfigurationError(
                f"{holder}.{(error.context or {})['field']}: {error.message()} (the target {spec.dataset.target!r} "
                "holds numbers; spec.task can say that they are labels)"
            ) from None


def _are_amounts(column: Any) -> bool:
    """Whether a column is certain to be one of numbers to predict: broken ones, or many whole ones."""
    dtype = getattr(column, "dtype", None)
    if isinstance(column, list):
        if not all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in column):
            return False
    elif not isinstance(dtype, np.dtype) or dtype.kind not in "iuf":
        return False
    numbers = np.asarray(column, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    return bool((numbers != np.floor(numbers)).any()) or len(np.unique(numbers)) > _MOST_CLASSES_OF_NUMBERS


def in_words_of_the_table(message: str, file: Path, data: Table) -> str:
    """An error about the file that a table was written to, as one about the table: rows with their index.

    Args:
        message: the error's; its rows count from 1.
        file: where the table was written to.
        data: the table.
    """
    for name in (str(file), str(file.resolve()), file.name):
        message = message.replace(name, "the table")
    index = None if isinstance(data, Mapping) else getattr(data, "index", None)
    if index is None or callable(index):
        return message

    def with_index(found: re.Match[str]) -> str:
        place = int(found[1].replace(",", "")) - 1
        return f"{found[0]} (index {index[place]!s:.40})" if 0 <= place < len(index) else found[0]

    return _ROW.sub(with_index, message)
