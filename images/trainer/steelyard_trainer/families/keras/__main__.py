"""`python -m steelyard_trainer.families.keras train|pack DESCRIPTOR`: TensorFlow's side."""

import os
import signal
import sys

from steelyard.contract.stages import ExitCode


def main() -> None:
    """Trains a worker's part, or one trial of a pack after the other."""
    # As in steelyard_trainer.__main__: TensorFlow is slow to import, and SIGTERM may come meanwhile.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: os._exit(ExitCode.TRY_AGAIN))
    from steelyard_trainer.contract import StageContext, die_with_parent, run_stage

    die_with_parent()
    from steelyard_trainer import pulse
    from steelyard_trainer.families.keras.lean import import_keras

    pulse.begin()
    import_keras()
    pulse.beat()
    match sys.argv[1:]:
        case ["train"]:
            from steelyard_trainer.families.keras.worker import train

            run_stage("train", train, StageContext.from_environment)
        case ["pack", descriptor]:
            from steelyard_trainer.families.keras.pack_worker import serve

            serve(int(descriptor))
        case _:
            sys.exit("usage: python -m steelyard_trainer.families.keras train|pack DESCRIPTOR")


if __name__ == "__main__":
    main()
