"""What a program of the user's own is given to write to, and what it has left there. Imports the contract and
elsewhere."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

from steelyard.api.errors import ConfigurationError
from steelyard.api.models.container import Container
from steelyard.contract.report import ProgramReport
from steelyard.contract.stages import Env
from steelyard_trainer.contract import StageContext
from steelyard_trainer.elsewhere.arrival import Arrival
from steelyard_trainer.files import write_atomically
from steelyard_trainer.trained import TrainedFolder

MOST_METRICS_BYTES = 64 * 1024
FIELD = "spec.model.container.model"


def of_container(context: StageContext) -> Container:
    """The program of a job that has one."""
    container = context.job.spec.container
    assert container is not None
    return container


def model_left(context: StageContext) -> Path:
    """The file, or folder, that the program has left.

    Raises:
        ConfigurationError: it has left none, or what leads out of its folder.
    """
    folder, name = context.workspace.program.model, of_container(context).model.name
    file = folder / name
    if not file.exists():
        there = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())[:10]
        raise ConfigurationError(
            f"{FIELD}: the program ended with exit code 0, but left no {name} in {Env.MODEL_DIR}"
            + (f"; it left {', '.join(there)}" if there else "")
        )
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ConfigurationError(f"{FIELD}: {name} is a link that leads out of {Env.MODEL_DIR}; leave the file itself")
    return file


def begin_folders(context: StageContext) -> None:
    """Makes the folders of worker 0's program: what one of another key wrote is removed. Raises OSError."""
    folder = context.workspace.program
    folder.root.mkdir(parents=True, exist_ok=True)
    if _text(folder.key_file) != context.key:
        context.check_attempt()
        context.workspace.barrier_file.unlink(missing_ok=True)
        _empty(folder.root)
    elif not (folder.model / of_container(context).model.name).exists():
        # It may have ended well without one, or somebody has removed it: it is not done.
        folder.contained_file.unlink(missing_ok=True)
    for each in (folder.checkpoints, folder.model):
        each.mkdir(parents=True, exist_ok=True)
    write_atomically(folder.key_file, context.key)


def taken_in(context: StageContext) -> TrainedFolder:
    """The model that the program has left, as the stage finish weighs it. Raises as `model_left` and
    `Arrival.take_in`."""
    container = of_container(context)
    try:
        file = model_left(context)
    except ConfigurationError:
        # Else its workers would take it for done when they are started again.
        context.workspace.program.contained_file.unlink(missing_ok=True)
        raise
    taken, name = context.workspace.taken, container.model.name
    trained = Arrival(file, container.model.format, FIELD, name, taken, "what the program left").take_in(context)
    program = ProgramReport(
        # On the user's machine a command runs without it.
        image=container.image if context.base_dir is None or container.command is None else None,
        command=None if container.command is None else [*container.command, *container.args],
        workers=context.job.spec.training.workers,
        metrics=metrics_left(context),
    )
    return replace(trained, training={**trained.training, "program": program.to_json()})


def metrics_left(context: StageContext) -> dict[str, float]:
    """The figures that the program has told of itself; what is no number is told, and left out."""
    file = context.workspace.program.metrics_file
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_METRICS_BYTES + 1)
        document = json.loads(content)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        context.notice(f"{Env.METRICS_FILE} is left out: it is no JSON ({error})")
        return {}
    if not isinstance(document, dict) or len(content) > MOST_METRICS_BYTES:
        context.notice(f"{Env.METRICS_FILE} is left out; allowed: a JSON object of numbers by name, of 64 KiB at most")
        return {}
    figures = {name: float(value) for name, value in document.items() if _is_number(value)}
    if others := [name for name in document if name not in figures]:
        context.notice(f"{Env.METRICS_FILE}: {others[0]!r:.80} is left out, as it is no number")
    return figures


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def _empty(folder: Path) -> None:
    """Removes what is in a folder. The folder stays: the pods of other workers may have mounted it already."""
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each, ignore_errors=True)
        else:
            each.unlink(missing_ok=True)


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
