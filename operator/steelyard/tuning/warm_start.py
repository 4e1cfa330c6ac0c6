"""What an earlier search has found out, as far as a new one can use it. Pure; imports planning, the search and the api
only."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from steelyard.api.errors import ConfigurationError
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.contract.trial_report import State
from steelyard.planning import changed_inputs
from steelyard.search.best import is_better
from steelyard.search.log import Entry, Values
from steelyard.search.paths import get, put
from steelyard.search.space import Space, key_of

MOST_PRIOR = 200
"""Answers of an earlier search that are kept: the best ones."""
FIELD = "spec.warmStart.tuningJob"

_FREE_OF_TEMPLATE = ("publish", "template", "workspace", "runPolicy")
"""What no trial's answer depends on."""
_STATES: dict[State, State] = {"Complete": "Complete", "Repeated": "Complete", "Pruned": "Pruned"}
"""Of entries with something to learn from, as they are kept."""


def answer_inputs(spec: TuningJobSpec) -> dict[str, Any]:
    """The template as far as a trial's answer depends on it: two searches may compare theirs where it is the same."""
    template: dict[str, Any] = spec.template.model_dump(mode="json", by_alias=True, exclude_none=True)
    for name in _FREE_OF_TEMPLATE:
        template.pop(name, None)
    for gate in ("require", "maxGeneralizationGap"):
        template["evaluation"].pop(gate, None)
    if spec.objective.secondary is None:
        template.pop("compression", None)
    template["training"].pop("checkpoint", None)
    return template


def prior_of(spec: TuningJobSpec, name: str, other: TuningJobSpec, log: Sequence[Entry]) -> list[Entry]:
    """The answers of an earlier search that are of use to this one, by number; their values as this one's space has
    them.

    Args:
        spec: the new search.
        name: the earlier one's.
        other: the earlier one.
        log: the earlier one's.

    Raises:
        ConfigurationError: its results are of other parameters, another template or another objective.
    """
    own, paths = (sorted(parameter.path for parameter in each.parameters) for each in (spec, other))
    if own != paths:
        raise ConfigurationError(
            f"{FIELD}: '{name}' has searched over {', '.join(paths)}, and this search is over {', '.join(own)}; a "
            "search can learn from one over the same paths only"
        )
    objectives = [(each.objective.name, each.objective.direction, each.objective.secondary) for each in (spec, other)]
    if objectives[0] != objectives[1]:
        this, earlier = (" ".join(str(part) for part in each if part) for each in objectives)
        raise ConfigurationError(f"{FIELD}: the objective of '{name}' is {earlier}, and that of this search is {this}")
    if changed := changed_inputs(_fixed_inputs(other), _fixed_inputs(spec)):
        paths = [f"template.{path}" for path in changed]
        raise ConfigurationError(
            f"{FIELD}: the trials of '{name}' were others, they differ in {', '.join(paths)}; a search can learn from "
            "one with the same template only"
        )
    space = Space(spec.parameters)
    entries = [
        replace(entry, values=space.normal(entry.values), state=_STATES[entry.state], seen=None)
        for entry in log
        if entry.state in _STATES and entry.value is not None and space.contains(entry.values)
    ]
    return _most_useful(entries, spec)


def answered_before(
    prior: Sequence[Entry], number: int, values: Values, seen: tuple[int, ...] | None = None
) -> Entry | None:
    """The result that an earlier search has of the same values; None where it has none.

    Args:
        prior: the earlier search's answers.
        number: the trial's.
        values: the trial's.
        seen: the answers that it was asked with, where the search is asynchronous.
    """
    key = key_of(values)
    for entry in prior:
        if entry.is_answer and key_of(entry.values) == key:
            return replace(entry, number=number, state="Repeated", seen=seen, seconds=0.0)
    return None


def _fixed_inputs(spec: TuningJobSpec) -> dict[str, Any]:
    """The template without what each trial has a value of its own for."""
    inputs = answer_inputs(spec)
    for parameter in spec.parameters:
        if parameter.when is None and get(inputs, parameter.path) is not None:
            put(inputs, parameter.path, None)
    return inputs


def _most_useful(entries: list[Entry], spec: TuningJobSpec) -> list[Entry]:
    """At most MOST_PRIOR of them: the best answers, then what was pruned; by number."""
    sign = -1.0 if is_better(1.0, 0.0, spec.objective.direction) else 1.0
    best_first = sorted(
        entries, key=lambda entry: (entry.state != "Complete", sign * (entry.value or 0.0), entry.number)
    )
    return sorted(best_first[:MOST_PRIOR], key=lambda entry: entry.number)
