"""The supervisor before a program of a user's own: `supervise -- COMMAND [ARGUMENT ...]`, as the environment says.

Imports the gang's parts and what is pure of the contract: images/trainer/static makes one file of it.
"""

import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from steelyard.contract.stages import ExitCode
from steelyard_trainer.gang.contained import supervise
from steelyard_trainer.process import run_process


def main(arguments: Sequence[str]) -> NoReturn:
    """Runs the program to its end, and ends this process as the contract says."""
    signal.signal(signal.SIGTERM, lambda _signal, _frame: os._exit(ExitCode.TRY_AGAIN))
    # The launcher of the static file has blocked it, and the program inherits what is blocked.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    match arguments:
        case ["--", _, *_]:
            run_process("train", lambda: supervise(arguments[1:]))
        case _:
            sys.exit("usage: supervise -- COMMAND [ARGUMENT ...]")


if __name__ == "__main__":
    main(sys.argv[1:])
