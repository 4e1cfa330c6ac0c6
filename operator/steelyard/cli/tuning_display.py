"""How a search looks while it runs: a live table of trials on a terminal, plain lines elsewhere, JSON for scripts.

Imports rich, local, the search and the api.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from steelyard.api.tuning_job import TuningJobSpec
from steelyard.cli.display import PlainLines, describe, progress_bar, starting
from steelyard.cli.fitting import fitting_columns, fitting_figures, fitting_parts, quiet_keys, say
from steelyard.cli.output import OutputFormat, print_json
from steelyard.cli.trial_table import answered, best_first, cost, header, metric, row, stopped_at, values_on_a_line
from steelyard.contract.events import RunEnded, StageEnded, StageRetried, StageSkipped, StageStarted
from steelyard.contract.stages import Notice, Progress
from steelyard.search.events import (
    NewBest,
    SearchEnded,
    SearchEvent,
    SearchReport,
    SearchStarted,
    TrialEnded,
    TrialStarted,
    TrialTold,
)
from steelyard.search.log import Entry

LEAST_ROWS = 3
_OTHER_LINES = 8
"""Of the live display, beside the trials: the bar, the header, the stages and what the shell shows."""


@contextmanager
def search_display(output: OutputFormat, console: Console, spec: TuningJobSpec) -> Iterator[SearchReport]:
    """Shows the events of a search for as long as it is entered."""
    if output is OutputFormat.JSON:
        yield lambda event: print_json(event.to_json())
    elif console.is_terminal:
        board = Board(console, spec)
        with quiet_keys(), Live(get_renderable=board.render, console=console, refresh_per_second=4):
            yield board.report
    else:
        yield SearchLines(console, spec).report


def describe_search(event: SearchEvent, spec: TuningJobSpec) -> str:
    """An event of a search in one line; empty for what is shown otherwise."""
    match event:
        case SearchStarted():
            return f"search: {event.message or answered(len(event.entries), spec)}"
        case TrialStarted(is_packed=False):
            return f"trial {event.number}: started  {values_on_a_line(event.values, spec.parameters)}"
        case TrialTold(told=Notice() as told):
            return f"trial {event.number}: {told.message}"
        case TrialEnded():
            return _described_end(event, spec)
        case NewBest():
            # With two objectives this is about the first, and the other may be worse.
            best = f"the best {event.metric}" if spec.objective.secondary else "the best"
            return f"trial {event.entry.number}: {best} so far"
        case SearchEnded():
            return f"search: {event.message}"
        case TrialStarted() | TrialTold():
            return ""
    return describe(event)


def _described_end(event: TrialEnded, spec: TuningJobSpec) -> str:
    entry = event.entry
    seconds = f"in {entry.seconds:.1f} s"
    if entry.state == "Failed":
        return f"trial {entry.number}: failed {seconds}: {event.reason or entry.reason}"
    figures = [f"{event.metric} {metric(entry.value)}", cost(entry.secondary, spec.objective.secondary)]
    stopped = stopped_at(entry, spec)
    pruned = f"pruned after {stopped}: " if stopped else ""
    value = f"{', '.join(filter(None, figures))} {seconds}"
    return f"trial {entry.number}: {pruned}{value}  {values_on_a_line(entry.values, spec.parameters)}"


class SearchLines:
    """One line for each event that is worth it."""

    def __init__(self, console: Console, spec: TuningJobSpec) -> None:
        self._console = console
        self._lines = PlainLines(console)
        self._spec = spec
        self._said: set[str] = set()

    def report(self, event: SearchEvent) -> None:
        """Prints the event."""
        if isinstance(event, Progress | Notice | StageSkipped | StageStarted | StageRetried | StageEnded | RunEnded):
            self._lines.report(event)
            return
        line = describe_search(event, self._spec)
        if isinstance(event, TrialTold):  # Every worker says it.
            if line in self._said:
                return
            self._said.add(line)
        if line:
            say(self._console, line)


@dataclass
class Running:
    """What is shown of a trial that runs."""

    began: float
    values: str
    progress: str = "starts"
    ended: float | None = None
    """When it was stopped, with the search."""


@dataclass
class Board:
    """The trials of a search as a table, best first; what happens beside is printed above it."""

    console: Console
    spec: TuningJobSpec
    _entries: dict[int, Entry] = field(default_factory=dict)
    _running: dict[int, Running] = field(default_factory=dict)
    _stage: str = ""
    _began: float = field(default_factory=time.monotonic)
    _ended: float | None = None

    def __post_init__(self) -> None:
        self._lines = SearchLines(self.console, self.spec)

    def report(self, event: SearchEvent) -> None:
        """Takes the event into the table, and prints above it what has no place in it."""
        match event:
            case SearchStarted():
                self._entries = {entry.number: entry for entry in event.entries}
                if event.message:
                    self._lines.report(event)
            case TrialStarted():
                values = values_on_a_line(event.values, self.spec.parameters)
                slow = "" if event.is_packed else starting(self.spec.template.capabilities)
                self._running[event.number] = Running(time.monotonic(), values, slow or "starts")
            case TrialTold(told=Progress() as told):
                if told.worker == 0 and event.number in self._running:
                    shown = fitting_figures(told.values, self.console.width // 2)
                    said = f"{told.done:,}/{told.total:,} {told.unit}  {shown}"
                    self._running[event.number].progress = said
            case TrialEnded():
                self._running.pop(event.entry.number, None)
                self._entries[event.entry.number] = event.entry
                if event.entry.state == "Failed":
                    self._lines.report(event)
            case Progress():
                self._stage = describe(event)
            case StageStarted():
                self._stage = f"{event.stage}: runs"
            case StageEnded(exit_code=0) | SearchEnded():
                self._stage = ""
                self._lines.report(event)
            case RunEnded():
                self._end()
            case NewBest() | StageSkipped():
                pass
            case _:
                self._lines.report(event)

    def _end(self) -> None:
        """Nothing runs any more: what did is stopped, as by Ctrl-C."""
        self._ended = self._ended or time.monotonic()
        self._stage = self._stage.replace(": runs", ": stopped")
        for trial in self._running.values():
            trial.progress, trial.ended = "stopped", self._ended

    def render(self) -> RenderableType:
        """The table as it is now."""
        parts: list[RenderableType] = [self._bar()]
        if self._stage:
            parts.append(Text(self._stage, no_wrap=True, overflow="ellipsis"))
        most = max(LEAST_ROWS, self.console.height - _OTHER_LINES)
        running = list(self._running.items())[: max(LEAST_ROWS, most // 2)]
        if self._entries:
            parts.append(self._table(max(LEAST_ROWS, most - len(running))))
        for number, trial in running:
            whole = f"trial {number}  {_clock(trial.began, trial.ended)}  {trial.progress}  {trial.values}"
            line = fitting_parts(whole, self.console.width)
            parts.append(Text(line, style="cyan", no_wrap=True, overflow="ellipsis"))
        if len(self._running) > len(running):
            parts.append(Text(f"and {len(self._running) - len(running)} more run or wait", style="dim"))
        return Group(*parts)

    def _bar(self) -> RenderableType:
        answered = len(self._entries)
        line = Table.grid(padding=(0, 2))
        states = [entry.state for entry in self._entries.values()]
        counts = [f"{len(self._running)} {'run' if self._ended is None else 'stopped'}"] if self._running else []
        counts += [f"{states.count(state)} {state.lower()}" for state in ("Pruned", "Failed") if state in states]
        line.add_row(
            Text("trials", style="bold"),
            progress_bar(answered, self.spec.max_trials, 20),
            Text(f"{answered:,}/{self.spec.max_trials:,}", no_wrap=True),
            Text(_clock(self._began, self._ended), style="dim"),
            Text(", ".join(counts), style="dim", no_wrap=True, overflow="ellipsis"),
        )
        return line

    def _table(self, rows: int) -> RenderableType:
        table = Table(box=None, padding=(0, 1), header_style="bold")
        entries = best_first(self._entries.values(), self.spec.objective.direction)
        names, cells = header(self.spec), [row(entry, self.spec) for entry in entries[:rows]]
        shown = fitting_columns([names, *cells], self._importance(len(names)), self.console.width, gap=2)
        for column in shown:
            table.add_column(Text(names[column]), no_wrap=True, overflow="ellipsis")
        styles = {"Pruned": "dim", "Failed": "red"}
        for place, (entry, each) in enumerate(zip(entries, cells, strict=False)):
            style = styles.get(entry.state, "green" if place == 0 else None)
            table.add_row(*(Text(each[column]) for column in shown), style=style)
        parts: list[RenderableType] = [table]
        if len(entries) > rows:
            parts.append(Text(f" ... {len(entries) - rows} more", style="dim"))
        if hidden := [name for column, name in enumerate(names) if column not in shown]:
            text = f" too wide for this terminal: {', '.join(hidden)}; `steelyard trials` shows all"
            parts.append(Text(text, style="dim", no_wrap=True, overflow="ellipsis"))
        return Group(*parts)

    def _importance(self, columns: int) -> list[int]:
        """Trial, the metric, the second objective, the parameters in their order, the state, the seconds."""
        values = 4 if self.spec.objective.secondary else 3
        return [0, 2, *range(3, values), *range(values, columns - 1), 1, columns - 1]


def _clock(began: float, ended: float | None = None) -> str:
    minutes, seconds = divmod(int((ended or time.monotonic()) - began), 60)
    return f"{minutes}:{seconds:02}"
