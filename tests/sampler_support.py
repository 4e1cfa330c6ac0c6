"""Searches for the tests of samplers: their specs, and how they go."""

from collections.abc import Callable, Sequence
from typing import Any

from steelyard.api.training_job import TrainingJobSpec
from steelyard.api.tuning import Algorithm, Objective, Parameter
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.contract.trial_report import State
from steelyard.search.log import Entry, Values
from steelyard.tuning.asking import Asker

TEMPLATE = TrainingJobSpec.model_validate(
    {"dataset": {"uri": "digits.csv", "target": "target"}, "model": {"mlp": {"activation": "gelu", "dropout": 0.25}}}
)
"""The space is the samplers' business, the template's fields are not: parameters have any paths here."""


def spec_of(
    parameters: Sequence[dict[str, Any]],
    algorithm: str = "Random",
    *,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    objective: dict[str, Any] | None = None,
    **fields: Any,
) -> TuningJobSpec:
    """A search, as far as a sampler looks at it."""
    return TuningJobSpec.model_construct(
        objective=Objective.model_validate({"metric": "accuracy", **(objective or {})}),
        parameters=[Parameter.model_validate(parameter) for parameter in parameters],
        algorithm=Algorithm.model_validate({"name": algorithm, "seed": seed, **(settings or {})}),
        max_trials=1000,
        template=TEMPLATE,
        **fields,
    )


def cube(dimensions: int) -> list[dict[str, Any]]:
    """Numbers from 0 to 1."""
    return [{"path": f"x.{place}", "type": "Double", "min": 0, "max": 1} for place in range(dimensions)]


Answer = Callable[[int, Values], Entry]


def play(
    spec: TuningJobSpec,
    count: int,
    answer: Answer,
    *,
    is_fresh: bool = False,
    prior: Sequence[Entry] = (),
    asker: Asker | None = None,
) -> list[Entry]:
    """The first trials of a search and their results; if fresh, each by an asker of its own."""
    asker = asker or Asker(spec)
    entries: list[Entry] = []
    for number in range(count):
        first_unknown = max(0, number - spec.parallel_trials + 1)
        pending = [entry.values for entry in entries[first_unknown:]]
        one = Asker(spec) if is_fresh else asker
        values = one.ask(number, entries[:first_unknown], pending, prior)
        if values is None:
            break
        entries.append(answer(number, values))
    return entries


def some_answer(number: int, values: Values) -> Entry:
    """An answer that depends on the values only, however odd; some trials fail, some are pruned."""
    value = sum(
        len(str(item)) * 0.1 + (float(item) if isinstance(item, int | float) else 0.0) for item in values.values()
    )
    if number % 11 == 7:
        return Entry(number, values, "Failed", reason="out of memory")
    state: State = "Pruned" if number % 5 == 3 else "Complete"
    second = None if state == "Pruned" else 100.0 / (1.0 + abs(value))
    return Entry(number, values, state, value % 1.0, steps=((1, value % 0.7), (3, value % 1.0)), secondary=second)
