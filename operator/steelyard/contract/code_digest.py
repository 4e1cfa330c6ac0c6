"""What of a folder is a user's code, and the digest that stands for it: the same wherever the code lies, and however
it came there. Standard library only."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MOST_CODE_FILES = 5_000
MOST_CODE_BYTES = 64 * 1024 * 1024
"""Of all files together, as they are when they are unpacked."""

_BLOCK = 1024 * 1024


class CodeError(ValueError):
    """What is wrong with a folder or an archive of code, in a user's words."""


@dataclass(frozen=True)
class CodeFile:
    """A file of a folder of code."""

    name: str
    """Relative to the folder, with slashes."""
    path: Path
    size: int


def is_code(name: PurePosixPath) -> bool:
    """Whether a file is part of the code, by its name relative to the folder: all are but what Python compiles
    (`__pycache__`, `*.pyc`) and what a name that begins with a dot hides, or the folder that it lies in (`.git`)."""
    return name.suffix != ".pyc" and not any(part.startswith(".") or part == "__pycache__" for part in name.parts)


def files_of(folder: Path) -> list[CodeFile]:
    """The files of a folder of code, sorted by name.

    Raises:
        CodeError: one is a link or no plain file, there are none, or there is more than is allowed.
        OSError: the folder can't be read.
    """
    found: list[CodeFile] = []
    total = 0
    for each in _walk(folder, PurePosixPath()):
        total += each.size
        if len(found) == MOST_CODE_FILES:
            raise CodeError(f"{folder} has more than {MOST_CODE_FILES:,} files; allowed: at most so many")
        if total > MOST_CODE_BYTES:
            raise CodeError(too_large(str(folder)))
        found.append(each)
    if not found:
        raise CodeError(f"{folder} holds no files")
    return sorted(found, key=lambda each: each.name)


def too_large(what: str) -> str:
    """What is said of code that is over the limit."""
    return (
        f"{what} holds more than {MOST_CODE_BYTES // 1024**2} MiB of files; allowed: at most so much; data belongs in "
        "the dataset, and large files on a claim or in an image of your own"
    )


def code_digest(folder: Path) -> str:
    """SHA-256 (64 hexadecimal digits) of the names and contents of a folder's code. Raises as `files_of`."""
    whole = hashlib.sha256()
    for each in files_of(folder):
        name = each.name.encode()
        whole.update(b"%d:%s%d:" % (len(name), name, each.size))
        with each.path.open("rb") as file:
            while block := file.read(_BLOCK):
                whole.update(block)
    return whole.hexdigest()


def _walk(folder: Path, within: PurePosixPath) -> Iterator[CodeFile]:
    for path in sorted(folder.iterdir()):
        name = within / path.name
        if not is_code(name):
            continue
        if path.is_symlink():
            raise CodeError(f"{path} is a link; allowed: plain files and folders")
        if path.is_dir():
            yield from _walk(path, name)
        elif path.is_file():
            yield CodeFile(str(name), path, path.stat().st_size)
        else:
            raise CodeError(f"{path} is neither a file nor a folder")
