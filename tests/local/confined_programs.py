"""What a process with limits does in the tests: `python -m confined_programs FOLDER WHAT`."""

import socket
import sys
import time
from pathlib import Path

from steelyard_trainer.elsewhere.confined import confine, finish, refuse


def main() -> None:
    """Does what it is told."""
    folder, what = Path(sys.argv[1]), sys.argv[2]
    is_cut_off = confine()
    match what:
        case "memory":
            held = bytearray(8 * 2**30)
            finish(folder, {"held": len(held)})
        case "time":
            time.sleep(60)
        case "file":
            with (folder / "large").open("wb") as file:
                file.truncate(2**40)
        case "refuse":
            refuse(folder, "it is\nnone")
        case "crash":
            raise ValueError("of its own")
        case "network":
            try:
                socket.create_connection(("127.0.0.1", int(sys.argv[3])), timeout=5).close()
                reached = True
            except OSError:
                reached = False
            finish(folder, {"reached": reached, "cut_off": is_cut_off})


if __name__ == "__main__":
    main()
