"""`steelyard plan` of a TuningJob: its space and its first trials. Imports rich, tuning, local, the report, the search
and the api."""

import math
from typing import Any

from rich.console import Console

from steelyard.api.tuning import Parameter
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.cli.output import OutputFormat, print_json, section_lines
from steelyard.cli.trial_table import answered, numbered, short_names, shown
from steelyard.contract.stages import Reason
from steelyard.local.code_check import check_own_code
from steelyard.local.provable import too_few_rows_of
from steelyard.local.source import sources_digest
from steelyard.local.tuning.job import LocalSearch
from steelyard.local.tuning.state import SearchState, inputs_of, why_anew
from steelyard.local.tuning.suggestions import load_prior
from steelyard.planning.notes import stall_notes, student_notes
from steelyard.report.blocks import Section, Table
from steelyard.search.log import Values
from steelyard.tuning.asking import Asker
from steelyard.tuning.search import INDEPENDENT, next_step

MOST_TRIALS = 10
_STARTUP = 10
"""Trials that TPE and GP draw at random, where the manifest does not say."""
_LISTED = 8
"""Values of a parameter that are shown."""


def plan_search(search: LocalSearch, output: OutputFormat) -> None:
    """Shows what a search would try. Raises SteelyardError."""
    spec = search.tuning.spec
    check_own_code(search.template)
    standing = _standing(search)
    prior, _ = load_prior(search)
    asker = Asker(spec)
    trials: list[Values] = []
    for number in range(min(_first_trials(spec, len(prior)), spec.max_trials)):
        if (values := asker.ask(number, (), trials, prior)) is None:
            break
        trials.append(values)
    size = asker.space.combinations
    template = search.template.job.spec
    doubt = too_few_rows_of(template, search.template.surroundings, read_table=False)
    notes = [*stall_notes(template), *student_notes(template, is_of_search=True)]
    notes += [f"too few rows: {doubt}"] if doubt else []
    if output is OutputFormat.JSON:
        print_json(
            {
                "job": search.name,
                "workspace": str(search.workspace.root),
                "publish": [str(folder) for folder in search.template.publish_folders],
                "space": [_parameter_to_json(parameter) for parameter in spec.parameters],
                "combinations": size,
                "algorithm": spec.algorithm.name,
                "maxTrials": spec.max_trials,
                "trials": trials,
                "standing": standing,
                "notes": notes,
            }
        )
        return
    lines = [*_lines(search, trials, size, standing), *(f"note: {note}" for note in notes)]
    Console().print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _lines(search: LocalSearch, trials: list[Values], size: int | None, standing: str) -> list[str]:
    spec = search.tuning.spec
    objective = spec.objective
    target = f", until {objective.target:g}" if objective.target is not None else ""
    secondary = f", and the least {objective.secondary.lower()}" if objective.secondary else ""
    limits = f"{numbered(spec.max_trials, 'trial')} at most, {spec.parallel_trials} at a time"
    lines = [
        f"search     {search.name}",
        f"workspace  {search.workspace.root}",
        f"objective  {objective.direction.lower()} {objective.name}{target}{secondary}",
        f"algorithm  {spec.algorithm.name}, seed {spec.algorithm.seed}; {limits}",
        f"pruning    {spec.pruning.name if spec.pruning else 'none'}",
        f"now        {standing}",
        "",
        *section_lines(Section("", (_parameters(spec),))),
        "",
        f"combinations  {'infinitely many' if size is None else f'{size:,}'}",
        "",
    ]
    rows = tuple((str(number), *_cells(values, spec)) for number, values in enumerate(trials))
    lines += section_lines(Section("", (Table(("TRIAL", *short_names(spec.parameters).values()), rows),)))
    left = (spec.max_trials if size is None else min(spec.max_trials, size)) - len(trials)
    if left <= 0:
        return lines
    if spec.algorithm.name in INDEPENDENT:
        return [*lines, f"and {left:,} more"]
    depend = "trial depends" if left == 1 else "trials depend"
    return [*lines, f"{spec.algorithm.name} learns: the other {left:,} {depend} on the results of these."]


def _first_trials(spec: TuningJobSpec, prior: int) -> int:
    """How many of the first trials depend on no answer, but 10 at most; `prior` answers are known beforehand."""
    algorithm = spec.algorithm
    if algorithm.name in INDEPENDENT:
        return MOST_TRIALS
    if algorithm.name in ("CMA-ES", "NSGA-II"):
        generation = 4 + int(3 * math.log(len(spec.parameters))) if algorithm.name == "CMA-ES" else MOST_TRIALS
        drawn = algorithm.population_size or generation
    else:
        drawn = (algorithm.startup_trials or _STARTUP) - prior
    return min(MOST_TRIALS, max(drawn, spec.parallel_trials, len(spec.initial_trials)))


def _standing(search: LocalSearch) -> str:
    """What `run` would do with the log that is there."""
    state = SearchState.load(search)
    if state is None:
        return "it has not begun yet"
    dataset = search.tuning.spec.template.dataset
    digest, _ = sources_digest(dataset, search.template.surroundings, state.source)
    _, prior_digest = load_prior(search, digest)
    if why := why_anew(state, inputs_of(search.tuning.spec, digest, prior_digest)):
        return f"it begins anew ({len(state.entries)} results are of no use): {why}"
    return _progress(state, search.tuning.spec)


def _progress(state: SearchState, spec: TuningJobSpec) -> str:
    """How far a search is whose log is of use, or why nothing is left to ask."""
    exhausted_at = max(state.entries, default=-1) + 1 if state.ended == Reason.SPACE_EXHAUSTED else None
    step = next_step(spec, state.entries, (), minutes=state.seconds / 60, exhausted_at=exhausted_at)
    if step.end is None:
        return f"it goes on: {answered(len(state.entries), spec)}"
    if step.end.has_failed:
        return f"it has failed: {step.end.message}"
    is_cut = len(state.entries) > spec.max_trials
    return f"it has ended: {answered(len(state.entries), spec) if is_cut else step.end.message}"


def _parameters(spec: TuningJobSpec) -> Table:
    header = ("PARAMETER", "TYPE", "VALUES", "ONLY WHERE")
    rows = tuple((each.path, each.type, _values(each), _condition(each)) for each in spec.parameters)
    shown = len(header) if any(each.when for each in spec.parameters) else len(header) - 1
    return Table(header[:shown], tuple(row[:shown] for row in rows))


def _values(parameter: Parameter) -> str:
    if parameter.values is not None:
        listed = [shown(value) for value in parameter.values[:_LISTED]]
        more = f" and {len(parameter.values) - _LISTED} more" if len(parameter.values) > _LISTED else ""
        return ", ".join(listed) + more
    step = f" by {parameter.step:g}" if parameter.step is not None else ""
    return f"{parameter.min:g} to {parameter.max:g}{step}{', log' if parameter.log else ''}"


def _condition(parameter: Parameter) -> str:
    if parameter.when is None:
        return ""
    return f"{parameter.when.path} is {' or '.join(shown(value) for value in parameter.when.values)}"


def _cells(values: Values, spec: TuningJobSpec) -> list[str]:
    return [shown(values[parameter.path]) if parameter.path in values else "" for parameter in spec.parameters]


def _parameter_to_json(parameter: Parameter) -> dict[str, Any]:
    document: dict[str, Any] = parameter.model_dump(mode="json", by_alias=True, exclude_none=True)
    return document
