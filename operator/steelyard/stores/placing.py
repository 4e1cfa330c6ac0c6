"""A folder where users find it: complete or absent. Imports the standard library only.

The folder is copied beside its place under another name, synced, and renamed. A crash leaves the old one, none, or the
new one; what else it leaves is hidden and removed by the next attempt.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def place_folder(package: Path, target: Path, check_attempt: Callable[[], None]) -> None:
    """Copies a folder of plain files to its place.

    Args:
        package: the folder.
        target: the place, resolved, in a folder that is there; an older folder there is replaced.
        check_attempt: called before the folder is put in place; raises where this process may no longer write.

    Raises:
        OSError: the disk is full, or the place can't be written to; nothing is left there then.
    """
    try:
        with _locked_folder(_aside(target, "partial")) as partial:
            for name in sorted(path.name for path in package.iterdir()):
                shutil.copyfile(package / name, partial / name)
                sync(partial / name)
            sync(partial)
            check_attempt()
            _put_in_place(partial, target)
    except OSError as error:
        # Said of the place that the user named, not of the hidden one.
        raise OSError(error.errno, error.strerror, str(target)) from error


def remove_leftovers(target: Path) -> None:
    """Removes what attempts that were killed left beside a place. Raises OSError."""
    for purpose in ("partial", "old"):
        for folder in target.parent.glob(f".{target.name}.{purpose}-*"):
            handle = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            except OSError:
                continue
            finally:
                os.close(handle)


def _put_in_place(partial: Path, target: Path) -> None:
    if target.exists() and any(target.iterdir()):
        old = _aside(target, "old")
        target.rename(old)
        try:
            partial.rename(target)
        except OSError:
            old.rename(target)
            raise
        sync(target.parent)
        shutil.rmtree(old, ignore_errors=True)
    else:
        # Takes the place of an empty folder too.
        partial.rename(target)
        sync(target.parent)


def _aside(target: Path, purpose: str) -> Path:
    return target.with_name(f".{target.name}.{purpose}-{secrets.token_hex(4)}")


@contextmanager
def _locked_folder(folder: Path) -> Iterator[Path]:
    """Makes a folder and locks it, so that others know that it is in use: a crash frees the lock. What is still under
    the folder's name in the end is removed."""
    folder.mkdir()
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # Some network file systems have no locks.
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(handle)
        shutil.rmtree(folder, ignore_errors=True)


def sync(path: Path) -> None:
    """Waits until a file, or what names a folder has, is on the disk. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
