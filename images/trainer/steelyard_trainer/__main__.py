"""`python -m steelyard_trainer prepare|train|finish|pack`: one stage, as the environment says."""

import os
import signal
import sys

from steelyard.contract.stages import ExitCode


def main() -> None:
    """Runs the stage that the first argument names. Each is imported when it runs: libraries are slow to import."""
    # First of all: the imports take long enough for SIGTERM to come meanwhile, and the first process of a container is
    # not ended by a signal that it does not handle.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: os._exit(ExitCode.TRY_AGAIN))
    from steelyard_trainer.contract import StageContext, die_with_parent, run_stage

    die_with_parent()
    match sys.argv[1:]:
        case ["prepare"]:
            from steelyard_trainer.data.prepare import prepare

            run_stage("prepare", prepare, StageContext.from_environment)
        case ["train"]:
            from steelyard_trainer.train import train

            run_stage("train", train, StageContext.from_environment)
        case ["finish"]:
            from steelyard_trainer.finish import finish

            run_stage("finish", finish, StageContext.from_environment)
        case ["pack"]:
            from steelyard_trainer.pack import PackContext, pack

            run_stage("pack", pack, PackContext.from_environment)
        case _:
            sys.exit("usage: python -m steelyard_trainer prepare|train|finish|pack")


if __name__ == "__main__":
    main()
