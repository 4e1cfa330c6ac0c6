"""What is said of how a program ended, or why it did not start. Imports what is pure of the contract only."""

import errno
import json
import shutil
from pathlib import Path

from steelyard.contract.stages import EndKind, ExitCode, Reason, Result
from steelyard.texts.figures import signal_name

TEXT_LIMIT = 1000
"""Characters of a text that a program left in place of a result document."""

_REASONS = {
    ExitCode.DONE: Reason.SUCCEEDED,
    ExitCode.GATE_FAILED: Reason.GATE_FAILED,
    ExitCode.DATA: Reason.INVALID_DATA,
    ExitCode.TRY_AGAIN: Reason.INTERRUPTED,
    ExitCode.CONFIGURATION: Reason.INVALID_CONFIGURATION,
}


def result_of(file: Path, code: int, name: str, key: str, *, is_ours: bool) -> Result:
    """How a program ended.

    Args:
        file: where it may have left a result document, or a text that says why it ended.
        code: its exit code; below 0 it is the number of the signal that killed it.
        name: what to call it.
        key: the stage's.
        is_ours: whether it is a program of ours, which leaves a document wherever it has done its work.
    """
    try:
        # No folder, and nothing from which one would read for ever.
        left = file.read_text(encoding="utf-8", errors="replace").strip() if file.is_file() else ""
    except OSError:
        left = ""
    try:
        return Result.from_json(json.loads(left))
    except (ValueError, TypeError, RecursionError):
        if is_ours and code == ExitCode.DONE:
            return Result("train", key, Reason.CRASHED, f"{name} was ended with exit code 0 before its work was done")
        is_crash = code not in _REASONS or EndKind.of(code, is_ours=is_ours) is EndKind.CRASHED
        reason = Reason.CRASHED if is_crash else _REASONS[ExitCode(code)]
        return Result("train", key, reason, f"{name} {_how(code)}{': ' * bool(left)}{left[-TEXT_LIMIT:]}")


def forget(file: Path) -> None:
    """Removes what an earlier start left as its result, whatever it made of the file."""
    if file.is_dir() and not file.is_symlink():
        shutil.rmtree(file, ignore_errors=True)
    else:
        file.unlink(missing_ok=True)


def cannot_start(program: str, error: OSError) -> str:
    """Why a program can't be started, in a user's words.

    Args:
        program: as the command has it.
        error: what the system says.
    """
    found = shutil.which(program)
    if error.errno == errno.ENOENT and found:
        why = "it is there, but the interpreter that its first line names, or its dynamic linker, is not"
    elif error.errno == errno.ENOENT:
        why = "there is no such program; allowed: one of the image, by its path or found by PATH"
    elif error.errno == errno.EACCES:
        why = "it is not a file that may be executed by this user (chmod +x when the image is built)"
    elif error.errno == errno.ENOEXEC:
        why = "it is no program of this kind of machine, nor a script whose first line names its interpreter (#!)"
    else:
        why = str(error.strerror)
    return f"{program!r} can't be started: {why}"


def _how(code: int) -> str:
    if code == ExitCode.DONE:
        return "ended"
    if code < 0:
        return f"was ended by {signal_name(-code)}"
    return f"was ended with exit code {code}"
