"""`steelyard run` of a TuningJob: a search on this machine. Imports rich, local and the api."""

import shlex
from typing import Any

from rich.console import Console

from steelyard.cli.fitting import program, say
from steelyard.cli.next_commands import next_commands, next_heading
from steelyard.cli.outcome import outcome_lines, typed
from steelyard.cli.output import OutputFormat
from steelyard.cli.trial_table import cost, front_line, metric, shown
from steelyard.cli.tuning_display import search_display
from steelyard.contract.events import RunEnded
from steelyard.contract.stages import Reason
from steelyard.local.runner import StageError
from steelyard.local.tuning.job import LocalSearch
from steelyard.local.tuning.runner import SearchRunner


def run_search(search: LocalSearch, *, force: bool, output: OutputFormat) -> None:
    """Runs a search and says what came out. Raises SteelyardError."""
    console = Console()
    try:
        with search_display(output, console, search.tuning.spec) as report:
            ended = SearchRunner(search, report).run(force=force)
    except StageError as error:
        raise error.with_log() from None
    if output is OutputFormat.TEXT:
        say(console, "\n" + search_summary(ended, search))


def search_summary(ended: RunEnded, search: LocalSearch) -> str:
    """What a search achieved, for a person: the best trial, what was published, and what to do next."""
    head = f"The search {ended.job} is done: {ended.message}."
    if ended.reason == Reason.ALREADY_FINISHED:
        head = f"The search {ended.job} is finished already; nothing was done (--force does it all again)."
    found = ended.summary
    folders = [typed(folder) for folder in search.template.publish_folders]
    lines = [
        head,
        "",
        *best_lines(found, search.tuning.spec.objective.secondary),
        *outcome_lines(_objective_first(found, search.tuning.spec.objective.name), folders),
    ]
    following = [f"  {shlex.quote(program())} trials {shlex.quote(typed(search.workspace.root))}"]
    if folders:
        following += next_commands(search.template, folders[0])
    else:
        lines += ["", "Nothing was published, as the manifest asks."]
    return "\n".join([*lines, "", next_heading(following), *following])


def _objective_first(found: dict[str, Any], name: str) -> dict[str, Any]:
    """The summary with the objective before the other metrics."""
    metrics = found.get("metrics", {})
    return {**found, "metrics": {name: metrics[name], **metrics}} if name in metrics else found


def best_lines(found: dict[str, object], secondary: str | None = None) -> list[str]:
    """The best trial of a search's summary, and how many others there are; `secondary` is the secondary objective."""
    lines = []
    match found.get("best"):
        case {"trial": number, "metric": name, "value": float(value), "parameters": dict(parameters), **rest}:
            each_cost = rest.get("secondary")
            figures = [
                f"{name} {metric(value)}",
                cost(each_cost if isinstance(each_cost, int | float) else None, secondary),
            ]
            lines.append(f"best        trial {number}: {', '.join(filter(None, figures))}")
            lines += [f"            {path}: {shown(each)}" for path, each in parameters.items()]
    match found.get("trials"):
        case {"created": created, **by_state}:
            others = [f"{count} {state}" for state, count in by_state.items() if count]
            lines.append(f"trials      {created}: {', '.join(others)}")
    match found.get("front"):
        case [int(), *_] as front:
            lines.append(f"front       {front_line([number for number in front if isinstance(number, int)])}")
    return lines
