"""A user's own code, from where it lies to a folder that it is imported from: of a folder, a zip, a wheel or a mounted
ConfigMap, within limits and without being looked into. Imports the contract only."""

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from secrets import token_hex

from steelyard.contract.code_digest import (
    MOST_CODE_BYTES,
    MOST_CODE_FILES,
    CodeError,
    CodeFile,
    code_digest,
    files_of,
    is_code,
    too_large,
)

_BLOCK = 1024 * 1024


def put_code(source: Path, target: Path, sha256: str | None = None, *, is_config_map: bool = False) -> str:
    """Makes the folder that code is imported from: complete or absent, whoever else does it at the same time.

    Args:
        source: a folder, or a zip or wheel.
        target: the folder; what is there already is left where it is this very code, else replaced.
        sha256: the digest that the code must have; None: any.
        is_config_map: whether the source is a mounted ConfigMap: its keys are links, and one that is a zip is unpacked.

    Returns:
        The code's digest.

    Raises:
        CodeError: it is not there, is no code, or not within the limits, or has another digest.
        OSError: it can't be read, or the folder not be written.
    """
    with _gathered(source, target.parent, is_config_map=is_config_map) as folder:
        digest = code_digest(folder)
        check_digest(digest, sha256, str(source))
        for _ in range(10):
            if _has(target, digest):
                return digest
            _set_aside(target)
            try:
                folder.rename(target)
            except OSError:
                continue  # Another process was there first: it is looked whether with the same.
            return digest
    raise CodeError(f"{target} is written by another process, with other code")


def digest_at(source: Path) -> str:
    """The digest of the code in a folder, a zip or a wheel, without leaving anything. Raises as `put_code`."""
    if source.is_dir():
        return code_digest(source)
    with _gathered(source, None, is_config_map=False) as folder:
        return code_digest(folder)


def check_digest(found: str, expected: str | None, where: str) -> None:
    """Raises CodeError where code has another digest than the manifest says."""
    if expected is not None and found != expected:
        raise CodeError(f"the code in {where} has the digest {found}, but sha256 says {expected}")


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a zip's or wheel's code into a new folder. Raises as `put_code`."""
    if archive.stat().st_size > MOST_CODE_BYTES:
        raise CodeError(too_large(str(archive)))
    try:
        with zipfile.ZipFile(archive) as opened:
            _unpack(opened, archive, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeError, RuntimeError) as error:
        raise CodeError(f"{archive} is no zip or wheel that can be read: {error}") from None


def _unpack(opened: zipfile.ZipFile, archive: Path, folder: Path) -> None:
    members = opened.infolist()
    if len(members) > MOST_CODE_FILES:
        raise CodeError(f"{archive} has {len(members):,} files; allowed: at most {MOST_CODE_FILES:,}")
    if sum(member.file_size for member in members) > MOST_CODE_BYTES:
        raise CodeError(too_large(str(archive)))
    left = MOST_CODE_BYTES
    folder.mkdir()
    for member in members:
        name = _name_of(member, archive)
        if member.is_dir() or not is_code(name):
            continue
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(member) as read, path.open("xb") as file:
                # What a member says of its size may be a lie.
                while block := read.read(_BLOCK):
                    left -= len(block)
                    if left < 0:
                        raise CodeError(too_large(str(archive)))
                    file.write(block)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise CodeError(f"{archive} holds '{member.filename:.200}' twice, or as a file and a folder") from None


def _name_of(member: zipfile.ZipInfo, archive: Path) -> PurePosixPath:
    """Where a member goes, relative to the folder. Raises CodeError."""
    name = member.filename
    parts = name.removesuffix("/").split("/")
    if "\\" in name or ":" in name or not name.isprintable() or any(part in ("", ".", "..") for part in parts):
        raise CodeError(f"{archive} holds '{name:.200}', which leaves its folder or is no plain path")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise CodeError(f"{archive} holds '{name:.200}', a link or no plain file; allowed: plain files and folders")
    return PurePosixPath(*parts)


@contextmanager
def _gathered(source: Path, beside: Path | None, *, is_config_map: bool) -> Iterator[Path]:
    """The code as plain files in a folder of this process's own, which is removed if it is still there."""
    if not source.exists():
        raise CodeError(f"there is no {source}")
    if beside is None:
        from tempfile import gettempdir

        beside = Path(gettempdir())
    aside = beside / f".code-{os.getpid()}-{token_hex(4)}"
    try:
        if is_config_map:
            _gather_keys(source, aside)
        elif source.is_dir():
            _copy(files_of(source), aside)
        elif zipfile.is_zipfile(source):
            unpack(source, aside)
        else:
            raise CodeError(f"{source} is no folder, zip or wheel")
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _gather_keys(source: Path, aside: Path) -> None:
    """The keys of a mounted ConfigMap, which the kubelet makes as links to a folder that it can swap at once."""
    keys = sorted(path for path in source.iterdir() if is_code(PurePosixPath(path.name)) and path.is_file())
    zips = [path for path in keys if path.suffix in (".zip", ".whl")]
    if zips and len(keys) > 1:
        names = ", ".join(path.name for path in keys[:10])
        raise CodeError(f"the ConfigMap holds {names}; allowed: files of Python, or one zip and nothing beside it")
    if zips:
        unpack(zips[0], aside)
    elif keys:
        _copy([CodeFile(path.name, path.resolve(), path.stat().st_size) for path in keys], aside)
    else:
        raise CodeError("the ConfigMap is empty")


def _copy(files: list[CodeFile], folder: Path) -> None:
    folder.mkdir()
    for file in files:
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.path, path)


def _has(target: Path, digest: str) -> bool:
    try:
        return code_digest(target) == digest
    except (CodeError, OSError):
        return False


def _set_aside(target: Path) -> None:
    """Renamed first: nobody sees it half removed."""
    old = target.with_name(f".code-{os.getpid()}-{token_hex(4)}")
    try:
        target.rename(old)
    except FileNotFoundError:
        return
    shutil.rmtree(old, ignore_errors=True)
