"""`python -m steelyard_trainer prepare|train|finish|pack`: one stage, as the environment says.

`supervise -- COMMAND` runs a program of a user's own in the stage train. `begin-program`,
`install-supervisor FOLDER` and `wait-for-peers` are for a pod's initContainers before such a program.
"""

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from steelyard.contract.stages import ExitCode

if TYPE_CHECKING:
    from steelyard_trainer.contract import Outcome, StageContext

USAGE = (
    "usage: python -m steelyard_trainer prepare|train|finish|pack, supervise -- COMMAND [ARGUMENT ...], "
    "begin-program, install-supervisor FOLDER, or wait-for-peers"
)


def main() -> None:
    """Runs the stage that the first argument names. Each is imported when it runs: libraries are slow to import."""
    # First of all: the imports take long enough for SIGTERM to come meanwhile, and the first process of a container is
    # not ended by a signal that it does not handle.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: os._exit(ExitCode.TRY_AGAIN))
    from steelyard_trainer.process import die_with_parent

    die_with_parent()
    match sys.argv[1:]:
        case ["supervise", *arguments]:
            from steelyard_trainer.gang.__main__ import main as supervise

            supervise(arguments)
        case ["install-supervisor", folder]:
            from steelyard_trainer.gang.install import install
            from steelyard_trainer.process import run_process

            run_process("train", lambda: install(Path(folder)))
        case ["wait-for-peers"]:
            from steelyard_trainer.contract import run_stage
            from steelyard_trainer.gang.barrier import wait_for_peers

            run_stage("train", lambda _stage: wait_for_peers(), lambda stage: stage)
        case [stage]:
            _run(stage)
        case _:
            sys.exit(USAGE)


def _run(stage: str) -> NoReturn:
    from steelyard_trainer.contract import StageContext, run_stage

    match stage:
        case "prepare":
            run_stage("prepare", _prepare, StageContext.from_environment)
        case "train":
            from steelyard_trainer.train import train

            run_stage("train", train, StageContext.from_environment)
        case "finish":
            run_stage("finish", _finish, StageContext.from_environment)
        case "pack":
            from steelyard_trainer.pack import PackContext, pack

            run_stage("pack", pack, PackContext.from_environment)
        case "begin-program":
            from steelyard_trainer.container.program import begin_program

            run_stage("train", begin_program, StageContext.from_environment)
        case _:
            sys.exit(USAGE)


def _prepare(context: "StageContext") -> "Outcome":
    from steelyard_trainer import pulse
    from steelyard_trainer.alone import watch

    watch(context)
    from steelyard_trainer.data.prepare import prepare

    pulse.beat()
    return prepare(context)


def _finish(context: "StageContext") -> "Outcome":
    from steelyard_trainer import pulse
    from steelyard_trainer.alone import watch

    watch(context)
    from steelyard_trainer.finish import finish

    pulse.beat()
    return finish(context)


if __name__ == "__main__":
    main()
