"""Whether a user's own code is there and looks as if it held what the manifest names, and its way into the workspace.
Nothing of it is imported: it is read as text. Imports the job, stores and the api."""

import ast
import difflib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from steelyard.api.errors import ConfigurationError
from steelyard.api.models.entrypoint import Entrypoint
from steelyard.contract.code_digest import CodeError, files_of, is_code
from steelyard.contract.stages import Reason
from steelyard.local.job import LocalJob
from steelyard.local.own_code import FIELD, source_of
from steelyard.stores.own_code import check_digest, digest_at, put_code
from steelyard.texts.figures import counted

_FUNCTION = "spec.model.entrypoint.function"
_MOST_NAMED = 12
"""Modules or functions that a message lists."""


def check_own_code(job: LocalJob) -> None:
    """Refuses code that is not there, not within the limits or not what sha256 says, and a module or function that it
    does not hold.

    Raises:
        ConfigurationError: with the field at fault.
        OSError: it can't be read.
    """
    code = job.job.spec.code
    if code is None:
        return
    assert job.job.spec.model.entrypoint is not None
    source = source_of(code, job.surroundings)
    field = f"{FIELD}.path" if code.path is not None else f"{FIELD}.uri"
    if not source.exists():
        raise ConfigurationError(
            f"{field}: {code.path or code.uri} does not exist: there is no folder {source}",
            reason=Reason.SOURCE_NOT_FOUND,
        )
    if code.path is not None and not source.is_dir():
        raise ConfigurationError(f"{field}: {source} is no folder; name the one that {source.name} lies in")
    try:
        check_digest(digest_at(source), code.sha256, str(source))
    except CodeError as error:
        raise ConfigurationError(f"{field}: {error}") from None
    check_names(job.job.spec.model.entrypoint, _sources_in(source), code.path or str(code.uri))


def put_own_code(job: LocalJob) -> None:
    """Puts the code where the stages of the job, or of a search's jobs, read it, so that nobody changes it under them.
    Raises as `check_own_code`."""
    code, folder = job.job.spec.code, job.code
    if code is None or folder is None:
        return
    try:
        put_code(source_of(code, job.surroundings), folder, code.sha256)
    except CodeError as error:
        raise ConfigurationError(f"{FIELD}: {error}") from None


def code_fault(job: LocalJob) -> ConfigurationError | None:
    """What is wrong with the code; None where nothing is, or where it lies on a cluster. Raises OSError."""
    code = job.job.spec.code
    if code is not None and code.config_map is not None:
        return None
    try:
        check_own_code(job)
    except ConfigurationError as error:
        return error
    return None


def described(job: LocalJob) -> str:
    """The code in one line, for a plan; empty where there is none."""
    code = job.job.spec.code
    if code is None or (code.path is None and code.uri is None):
        return ""
    source = source_of(code, job.surroundings)
    count = f"{counted(len(files_of(source)), 'file')}, " if source.is_dir() else ""
    return f"{source} ({count}sha256 {code.sha256})"


def check_names(entrypoint: Entrypoint, sources: dict[str, bytes], where: str) -> None:
    """Whether code holds a module and a function, as far as its text tells.

    Args:
        entrypoint: what names them.
        sources: the content of each file of Python, by its name relative to the top of the code.
        where: what to call the code.

    Raises:
        ConfigurationError: one is not there, is hidden by Python's own, or the module is no Python.
    """
    if entrypoint.hidden:
        raise ConfigurationError(f"{_FUNCTION}: {entrypoint.hidden}")
    name, function = entrypoint.module, entrypoint.function_name
    base = name.replace(".", "/")
    file = next((each for each in (f"{base}/__init__.py", f"{base}.py") if each in sources), None)
    if file is None:
        modules = sorted(map(_module_of, sources))
        raise ConfigurationError(
            f"{_FUNCTION}: {where} has no module '{name}'{_nearest(name, modules)}; "
            + (f"its modules are {_listed(modules)}" if modules else "it has no files of Python")
        )
    try:
        tree = ast.parse(sources[file], file)
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise ConfigurationError(f"{_FUNCTION}: {where}, {file}{line}: {getattr(error, 'msg', error)}") from None
    names = set(_names_of(tree.body))
    if function in names or "*" in names:
        return
    functions = [each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.ClassDef)]
    raise ConfigurationError(
        f"{_FUNCTION}: {where}, {file} has no function '{function}'{_nearest(function, sorted(names))}; "
        + (f"its functions are {_listed(functions)}" if functions else "it has no functions")
    )


def _sources_in(source: Path) -> dict[str, bytes]:
    """As bytes: a byte order mark or a comment in them says how they are spelled, which Python's parser knows."""
    if source.is_dir():
        return {file.name: file.path.read_bytes() for file in files_of(source) if file.name.endswith(".py")}
    with zipfile.ZipFile(source) as archive:
        return {
            name: archive.read(name)
            for name in archive.namelist()
            if name.endswith(".py") and is_code(PurePosixPath(name))
        }


def _module_of(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _names_of(body: Sequence[ast.stmt]) -> Iterator[str]:
    """What statements at the top of a module give a name, in branches, too; "*" for what can't be known."""
    for each in body:
        match each:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
            case ast.Assign(targets=targets):
                yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case _:
                for field in ("body", "orelse", "finalbody"):
                    yield from _names_of(getattr(each, field, []))
                for branch in (*getattr(each, "handlers", []), *getattr(each, "cases", [])):
                    yield from _names_of(branch.body)


def _nearest(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
