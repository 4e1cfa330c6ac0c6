"""Whether a published model is byte for byte what was published. Imports the api and the contract only."""

import hashlib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.contract.package import REPORT_FILE, SUMS_FILE, files_of, is_published_model
from steelyard.contract.report import PublishedReport, TrainingElsewhere
from steelyard.contract.stages import Reason

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
    expected, problems = _parse_sums(content, _needed_files(folder))
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


def _needed_files(folder: Path) -> Collection[str]:
    """What a model must have been published with, by its own steelyard.json; what every model has where that can't be
    read, which is a problem of its own."""
    try:
        report = PublishedReport.read(folder)
    except (OSError, ValueError):
        return files_of(None, 1)
    came_as = report.training.format if isinstance(report.training, TrainingElsewhere) else None
    return {*files_of(report.serving.runtime, report.format_version, came_as), report.serving.file}


def _parse_sums(content: bytes, needed: Collection[str]) -> tuple[dict[str, str], list[FileProblem]]:
    """The checksums by file, and what is wrong with the lines. Strict: another space or letter case is an error.

    Args:
        content: of SHA256SUMS.
        needed: files that must be listed.
    """
    expected: dict[str, str] = {}
    problems: list[FileProblem] = []
    for number, line in enumerate(content.splitlines(keepends=True), 1):
        if not (match := _SUM_LINE.fullmatch(line)):
            problems.append(FileProblem(SUMS_FILE, f"is wrong: line {number} is no checksum and file name"))
        elif (name := match[2].decode()) in expected:
            problems.append(FileProblem(SUMS_FILE, f"is wrong: line {number} names {name} again"))
        else:
            expected[name] = match[1].decode()
    if unlisted := sorted(set(needed) - expected.keys()):
        problems.append(FileProblem(SUMS_FILE, f"is wrong: it does not list {', '.join(unlisted)}"))
    return expected, problems


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_intact(folder: Path, problems: Iterable[FileProblem]) -> None:
    """Raises DataError (reason ModelNotIntact) that names every problem, if there is one."""
    if lines := [str(problem) for problem in problems]:
        raise not_intact(folder, lines)


def not_intact(folder: Path, problems: Iterable[str]) -> DataError:
    """What is raised of a model that is not as it was published: reason ModelNotIntact, every problem on a line."""
    lines = [f"{folder} is not the model that was published:", *(f"  {problem}" for problem in problems)]
    return DataError("\n".join(lines), reason=Reason.MODEL_NOT_INTACT)
