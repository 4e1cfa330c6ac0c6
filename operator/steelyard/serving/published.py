"""A published model: what its folder holds, whether it is intact, and predictions from it.

Imports the api only; numpy and the library that runs a model when one is loaded.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.contract.package import (
    FORMAT_VERSION,
    LITERT_FILE,
    ONNX_FILE,
    PREPROCESSING_FILE,
    REPORT_FILE,
    SERVED_FILES,
    SKOPS_FILE,
    STANDARDIZED_TARGET,
    SUMS_FILE,
    files_missing,
    is_published_model,
    served_file,
)
from steelyard.contract.stages import Reason
from steelyard.texts.installing import install_command

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from steelyard.serving.gaps import Cells
    from steelyard.serving.interface import ServedModel, TargetUnit
    from steelyard.serving.preprocessing import Preprocessing
    from steelyard.serving.tally import Tally

_SUM_LINE = re.compile(rb"([0-9a-f]{64})  ([A-Za-z0-9._-]+)\n")


@dataclass(frozen=True)
class FileProblem:
    """One file that is not as it was published."""

    file: str
    problem: str
    """What is the matter, as the rest of a sentence that begins with the file's name."""

    def __str__(self) -> str:
        return f"{self.file} {self.problem}"


def sums_of(folder: Path) -> bytes:
    """The content of SHA256SUMS for all other files of a folder. Raises OSError."""
    names = sorted(path.name for path in folder.iterdir() if path.name != SUMS_FILE)
    return b"".join(f"{_sha256(folder / name)}  {name}\n".encode() for name in names)


def digest_of(folder: Path) -> str:
    """The model's digest, `sha256:` and the SHA-256 of its SHA256SUMS. Raises OSError."""
    return f"sha256:{_sha256(folder / SUMS_FILE)}"


def check_is_published_model(folder: Path) -> None:
    """Raises ConfigurationError where the folder does not exist or holds no published model."""
    if not folder.exists():
        raise ConfigurationError(f"the model {folder} does not exist", reason=Reason.SOURCE_NOT_FOUND)
    if not folder.is_dir():
        raise ConfigurationError(
            f"{folder} is a file; a published model is a folder with {REPORT_FILE} and {SUMS_FILE}"
        )
    if not is_published_model(folder):
        raise ConfigurationError(f"{folder} holds no published model: it has no {REPORT_FILE} and {SUMS_FILE}")


def verify(folder: Path, digest: str | None = None) -> list[FileProblem]:
    """What is wrong with a published model: nothing, if it is byte for byte what was published.

    Args:
        folder: the model.
        digest: the digest that it must have (`sha256:` may be left out). Without one, somebody who changes a file and
            SHA256SUMS alike goes unnoticed.

    Raises:
        ConfigurationError: the folder holds no published model.
    """
    check_is_published_model(folder)
    present = {path.name for path in folder.iterdir()} - {SUMS_FILE}
    sums = folder / SUMS_FILE
    if sums.is_symlink() or not sums.is_file():
        return [FileProblem(SUMS_FILE, "is missing")]
    content = sums.read_bytes()
    expected, problems = _parse_sums(content)
    if digest is not None and hashlib.sha256(content).hexdigest() != digest.removeprefix("sha256:"):
        problems.append(FileProblem(SUMS_FILE, f"has another digest: {digest_of(folder)}"))
    for name in sorted(present | expected.keys()):
        path = folder / name
        if name not in expected:
            problems.append(FileProblem(name, "is too many: the model was published without it"))
        elif name not in present:
            problems.append(FileProblem(name, "is missing"))
        elif path.is_symlink() or not path.is_file():
            problems.append(FileProblem(name, "is wrong: it is not a plain file"))
        elif _sha256(path) != expected[name]:
            problems.append(FileProblem(name, "is wrong: its content is not what was published"))
    return problems


def _parse_sums(content: bytes) -> tuple[dict[str, str], list[FileProblem]]:
    """The checksums by file, and what is wrong with the lines. Strict: another space or letter case is an error."""
    expected: dict[str, str] = {}
    problems: list[FileProblem] = []
    for number, line in enumerate(content.splitlines(keepends=True), 1):
        if not (match := _SUM_LINE.fullmatch(line)):
            problems.append(FileProblem(SUMS_FILE, f"is wrong: line {number} is no checksum and file name"))
        elif (name := match[2].decode()) in expected:
            problems.append(FileProblem(SUMS_FILE, f"is wrong: line {number} names {name} again"))
        else:
            expected[name] = match[1].decode()
    if unlisted := files_missing(expected):
        problems.append(FileProblem(SUMS_FILE, f"is wrong: it does not list {', '.join(unlisted)}"))
    return expected, problems


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Predictions:
    """What the model says of some rows, in their order."""

    values: list[str] | list[float]
    """Classification: the most probable class's label as it was written; regression: the number."""
    outputs: "npt.NDArray[np.floating[Any]]"
    """Shape (rows, classes): the probabilities, float32, of a skops file float64. For regression (rows, 1): the
    numbers, float64, in the target's own unit."""


