"""How a run looks: a live table on a terminal, plain lines elsewhere, JSON lines for scripts. Imports rich."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from steelyard.api.models.capabilities import Capabilities
from steelyard.cli.fitting import figures, fitting_figures, quiet_keys, say
from steelyard.cli.output import OutputFormat, print_json
from steelyard.contract.events import Event, Report, RunEnded, StageEnded, StageRetried, StageSkipped, StageStarted
from steelyard.contract.stages import Notice, Progress, StageName

STAGES: tuple[StageName, ...] = ("prepare", "train", "finish")
_STAGES_WITH_A_MODEL: tuple[StageName, ...] = ("train", "finish")
LINE_SECONDS = 2.0
"""At most one line of progress in this time, where there is no terminal."""


_GAP = 2


def starting(can: Capabilities) -> str:
    """What a process of this model's family is at when it starts, where that takes long; else empty."""
    library = can.family.slow_library
    return f"starting {library}" if library else ""


def slow_starts(can: Capabilities) -> dict[StageName, str]:
    """The same by stage."""
    # What has no epochs is not trained by the library.
    stages = [stage for stage in _STAGES_WITH_A_MODEL if stage != "train" or can.has_epochs]
    return {stage: starting(can) for stage in stages if starting(can)}


@contextmanager
def display(
    output: OutputFormat,
    console: Console,
    stages: Sequence[StageName] = STAGES,
    slow: Mapping[StageName, str] = {},
) -> Iterator[Report]:
    """Shows the events of a run of these stages for as long as it is entered; of some it says what they begin with."""
    if output is OutputFormat.JSON:
        yield lambda event: print_json(event.to_json())
    elif console.is_terminal:
        table = LiveTable(console, stages, slow)
        with quiet_keys(), Live(get_renderable=table.render, console=console, refresh_per_second=8):
            yield table.report
    else:
        yield PlainLines(console).report


def progress_bar(completed: float, total: float, width: int, *, pulse: bool = False) -> ProgressBar:
    """A bar in calm colors: rich's own is red, which is for what fails."""
    return ProgressBar(
        total=total,
        completed=completed,
        width=width,
        pulse=pulse,
        complete_style="cyan",
        finished_style="green",
        pulse_style="cyan",
    )


def describe(event: Event) -> str:
    """An event in one line; empty for what is shown otherwise."""
    match event:
        case Progress():
            return f"{event.stage}: {event.done:,}/{event.total:,} {event.unit}  {figures(event.values)}".rstrip()
        case Notice():
            return f"{event.stage}: {event.message}"
        case StageSkipped():
            return f"{event.stage}: skipped, {event.message}"
        case StageStarted():
            workers = f", {event.workers} workers" if event.workers > 1 else ""
            attempt = f", attempt {event.attempt}" if event.attempt > 1 else ""
            return f"{event.stage}: started{workers}{attempt} ({event.message})"
        case StageRetried():
            return f"{event.stage}: {event.message}\n{event.stage}: starts again in {event.pause_seconds:.3g} s"
        case StageEnded(exit_code=0):
            return f"{event.stage}: done in {event.seconds:.1f} s: {event.message}"
        case StageEnded():
            return f"{event.stage}: failed after {event.seconds:.1f} s ({event.reason})"
        case RunEnded():
            return ""


class PlainLines:
    """One line for each event, and for progress now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: set[str] = set()
        self._next_progress = 0.0

    def report(self, event: Event) -> None:
        """Prints the event, if it is worth a line."""
        line = describe(event)
        if isinstance(event, Progress):
            now = time.monotonic()
            if event.worker != 0 or (now < self._next_progress and event.done < event.total):
                return
            self._next_progress = now + LINE_SECONDS
        elif isinstance(event, Notice):
            # Every worker says it.
            if line in self._said:
                return
            self._said.add(line)
        elif isinstance(event, StageStarted):
            self._said.clear()
        if line:
            say(self._console, line)


@dataclass
class Row:
    """What the live table shows of one stage."""

    stage: StageName
    state: str = "waits"
    style: str = "dim"
    done: int = 0
    total: int = 0
    unit: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    began: float | None = None
    ended: float | None = None

    @property
    def elapsed(self) -> str:
        """Minutes and seconds since the stage's first start in this run."""
        if self.began is None:
            return ""
        minutes, seconds = divmod(int((self.ended or time.monotonic()) - self.began), 60)
        return f"{minutes}:{seconds:02}"


class LiveTable:
    """A table with a progress bar per stage; what happens beside is printed above it."""

    def __init__(
        self, console: Console, stages: Sequence[StageName] = STAGES, slow: Mapping[StageName, str] = {}
    ) -> None:
        self._lines = PlainLines(console)
        self._rows = {stage: Row(stage) for stage in stages}
        self._slow = slow

    def report(self, event: Event) -> None:
        """Takes the event into the table, and prints above it what has no place in it."""
        if isinstance(event, RunEnded):
            self._end()
            return
        row = next((row for row in self._rows.values() if row.stage == event.stage), None)
        if row is None:
            return
        match event:
            case Progress():
                if event.worker == 0:
                    row.done, row.total, row.unit, row.values = event.done, event.total, event.unit, event.values
            case StageStarted():
                row.state, row.style = ("runs" if event.attempt == 1 else f"attempt {event.attempt}"), "cyan"
                row.began = row.began or time.monotonic()
            case StageSkipped():
                row.state, row.style = "skipped", "dim green"
            case StageRetried():
                row.state, row.style = "pauses", "yellow"
                self._lines.report(event)
            case StageEnded():
                row.state, row.style = ("done", "green") if event.exit_code == 0 else ("failed", "red")
                row.ended = time.monotonic()
            case Notice():
                self._lines.report(event)

    def _end(self) -> None:
        """Nothing runs any more: what did is stopped, as by Ctrl-C."""
        for row in self._rows.values():
            if row.began is not None and row.ended is None and row.state not in ("done", "failed", "skipped"):
                row.state, row.style, row.ended = "stopped", "yellow", time.monotonic()

    def render(self) -> RenderableType:
        """The table as it is now."""
        return self

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Fits the table into the terminal: the bar becomes shorter, then figures go, the least telling first."""
        bar = 20 if options.max_width >= 100 else 10
        counts = {stage: self._count(row) for stage, row in self._rows.items()}
        rows = self._rows.values()
        taken = [
            *(_widest([row.stage for row in rows]), _widest([row.state for row in rows])),
            *(_widest(counts.values()), _widest([row.elapsed for row in rows])),
        ]
        left = options.max_width - bar - 5 * _GAP - sum(taken)
        table = Table.grid(padding=(0, _GAP, 0, 0))
        for row in rows:
            is_done = row.state in ("done", "skipped")
            share = 1.0 if is_done else row.done / row.total if row.total else 0.0
            cells = (
                Text(row.stage, style="bold"),
                progress_bar(share, 1.0, bar, pulse=row.state == "runs" and not row.total),
                Text(row.state, style=row.style),
                Text(counts[row.stage]),
                Text(row.elapsed, style="dim"),
                Text(fitting_figures(row.values, left), style="dim", overflow="ellipsis"),
            )
            for cell in cells:
                if isinstance(cell, Text):
                    cell.no_wrap = True
            table.add_row(*cells)
        yield table

    def _count(self, row: Row) -> str:
        if row.total:
            return f"{row.done:,}/{row.total:,} {row.unit}"
        is_starting = row.began is not None and row.ended is None
        return self._slow.get(row.stage, "") if is_starting else ""


def _widest(cells: Collection[str]) -> int:
    return max(map(len, cells), default=0)
