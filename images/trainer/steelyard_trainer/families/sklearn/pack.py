"""The trials of a pack that are models of scikit-learn. Imports scikit-learn, the pool and the reports.

Read once, and imported once, for all of them; the processes are forked with that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from steelyard.api.errors import SteelyardError
from steelyard.api.training_job import TrainingJob
from steelyard.contract.trial_report import TrialReport
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.evaluation.metrics import Figure
from steelyard_trainer.families.sklearn.pack_pieces import (
    PackedTrial,
    Piece,
    PieceAnswer,
    answered_too,
    pieces_of,
    report_of,
    work_off,
)
from steelyard_trainer.families.sklearn.pool import ForkedPool
from steelyard_trainer.families.sklearn.trial import Rows
from steelyard_trainer.pool import Failure
from steelyard_trainer.reports import Reports


@dataclass
class EstimatorsOfPack:
    """From what is finished already to what is not."""

    reports: Reports
    processes: int
    _scores: dict[int, dict[int, Figure]] = field(default_factory=dict)
    """By trial and part."""
    _seconds: dict[int, float] = field(default_factory=dict)
    _rows: dict[Path, Rows] = field(default_factory=dict)
    """By the prepared dataset's folder."""

    def work_off(self, jobs: Mapping[int, TrainingJob], workspaces: Mapping[int, Path]) -> None:
        """Returns when every one of these trials, which have no report and leave no model, has one."""
        del workspaces
        trials = [trial for number, job in jobs.items() if (trial := self._trial(number, job)) is not None]
        pieces = pieces_of(trials)
        pool: ForkedPool[Piece, PieceAnswer] = ForkedPool(
            self.processes, self._is_wanted, self._seconds_left, _stall_seconds, work=self._work
        )
        for piece, answer in pool.run(pieces):
            answers = [(piece, answer)]
            if isinstance(answer, PieceAnswer):
                answers += answered_too(piece, answer, pieces)
            for answered, found in answers:
                for trial in answered.trials:
                    if self._is_open(trial.number, answered.part):
                        self._take(trial, answered, found)

    def end(self) -> None:
        """No process stays after its round."""

    def _trial(self, number: int, job: TrainingJob) -> PackedTrial | None:
        """A trial that is to be worked off; None where it has failed already."""
        try:
            dataset = PreparedDataset.of(replace(self.reports.stage, job=job))
            rows = self._rows.setdefault(dataset.folder, Rows(dataset))
            trial = PackedTrial(number, job.spec, dataset)
            # Read here, before there are processes, which then share it.
            rows.load(trial.folds)
        except SteelyardError as error:
            self.reports.finish(TrialReport(number, "Failed", reason=error.message))
            return None
        return trial

    def _work(self, piece: Piece) -> PieceAnswer:
        return work_off(piece, self._rows[piece.trials[0].dataset.folder])

    def _is_wanted(self, piece: Piece) -> bool:
        return any(self._is_open(number, piece.part) for number in piece.numbers)

    def _is_open(self, number: int, part: int | None) -> bool:
        """Whether a trial has no report yet, and no score of this part."""
        return self.reports.is_open(number) and part not in self._scores.get(number, {})

    def _seconds_left(self, piece: Piece) -> float:
        """How long a piece may take, by its trial's deadline; one of several trials has none."""
        return min(trial.deadline - self._seconds.get(trial.number, 0.0) for trial in piece.trials)

    def _take(self, trial: PackedTrial, piece: Piece, answer: PieceAnswer | Failure) -> None:
        number = trial.number
        if isinstance(answer, Failure):
            # One that is late took as long as it may: a part is given what those before it have left.
            self.reports.fail(number, answer, trial.deadline)
        elif answer.report is not None:
            self.reports.finish(answer.report)
        else:
            assert piece.part is not None
            scores = self._scores.setdefault(number, {})
            scores[piece.part] = answer.scores[number]
            self._seconds[number] = self._seconds.get(number, 0.0) + answer.seconds[number]
            if len(scores) == max(1, trial.folds):
                self.reports.finish(report_of(trial, scores, self._seconds[number]))


def _stall_seconds(piece: Piece) -> float:
    return min(trial.stall_seconds for trial in piece.trials)
