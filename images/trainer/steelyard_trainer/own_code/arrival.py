"""How a user's own code gets to a stage: unpacked into the workspace, or found where it is installed, and its digest
taken; nothing of it is imported. Imports steelyard, stores and the contract.
"""

import hashlib
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from steelyard.api.errors import ConfigurationError
from steelyard.contract.code_digest import CodeError, code_digest, is_code
from steelyard.contract.stages import Env, Reason
from steelyard.stores.own_code import check_digest, put_code
from steelyard_trainer.contract import StageContext

FIELD = "spec.model.entrypoint.code"

Context = TypeVar("Context", bound=StageContext)


def with_code(context: Context) -> Context:
    """The context with the user's own code, of a job that has such; the processes that this one starts find it, too.

    Raises:
        ConfigurationError: the code is not there, not within the limits, or not what sha256 says.
        OSError: it can't be read, or the workspace not be written.
    """
    spec = context.job.spec
    if spec.own_model is None or spec.own_model.entrypoint is None:
        return context
    try:
        folder, digest = _arrived(context)
    except CodeError as error:
        raise ConfigurationError(f"{FIELD}: {error}") from None
    if folder is not None:
        os.environ[Env.CODE] = str(folder)
    os.environ[Env.CODE_DIGEST] = digest
    return replace(context, code=folder, code_digest=digest)


def _arrived(context: StageContext) -> tuple[Path | None, str]:
    """The folder of the code, None where it is installed, and its digest."""
    entrypoint = context.job.spec.model.entrypoint
    assert entrypoint is not None
    code, given = entrypoint.code, os.environ.get(Env.CODE)
    if code is None:
        return None, installed_digest(entrypoint.module)
    target = context.workspace.code
    if context.base_dir is not None:
        # The runner on this machine has put it where it is read, once for all stages, and for all trials of a search.
        folder = Path(given) if given else target
        digest = code_digest(folder)
        check_digest(digest, code.sha256, str(folder))
        return folder, digest
    if code.uri is not None:
        source = context.resolve(code.uri)
        if not source.exists():
            raise ConfigurationError(f"{FIELD}.uri: there is no {code.uri}", reason=Reason.SOURCE_NOT_FOUND)
        return target, put_code(source, target, code.sha256)
    if code.config_map is None or not given:
        raise CodeError(f"the code is not mounted here ({Env.CODE})")
    return target, put_code(Path(given), target, code.sha256, is_config_map=True)


def installed_digest(module: str) -> str:
    """The digest of the installed package, or single file, that a module belongs to; empty where it is not found: who
    imports it says so.

    Args:
        module: with dots. The package at its top is looked up, which imports nothing.
    """
    try:
        found = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        found = None
    if found is None:
        return ""
    whole = hashlib.sha256()
    for folder in map(Path, found.submodule_search_locations or ()):
        for path in _python_files(folder):
            whole.update(str(path.relative_to(folder)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    if not found.submodule_search_locations and found.origin and Path(found.origin).is_file():
        whole.update(Path(found.origin).read_bytes())
    return whole.hexdigest()


def _python_files(folder: Path) -> Iterator[Path]:
    """Of a package: what is data beside them may be large, and is none of the code."""
    return iter(sorted(path for path in folder.rglob("*.py") if is_code(PurePosixPath(path.relative_to(folder)))))
