"""How every stage begins: it makes sure of the places that it writes to, then takes its number. Imports steelyard.api.

A volume whose files belong to someone else is what goes wrong most often on a cluster, and is best said at once.
"""

import errno
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from steelyard.api.errors import ConfigurationError
from steelyard.contract.package import obstacles
from steelyard.contract.stages import Reason
from steelyard_trainer.attempts import Attempt
from steelyard_trainer.contract import StageContext

Context = TypeVar("Context", bound=StageContext)


def begin(context: Context) -> Context:
    """The first act of a stage's first process.

    Returns:
        The context with the number of this attempt, where the process is the stage's writer (worker 0).

    Raises:
        ConfigurationError: the workspace or a place that the model goes to can't be written to (NotWritable), or
            something else lies there (TargetOccupied). Every stage looks at the places that it can see, so that
            nobody trains in vain.
        OSError: the storage was lost.
    """
    root = context.workspace.root
    check_writable(root)
    root.mkdir(parents=True, exist_ok=True)
    reachable = [target.uri for target in context.job.spec.publish or [] if context.reaches(target.uri)]
    check_targets([context.resolve(uri) for uri in reachable])
    if context.worker != 0:
        return context
    return replace(context, attempt=Attempt.take(context.workspace, context.stage))


def check_targets(targets: Sequence[Path]) -> None:
    """Refuses places where a model can't be published.

    Raises:
        ConfigurationError: reason TargetOccupied where something else lies, NotWritable where nothing can be made.
    """
    for target in targets:
        # The folder is made beside its place and renamed.
        check_writable(target.parent)
    if found := obstacles(targets):
        raise ConfigurationError(found[0].message, reason=found[0].reason)


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
