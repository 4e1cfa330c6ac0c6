"""What fits on a terminal's line: figures and columns by importance, words that stay whole. Imports texts and the
standard library only."""

import os
import shutil
import sys
import termios
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.texts.printable import printable

if TYPE_CHECKING:
    from rich.console import Console


def figures(values: Mapping[str, float]) -> str:
    """Figures on one line, such as `loss 0.1234  val_accuracy 0.9812`."""
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())


def fitting_figures(values: Mapping[str, float], width: int) -> str:
    """The figures that fit into so many characters, each whole: first the metric on the validation set, then the loss
    there, then those of the training set; at least the first."""
    ranked = sorted((name for name in values if not name.startswith("step_")), key=_rank)
    line = ""
    for name in ranked:
        longer = f"{line}  {figures({name: values[name]})}" if line else figures({name: values[name]})
        if line and len(longer) > width:
            break
        line = longer
    return line


def _rank(name: str) -> tuple[bool, bool]:
    """Less is more important."""
    return not name.startswith("val_"), name.endswith("loss")


def fitting_parts(line: str, width: int) -> str:
    """As many of a line's parts, which have two blanks between them, as fit into so many characters."""
    parts = line.split("  ")
    while len(parts) > 1 and len("  ".join(parts)) > width:
        parts.pop()
    return "  ".join(parts)


def fitting_columns(cells: Sequence[Sequence[str]], importance: Sequence[int], width: int, gap: int) -> list[int]:
    """Which columns of a table are shown, in their order: the most important ones that fit, at least the first two.

    Args:
        cells: the header and the rows, each with a cell for every column.
        importance: the columns, the most important first.
        width: characters of the whole table.
        gap: characters beside each column.
    """
    widths = [max(len(row[column]) for row in cells) + gap for column in range(len(cells[0]))]
    kept: list[int] = []
    for column in importance:
        if len(kept) >= 2 and sum(widths[each] for each in kept) + widths[column] > width:
            break
        kept.append(column)
    return sorted(kept)


def say(console: "Console", text: str) -> None:
    """Prints text as it is; on a terminal its lines end between words, and continue under what they begin with.

    Lines that begin with two blanks are to be pasted, or belong to a table, and stay whole.
    """
    lines = printable(text).split("\n")
    if console.is_terminal:
        lines = [part for line in lines for part in wrapped(line, console.width)]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def told(text: str, width: int) -> str:
    """What is told on standard error: no word is broken, and a line goes on two blanks further in than it began."""
    lines = []
    for line in text.split("\n"):
        indent = line[: len(line) - len(line.lstrip())]
        lines += _wrap(line, width, f"{indent}  ") or [""]
    return "\n".join(lines)


def wrapped(line: str, width: int) -> list[str]:
    """A line as lines that end between words; see `say`."""
    if line.startswith("  ") or len(line) <= width:
        return [line]
    # The outcome's lines have a name of 12 characters in front.
    is_named = line[11:12] == " " and line[12:13] not in ("", " ") and line[:12].strip().isalpha()
    if is_named and " " not in line[12:]:
        return [line]
    return _wrap(line, width, " " * 12 if is_named else "  ")


def _wrap(line: str, width: int, indent: str) -> list[str]:
    """A line as lines that end between words; all but the first begin with the indent."""
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
        drop_whitespace=True,
    )


@contextmanager
def quiet_keys() -> Iterator[None]:
    """Lets the terminal not write ^C where the cursor is: at the end of a full line of a live table, the table would be
    drawn anew one line too low, and that line stand there twice."""
    if not sys.stdin.isatty() or os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    without = [*before[:3], before[3] & ~termios.ECHOCTL, *before[4:]]
    try:
        termios.tcsetattr(sys.stdin, termios.TCSANOW, without)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSANOW, before)


def program() -> str:
    """The `steelyard` that runs, as it can be typed here: where it is not the one on the PATH, with its folder."""
    called = Path(sys.argv[0])
    if called.name != "steelyard" or not called.is_file():
        return "steelyard"
    found = shutil.which("steelyard")
    if found is not None and called.samefile(found):
        return "steelyard"
    here, whole = Path.cwd(), called.absolute()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)
