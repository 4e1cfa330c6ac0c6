"""The status of a search while it is being decided: a copy that remembers what it was. Pure; imports planning, the
search, the api and the controller's pure parts.

Plain JSON values and not the API's model, as for TrainingJobs.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from steelyard.api.tuning_job import TuningJobSpec
from steelyard.contract.stages import Reason
from steelyard.contract.trial_report import State
from steelyard.controller.observation import condition_of
from steelyard.controller.policies import retention
from steelyard.controller.runtime.draft import Draft, shortened
from steelyard.controller.training.printer_columns import metric_text
from steelyard.search.best import best_of, front_of
from steelyard.search.log import Entry
from steelyard.tuning.search import End


class TuningDraft(Draft):
    """A search's."""

    # --- reading ------------------------------------------------------------------------------------------------------

    @property
    def is_suspended(self) -> bool:
        """Whether it says so."""
        return self._is_true("Suspended")

    @property
    def is_prepared(self) -> bool:
        """Whether the data is there."""
        return self._is_true("Prepared")

    @property
    def is_searched(self) -> bool:
        """Whether the search has ended."""
        return self._is_true("Searched")

    def reason_of(self, kind: str) -> str:
        """The reason of a condition; empty where there is none."""
        return str(condition_of(self.status, kind).get("reason", ""))

    # --- writing ------------------------------------------------------------------------------------------------------

    def start(self, image: str) -> None:
        """The search begins."""
        self.status |= {"startTime": self._time, "trainerImage": image, "phase": "Preparing"}
        self.status["activeSince"] = self._time

    def go_on(self) -> None:
        """What was over goes on: its end is no longer its end."""
        ends = ("Complete", "Failed", "Searched", retention.CONDITION)
        self.status["conditions"] = [each for each in self.status["conditions"] if each["type"] not in ends]
        self.status.pop("completionTime", None)
        self.status |= {"activeSince": self._time, "phase": "Searching"}

    def suspend(self) -> None:
        """The search pauses, and its clock with it."""
        self._stop_the_clock()
        self._condition("Suspended", "True", "Suspended", "spec.runPolicy.suspend is true")
        self.status["phase"] = "Suspended"

    def resume(self) -> None:
        """The search goes on."""
        self.status["activeSince"] = self._time
        self._condition("Suspended", "False", "Resumed", "spec.runPolicy.suspend is false")
        self.status["phase"] = self._phase()

    def prepared(self, message: str) -> None:
        """The data is there."""
        self._condition("Prepared", "True", Reason.SUCCEEDED, message)
        self.status["phase"] = "Searching"

    def searched(self, end: End) -> None:
        """No further trial is created."""
        if not self.is_searched:
            self._condition("Searched", "False" if end.has_failed else "True", end.reason, end.message)
            self.status["phase"] = "Finishing"
            self.status.pop("secondsLeft", None)

    def complete(self, message: str) -> None:
        """The search is done."""
        self._condition("Complete", "True", Reason.SUCCEEDED, message)
        self._end("Complete")

    def publish(self, model: dict[str, Any] | None, size: str, message: str) -> None:
        """The best model is published."""
        self._condition("Published", "True", Reason.SUCCEEDED, message)
        self.status["model"] = model
        self.status["size"] = size or None

    def fail(self, reason: str, message: str, condition: str | None = None) -> None:
        """The search has failed. `condition` is what did not become true for that."""
        reason, message = shortened(reason, message)
        if condition is not None:
            self._condition(condition, "False", reason, message)
        self._condition("Failed", "True", reason, message)
        self._end("Failed")

    def show(self, spec: TuningJobSpec, entries: Mapping[int, Entry], running: Collection[int]) -> None:
        """What is known of the trials."""
        self._show_counts(entries, running)
        self.status["progress"] = f"{len(entries)}/{spec.max_trials}"
        goal = spec.objective.direction
        best = best_of(list(entries.values()), goal)
        if best is not None and best.value is not None:
            self.status["best"] = _best_to_json(best)
            self.status["metric"] = metric_text(spec.objective.name, best.value)
        if spec.objective.secondary is not None:
            self.status["front"] = [entry.number for entry in front_of(list(entries.values()), goal)]

    def log(self, spec: TuningJobSpec, entries: Mapping[int, Entry], new: Collection[Entry]) -> None:
        """Takes new answers into the log, and tells from all of them how long the rest will take.

        Args:
            spec: the search.
            entries: all answers, the new ones among them.
            new: those that the log does not hold yet.
        """
        if not new:
            return
        lines = dict(
            zip(sorted(entries.keys() - {entry.number for entry in new}), self.status.get("log") or (), strict=True)
        )
        lines |= {entry.number: entry.encode(spec.parameters) for entry in new}
        self.status["log"] = [lines[number] for number in sorted(lines)]
        left = max(0, spec.max_trials - len(entries))
        self.status["secondsLeft"] = round(self.counted_seconds / len(entries) * left, 1)

    # --- details ------------------------------------------------------------------------------------------------------

    def _show_counts(self, entries: Mapping[int, Entry], running: Collection[int]) -> None:
        states = Counter(entry.state for entry in entries.values())
        counts = {state.lower(): states[state] for state in _COUNTED}
        self.status["trials"] = {"created": len(entries) + len(running), "running": len(running), **counts}

    def _phase(self) -> str:
        if self.is_searched:
            return "Finishing"
        return "Searching" if self.is_prepared else "Preparing"

    def _stop_the_clock(self) -> None:
        self.status["activeSeconds"] = round(self.counted_seconds, 3)
        self.status.pop("activeSince", None)

    def _end(self, phase: str) -> None:
        self._stop_the_clock()
        if self.is_suspended:
            self._condition("Suspended", "False", phase, "the search is over")
        self.status |= {"phase": phase, "completionTime": self._time}
        self.status.pop("secondsLeft", None)


_COUNTED: tuple[State, ...] = ("Complete", "Pruned", "Failed", "Repeated")


def _best_to_json(best: Entry) -> dict[str, Any]:
    figures = {"trial": best.number, "value": best.value, "secondary": best.secondary, "epoch": best.epoch}
    parameters = {path: json.dumps(value, ensure_ascii=False) for path, value in best.values.items()}
    return {name: value for name, value in figures.items() if value is not None} | {"parameters": parameters}