@dataclass(frozen=True)
class PublishedModel:
    """A published model, ready to predict from raw rows."""

    preprocessing: "Preprocessing"
    model: "ServedModel"
    report: Mapping[str, Any]
    """steelyard.json."""
    notes: tuple[str, ...] = ()
    """What a person should know before using it here."""

    @classmethod
    def load(cls, folder: Path) -> "PublishedModel":
        """Loads a model whose files are intact.

        Raises:
            ConfigurationError: the folder holds no published model.
            ConfigurationError: a library that the model needs is not installed.
            ConfigurationError: a later version of Steelyard published it, in a format that this one does not know.
            DataError: a file that is needed is damaged or missing.
        """
        check_is_published_model(folder)
        served = _listed_served_file(folder)
        # A file that the user put beside the model does no harm here.
        needed = {SUMS_FILE, served, PREPROCESSING_FILE, REPORT_FILE}
        check_intact(folder, (problem for problem in verify(folder) if problem.file in needed))
        report = json.loads((folder / REPORT_FILE).read_bytes())
        _check_format(folder, report)
        with _explained_import(served):
            from steelyard.serving.preprocessing import Preprocessing

            preprocessing = Preprocessing.from_json(json.loads((folder / PREPROCESSING_FILE).read_bytes()))
            classes = None if preprocessing.classes is None else len(preprocessing.classes)
            # Those of the first format give the target in its own unit themselves.
            unit = preprocessing.target_unit if report.get("output") == STANDARDIZED_TARGET else None
            model = load_model(served, (folder / served).read_bytes(), classes, unit)
            notes = _notes(served, report)
        return cls(preprocessing, model, report, notes)

    def predict(self, table: "Mapping[str, Cells]", first_row: int = 1, tally: "Tally | None" = None) -> Predictions:
        """Predictions from raw cells.

        Args:
            table: cells by column, as they were read; columns that are no features are ignored.
            first_row: the number that errors give the first row.
            tally: counts the cells that were filled, or whose word training has not seen.

        Raises:
            DataError: a column is missing, or a cell can't be used.
        """
        outputs = self.model.predict(self.features(table, first_row, tally))
        return Predictions(self.preprocessing.labels(outputs), outputs)

    def features(
        self, table: "Mapping[str, Cells]", first_row: int = 1, tally: "Tally | None" = None
    ) -> "npt.NDArray[Any]":
        """What the model takes, of raw cells. Raises DataError as `predict` does."""
        return self.preprocessing.transform(table, first_row, dtype=self.model.features_type, tally=tally)


def load_model(name: str, content: bytes, classes: int | None, unit: "TargetUnit | None") -> "ServedModel":
    """A model that predicts labels' probabilities, or the target in its own unit.

    Args:
        name: the published file that it is in; says which library runs it.
        content: what is in that file.
        classes: how many the task has; None for regression.
        unit: regression: what a model that computes in float32 gives the standardized target of. One that computes in
            float64 gives the target itself. None: every one does.

    Raises:
        ModuleNotFoundError: that library is not installed.
        DataError: the content is no such model.
    """
    import numpy as np

    from steelyard.serving.interface import InTargetUnit

    model = _load_file(name, content, classes)
    return model if unit is None or model.features_type is np.float64 else InTargetUnit(model, unit)


def _load_file(name: str, content: bytes, classes: int | None) -> "ServedModel":
    if name == LITERT_FILE:
        from steelyard.serving.model import LiteRtModel

        return LiteRtModel(content)
    from steelyard.serving.estimators import OnnxModel, SkopsModel

    return OnnxModel(content) if name == ONNX_FILE else SkopsModel.load(content, classes)


def _check_format(folder: Path, report: Mapping[str, Any]) -> None:
    """Raises ConfigurationError where a model's format is not known here; the first one had no number."""
    version = report.get("formatVersion", 1)
    if version not in range(1, FORMAT_VERSION + 1):
        raise ConfigurationError(
            f"{folder / REPORT_FILE}: formatVersion {version!r} is not known to this version of Steelyard, which reads "
            f"1 to {FORMAT_VERSION}; use {report['versions']['steelyard']}, which published it, or a later one"
        )


def _listed_served_file(folder: Path) -> str:
    """The file that predicts, by what was published: not by what is there now."""
    try:
        listed, _ = _parse_sums((folder / SUMS_FILE).read_bytes())
        return served_file(listed)
    except OSError:
        raise _not_intact(folder, [f"{SUMS_FILE} is missing"]) from None
    except ValueError:
        raise _not_intact(folder, [f"{SUMS_FILE} is wrong: it lists none of {', '.join(SERVED_FILES)}"]) from None


@contextmanager
def _explained_import(served: str) -> Iterator[None]:
    """A library that is not installed becomes a ConfigurationError that says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        extra = "serving" if served == LITERT_FILE else "estimators"
        raise ConfigurationError(
            f"predicting with {served} needs the library {error.name}, which is not installed; {install_command(extra)}"
        ) from None


def _notes(served: str, report: Mapping[str, Any]) -> tuple[str, ...]:
    if served != SKOPS_FILE:
        return ()
    from steelyard.serving.estimators import version_note

    note = version_note(str(report["versions"]["scikit-learn"]))
    return (note,) if note else ()


def check_intact(folder: Path, problems: Iterable[FileProblem]) -> None:
    """Raises DataError (reason ModelNotIntact) that names every problem, if there is one."""
    if lines := [str(problem) for problem in problems]:
        raise _not_intact(folder, lines)


def _not_intact(folder: Path, problems: Iterable[str]) -> DataError:
    lines = [f"{folder} is not the model that was published:", *(f"  {problem}" for problem in problems)]
    return DataError("\n".join(lines), reason=Reason.MODEL_NOT_INTACT)
