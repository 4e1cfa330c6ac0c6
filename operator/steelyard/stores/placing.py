"""A folder where users find it: complete or absent. Imports the standard library only.

The folder is copied beside its place under another name, synced, and renamed. A crash leaves the old one, none, or the
new one; what else it leaves is hidden. The next attempt removes that, and puts the old one back where there is none.
"""

import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PATIENCE_SECONDS = 60


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keeps others from placing in a folder meanwhile, so that what one makes is no leftover to the next.

    Waits for them for a minute: longer holds on only who was stopped, and that one finds its work superseded. Some
    network file systems have no locks: there nobody waits.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        end = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < end:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.05)
            except OSError:
                break
        yield
    finally:
        os.close(handle)


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
    """Removes what attempts that were killed left beside a place; what one had moved away and not yet replaced comes
    back. Raises OSError."""
    ours = re.compile(rf"\.{re.escape(target.name)}\.(partial|old)-[0-9a-f]{{8}}")
    for folder in sorted(target.parent.iterdir()):
        if (match := ours.fullmatch(folder.name)) is None or folder.is_symlink() or not folder.is_dir():
            continue
        if match[1] == "old" and not target.exists():
            folder.rename(target)
        elif match[1] == "old":
            # Another user's, in a folder where only who made something may remove it, stays.
            with suppress(OSError):
                _discard(folder, target)
        else:
            _remove_unless_in_use(folder)


def _remove_unless_in_use(folder: Path) -> None:
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)


def _discard(old: Path, target: Path) -> None:
    """Removes what was moved away. What is called old is whole, so that it may come back: here it no longer is."""
    doomed = old.rename(_aside(target, "partial"))
    shutil.rmtree(doomed, ignore_errors=True)


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
        _discard(old, target)
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
