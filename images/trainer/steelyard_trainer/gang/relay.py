"""Passes on what a program prints, and hears its lines of progress among it: of programs that are not ours and have no
pulse. Standard library only.
"""

import json
import os
import sys
import threading
from collections.abc import Callable
from typing import IO

_LONGEST_LINE_BYTES = 65536
"""No line of progress is that long."""


def relay(output: IO[bytes], beat: Callable[[], None]) -> threading.Thread:
    """Writes all that comes to standard output, in a thread that ends with the output.

    Args:
        output: a program's standard output.
        beat: is called at each line of progress.
    """
    thread = threading.Thread(target=_relay, args=(output, beat), daemon=True)
    thread.start()
    return thread


def _relay(output: IO[bytes], beat: Callable[[], None]) -> None:
    rest = b""
    with output:
        while chunk := os.read(output.fileno(), _LONGEST_LINE_BYTES):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LONGEST_LINE_BYTES:
                rest = b""
            for line in lines:
                if is_progress(line):
                    beat()


def is_progress(line: bytes) -> bool:
    """Whether a line is one of progress, as the contract has them."""
    # Most lines are not, and a program may print millions.
    if b'"progress"' not in line:
        return False
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("event") == "progress"
