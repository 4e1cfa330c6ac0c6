"""The reports of a pack: told, and kept in a file each, so that a pack that is started again does no trial twice.

Imports steelyard.api and the contract.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from steelyard.contract.stages import Reason
from steelyard.contract.trial_report import TrialReport
from steelyard_trainer.contract import StageContext, print_event
from steelyard_trainer.files import write_atomically
from steelyard_trainer.pool import LATE, Failure


@dataclass
class Reports:
    """The trials of a pack that have ended."""

    stage: StageContext
    """Where the pack works."""
    trials: set[int] = field(default_factory=set)
    """All there are so far."""
    by_number: dict[int, TrialReport] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """A file for each."""
        return self.stage.workspace.root / "packs" / self.stage.key

    def begin(self, numbers: Collection[int]) -> None:
        """Takes further trials, and tells what an attempt before has left of them. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.trials |= set(numbers)
        for number in numbers:
            if number not in self.by_number and (report := self._left(number)) is not None:
                self._note(report)

    def is_open(self, number: int) -> bool:
        """Whether a trial has no report."""
        return number not in self.by_number

    def finish(self, report: TrialReport) -> None:
        """Keeps the report of a trial and tells it. Raises SteelyardError where the pack was started anew elsewhere,
        and OSError."""
        self.stage.check_attempt()
        write_atomically(self.folder / f"{report.number}.json", json.dumps(report.to_json()))
        self._note(report)

    def fail(self, number: int, failure: Failure, deadline: float) -> None:
        """Finishes a trial that has failed; `deadline`: the seconds that it had. Raises as `finish` does."""
        if failure is LATE:
            # As a trial in a pod has it.
            reason = f"{Reason.DEADLINE_EXCEEDED}: it still ran after {deadline:g} s (trialDeadlineSeconds)"
            self.finish(TrialReport(number, "Failed", seconds=deadline, reason=reason))
        else:
            self.finish(TrialReport(number, "Failed", reason=failure.reason))

    def _note(self, report: TrialReport) -> None:
        self.by_number[report.number] = report
        tell(report)
        self.stage.progress(len(self.by_number), len(self.trials), "trials")

    def _left(self, number: int) -> TrialReport | None:
        try:
            return TrialReport.from_json(json.loads((self.folder / f"{number}.json").read_bytes()))
        except (FileNotFoundError, ValueError):
            return None


def tell(report: TrialReport) -> None:
    """Prints a trial's report for whoever follows the pack."""
    print_event({"event": "trial", "trial": report.to_json()})
