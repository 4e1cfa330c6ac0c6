"""How a run started from Python looks: in a notebook as a table that changes in place, elsewhere as the command's.

Imports rich, local, the cli's displays; IPython in a notebook, where it is there.
"""

import contextvars
import io
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType

from steelyard.api.training_job import TrainingJob
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.cli.display import LiveTable, display, slow_starts
from steelyard.cli.output import OutputFormat
from steelyard.cli.tuning_display import Board, search_display
from steelyard.contract.events import Report
from steelyard.planning.plan import stages_of
from steelyard.search.events import SearchReport

COLUMNS = 120
"""Characters in a line of a notebook's output."""
TICK_SECONDS = 0.5
_FRAME = (
    "<pre style=\"white-space:pre;overflow-x:auto;line-height:normal;font-family:Menlo,'DejaVu Sans Mono',consolas,"
    "'Courier New',monospace\">{code}</pre>"
)


@contextmanager
def job_progress(job: TrainingJob, *, is_shown: bool) -> Iterator[Report]:
    """Shows the events of a job for as long as it is entered."""
    stages = stages_of(job.spec)
    slow = slow_starts(job.spec.capabilities)
    if not is_shown:
        yield lambda _event: None
    elif in_notebook():
        table = LiveTable(_plain_console(), stages, slow)
        with _in_place(table.render):
            yield table.report
    else:
        with display(OutputFormat.TEXT, Console(), stages, slow) as report:
            yield report


@contextmanager
def search_progress(spec: TuningJobSpec, *, is_shown: bool) -> Iterator[SearchReport]:
    """Shows the events of a search for as long as it is entered."""
    if not is_shown:
        yield lambda _event: None
    elif in_notebook():
        board = Board(_plain_console(), spec)
        with _in_place(board.render):
            yield board.report
    else:
        with search_display(OutputFormat.TEXT, Console(), spec) as report:
            yield report


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel."""
    interactive = sys.modules.get("IPython")
    shell = None if interactive is None else interactive.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config


def _plain_console() -> Console:
    """For the lines that stand beside the table."""
    return Console(width=COLUMNS, height=24, force_terminal=False, force_jupyter=False)


@contextmanager
def _in_place(render: Callable[[], RenderableType]) -> Iterator[None]:
    """One output of the cell, which is brought up to date now and then."""
    import IPython.display

    notebook: Any = IPython.display
    shown = as_mime(render())
    handle = notebook.display(shown, raw=True, display_id=True)
    over = threading.Event()

    def update() -> None:
        nonlocal shown
        if (now := as_mime(render())) != shown:
            handle.update(now, raw=True)
            shown = now

    def tick() -> None:
        while not over.wait(TICK_SECONDS):
            update()

    # What a thread writes belongs to the cell that it was started by.
    ticker = threading.Thread(target=contextvars.copy_context().run, args=(tick,), daemon=True)
    ticker.start()
    try:
        yield
    finally:
        over.set()
        ticker.join()
        update()


def as_mime(renderable: RenderableType) -> dict[str, str]:
    """What rich shows, as a notebook takes it: HTML, and text for those that show none."""
    console = Console(
        file=io.StringIO(), record=True, width=COLUMNS, height=24, color_system="truecolor", force_jupyter=False
    )
    console.print(renderable)
    text = console.export_text(clear=False)
    html = console.export_html(inline_styles=True, code_format=_FRAME)
    return {"text/plain": text, "text/html": html}
