"""Whether a folder can be put at a path: by what lies there, by its permissions, and by trying. Imports the api and the
contract only.

The runner looks before it trains, the trainer when a stage begins and before it publishes, and all say the same.
"""

import errno
import os
import tempfile
from pathlib import Path

from steelyard.api.errors import ConfigurationError
from steelyard.contract.package import KNOWN_FILES, is_published_model
from steelyard.contract.stages import Reason


def occupied(target: Path) -> str:
    """Says what lies at the place that is no model which may be replaced; empty where nothing does."""
    advice = "name another folder, or move it away"
    if not target.exists():
        return ""
    if not target.is_dir():
        return f"{target} is a file; a model is published as a folder: {advice}"
    names = sorted(path.name for path in target.iterdir())
    if names and not is_published_model(target):
        return f"{target} is not empty and holds no published model; {advice}"
    if foreign := [name for name in names if name not in KNOWN_FILES]:
        return f"{target} holds {', '.join(foreign[:5])} beside the model that would be replaced; {advice}"
    return ""


def not_writable(target: Path) -> str:
    """Says why a folder can't be made at a place, as far as its permissions tell; empty where it can."""
    parent = next((path for path in target.parents if path.exists()), target)
    if not parent.is_dir():
        return f"{target} can't be made: {parent} is a file"
    if not os.access(parent, os.W_OK | os.X_OK):
        return f"{target} can't be made: user {os.getuid()} may not write in {parent}"
    return ""


def check_writable(folder: Path) -> None:
    """Makes a file in a folder and removes it; where there is no such folder, in the next above, where it can be made.

    Permissions alone do not tell: a volume may be mounted read-only, or its server may map users.

    Raises:
        ConfigurationError: reason NotWritable.
        OSError: the disk is full or was lost.
    """
    nearest = next(place for place in (folder, *folder.absolute().parents) if _is_there(place))
    try:
        handle, name = tempfile.mkstemp(prefix=".steelyard-", dir=nearest)
        os.close(handle)
        Path(name).unlink()
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
            raise
        raise ConfigurationError(_explain(nearest, error), reason=Reason.NOT_WRITABLE) from None


def _is_there(place: Path) -> bool:
    try:
        return place.exists()
    except PermissionError:
        # It lies in a folder that may not be looked into.
        return False


def _explain(folder: Path, error: OSError) -> str:
    groups = sorted({os.getgid(), *os.getgroups()})
    owner = folder.stat()
    return (
        f"{folder} can't be written to by user {os.getuid()} (group{'s' * (len(groups) > 1)} "
        f"{', '.join(map(str, groups))}): {error.strerror}; it belongs to user {owner.st_uid} and group "
        f"{owner.st_gid}, mode {owner.st_mode & 0o7777:04o}"
    )
