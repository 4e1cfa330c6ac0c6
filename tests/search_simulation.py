"""Runs searches whose trials are functions, for the tests of what a search wastes: asked, limited, logged and ended as
both runners do it, with the trainer's own rule for giving up, and without a trainer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from steelyard.api.trial import Trial
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.contract.trial_report import TrialReport
from steelyard.search.best import best_of
from steelyard.search.log import Entry, Values
from steelyard.tuning.asking import Asker
from steelyard.tuning.pruning import stops_for
from steelyard.tuning.search import known_to, next_step
from steelyard.tuning.trials import stops_to_json
from steelyard_trainer.evaluation.pruning import stopping_step

Curve = Callable[[int], float]
"""The value at a step, from 1."""


RATE = "training.optimizer.learningRate"
DROPOUT = "model.mlp.dropout"
L2 = "model.mlp.regularization.l2"


def search(
    pruning: dict[str, Any] | None, *, epochs: int = 81, metric: str = "accuracy", **fields: Any
) -> TuningJobSpec:
    """A search of networks whose epochs may be pruned."""
    return TuningJobSpec.model_validate(
        {
            "objective": {"metric": metric},
            "parameters": [
                {"path": RATE, "type": "Double", "min": 1e-5, "max": 0.1, "log": True},
                {"path": DROPOUT, "type": "Double", "min": 0.0, "max": 0.9},
                {"path": L2, "type": "Double", "min": 1e-6, "max": 1.0, "log": True},
            ],
            "algorithm": {"name": "Random"},
            "maxTrials": 500,
            "pruning": pruning,
            "template": {
                "dataset": {"uri": "sklearn:digits", "target": "target"},
                "model": {"mlp": {}},
                "training": {"epochs": epochs},
            },
            **fields,
        }
    )


@dataclass
class Simulation:
    """A search as it goes on."""

    spec: TuningJobSpec
    curve_of: Callable[[Values], Curve]
    """What a trial of these values says at its steps."""
    steps: int
    """Those of a trial that runs to its end: epochs, or folds."""
    of_folds: bool = False
    """Whether a trial's value is the mean of its steps', or the last one."""
    log: dict[int, Entry] = field(default_factory=dict)
    cost: int = 0
    """Steps of all trials so far."""

    def trials(self) -> Iterator[Entry]:
        """Runs the search to its end; each trial's answer as soon as it is there, the first that was asked first."""
        asker, asked = Asker(self.spec), dict[int, tuple[Values, Trial]]()
        exhausted_at: int | None = None
        while True:
            step = next_step(self.spec, self.log, asked, exhausted_at=exhausted_at)
            for number in step.ask:
                known = known_to(self.spec, self.log, number)
                told = {entry.number for entry in known}
                everyone = {entry.number: entry.values for entry in self.log.values()}
                everyone |= {other: values for other, (values, _) in asked.items()}
                pending = [values for other, values in sorted(everyone.items()) if other not in told]
                values = asker.ask(number, known, pending)
                if values is None:
                    exhausted_at = number
                    break
                asked[number] = values, self._trial(number, known)
            if asked:
                number = min(asked)
                yield self._answer(number, *asked.pop(number))
            elif step.end is not None:
                return

    def best(self) -> Entry | None:
        """The best answer so far."""
        return best_of(list(self.log.values()), self.spec.objective.direction)

    def _trial(self, number: int, known: list[Entry]) -> Trial:
        objective = self.spec.objective
        stops = stops_for(self.spec, number, known)
        fields: dict[str, Any] = {"metric": objective.metric, "goal": objective.direction, **stops_to_json(stops)}
        return Trial.model_validate({"tuningJob": "search", "number": number, **fields})

    def _answer(self, number: int, values: Values, trial: Trial) -> Entry:
        curve = self.curve_of(values)
        kept = range(1, self.steps + 1) if self.of_folds else trial.report_steps
        steps = tuple((step, curve(step)) for step in kept)
        if (end := stopping_step(trial, steps)) is not None:
            steps = tuple((step, value) for step, value in steps if step <= end)
        self.cost += self.steps if end is None else end
        if self.of_folds:
            value = sum(value for _, value in steps) / len(steps)
        else:
            value = curve(self.steps if end is None else end)
        report = TrialReport(number, "Complete" if end is None else "Pruned", value, steps)
        # As it is read from the log, of which the search is rebuilt after a restart.
        parameters = self.spec.parameters
        entry = Entry.decode(Entry.of(report, values).encode(parameters), parameters)
        self.log[number] = entry
        return entry
