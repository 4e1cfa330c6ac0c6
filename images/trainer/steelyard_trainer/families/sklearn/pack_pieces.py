"""What trials of a pack are made of: pieces of work that any process can do, longest first. Imports scikit-learn.

Forests that differ only in their number of trees are grown once, but for those with a deadline: a small forest must not
wait for a large one. Where all trees end above the bound on their depth, they answer for any other bound, too. A trial
that may give up between folds is one piece, as a fold must know those before it; of all others each fold is one.
"""

import math
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from steelyard.api.training_job import TrainingJobSpec
from steelyard.contract.trial_report import TrialReport
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.evaluation.metrics import Figure
from steelyard_trainer.families.sklearn.cross_validation import nested_scores, score_fold
from steelyard_trainer.families.sklearn.forests import depth_of, nested_predictions
from steelyard_trainer.families.sklearn.trial import (
    Rows,
    figures_of,
    fit_on,
    fold_report,
    run_trial,
    score_in,
    validation_report,
)

VALIDATION = 0
"""The part of a piece that is scored on the validation set, where others have the number of their fold."""

_DEPTH_OF_PURE_LEAVES = 20
"""How deep a tree is taken to grow that nothing bounds; for the order of the work only."""


@dataclass(frozen=True)
class PackedTrial:
    """A trial of a pack, as far as it is valid."""

    number: int
    spec: TrainingJobSpec
    dataset: PreparedDataset

    @property
    def folds(self) -> int:
        """How many; 0 where it is scored on the validation set."""
        return self.spec.evaluation.cross_validation.folds if self.spec.evaluation.cross_validation else 0

    @property
    def deadline(self) -> float:
        """Seconds that it may take."""
        seconds = self.spec.run_policy.active_deadline_seconds
        return math.inf if seconds is None else float(seconds)

    @property
    def stall_seconds(self) -> float:
        """Without progress, after which it has stalled."""
        seconds = self.spec.run_policy.stall_timeout_seconds
        return math.inf if seconds is None else float(seconds)

    @property
    def is_one_piece(self) -> bool:
        """Whether it is worked off as it would be alone."""
        trial = self.spec.trial
        assert trial is not None
        return bool(trial.limits) or trial.paired_limit is not None or trial.secondary is not None


@dataclass(frozen=True)
class Piece:
    """Trials that are one but for their number of trees, or a single one; on one fold, on the validation set, or as a
    whole."""

    trials: tuple[PackedTrial, ...]
    part: int | None
    """A fold, from 1; VALIDATION; None: the trial as a whole, which answers with a report."""
    family: Hashable
    """The same for forests that differ in their number of trees and the bound on their depth only."""
    depth_bound: float
    """How deep a forest's trees may be; infinite where nothing bounds them."""

    @property
    def numbers(self) -> tuple[int, ...]:
        """The trials'."""
        return tuple(trial.number for trial in self.trials)


@dataclass(frozen=True)
class PieceAnswer:
    """What came out of a piece."""

    scores: Mapping[int, Figure]
    """By trial, of a fold without its error; empty where `report` is there."""
    seconds: Mapping[int, float]
    """How long it took, by trial: each forest has its share by its trees."""
    report: TrialReport | None = None
    depth: int | None = None
    """How deep the forest has grown, where it is one."""


def pieces_of(trials: Sequence[PackedTrial]) -> list[Piece]:
    """The work of some trials, the longest first and what belongs together next to each other; of equally long ones
    first those that may answer for others."""
    groups: dict[Any, list[PackedTrial]] = {}
    for trial in trials:
        groups.setdefault((_family_of(trial), _depth_bound(trial)), []).append(trial)
    pieces = [
        Piece(tuple(group), part, family, bound)
        for (family, bound), group in groups.items()
        for part in _parts(group[0])
    ]
    return sorted(pieces, key=lambda piece: (-max(map(_length, piece.trials)), -piece.depth_bound))


def answered_too(piece: Piece, answer: PieceAnswer, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, PieceAnswer]]:
    """The other pieces that a piece's forest answers as well, with their answers.

    Args:
        piece: what was worked off.
        answer: what came out.
        pieces: all there are.
    """
    if answer.depth is None or answer.depth >= piece.depth_bound:
        return
    by_size = dict(zip(_sizes(piece), map(answer.scores.__getitem__, piece.numbers), strict=True))
    for other in pieces:
        is_the_same = (other.family, other.part) == (piece.family, piece.part) and other.depth_bound > answer.depth
        if is_the_same and other is not piece and by_size.keys() >= set(_sizes(other)):
            scores = dict(zip(other.numbers, map(by_size.__getitem__, _sizes(other)), strict=True))
            yield other, PieceAnswer(scores, dict.fromkeys(scores, 0.0))


def _parts(trial: PackedTrial) -> list[int | None]:
    if trial.is_one_piece:
        return [None]
    return list(range(1, trial.folds + 1)) or [VALIDATION]


def _family_of(trial: PackedTrial) -> Hashable:
    """The same for forests that differ in their number of trees and the bound on their depth only; any other trial's
    own."""
    spec = trial.spec
    assert spec.trial is not None
    if spec.model.random_forest is None or trial.is_one_piece or trial.deadline < math.inf:
        return trial.number
    forest = spec.model.random_forest.model_copy(update={"n_estimators": 1, "max_depth": None})
    settings = [part.model_dump_json() for part in (forest, spec.training, spec.evaluation)]
    return (*settings, spec.trial.measure, trial.dataset.folder)


def _depth_bound(trial: PackedTrial) -> float:
    """How deep a forest's trees may be; infinite where nothing bounds them."""
    forest = trial.spec.model.random_forest
    return math.inf if forest is None or forest.max_depth is None else forest.max_depth


def _length(trial: PackedTrial) -> float:
    """How long a trial takes, roughly, in a measure of its own."""
    forest = trial.spec.model.random_forest
    if forest is None:
        return 0.0
    return forest.n_estimators * min(forest.max_depth or _DEPTH_OF_PURE_LEAVES, _DEPTH_OF_PURE_LEAVES)


def work_off(piece: Piece, rows: Rows) -> PieceAnswer:
    """Does a piece's work.

    Raises:
        ConfigurationError: the settings do not go with the rows.
        DataError: a score is not a finite number.
    """
    began = time.monotonic()
    if piece.part is None:
        report = run_trial(piece.trials[0].spec, rows, lambda _steps: None).report
        return PieceAnswer({}, {}, report)
    scores, depth = _on_validation(piece, rows) if piece.part == VALIDATION else _on_fold(piece, piece.part, rows)
    return PieceAnswer(scores, _shares(piece, time.monotonic() - began), depth=depth)


def report_of(trial: PackedTrial, scores: Mapping[int, Figure], seconds: float) -> TrialReport:
    """The report of a trial whose parts are all there.

    Args:
        trial: the trial.
        scores: by part.
        seconds: how long they took together.
    """
    asked = trial.spec.trial
    assert asked is not None
    if trial.folds == 0:
        return validation_report(asked, scores[VALIDATION], seconds)
    return fold_report(asked, [(fold, scores[fold].value) for fold in sorted(scores)], seconds)


def _on_fold(piece: Piece, fold: int, rows: Rows) -> tuple[dict[int, Figure], int | None]:
    largest = _largest(piece)
    assert largest.spec.trial is not None
    measure = largest.spec.trial.measure
    folds = rows.folds(largest.folds)
    if largest.spec.model.random_forest is None:
        return {largest.number: Figure(score_fold(largest.spec, folds, fold - 1, [measure])[measure.name], 0.0)}, None
    by_size, depth = nested_scores(largest.spec, folds, fold - 1, measure, sorted(set(_sizes(piece))))
    sized = zip(piece.trials, _sizes(piece), strict=True)
    scores = {trial.number: Figure(by_size[size], 0.0) for trial, size in sized}
    return scores, depth


def _on_validation(piece: Piece, rows: Rows) -> tuple[dict[int, Figure], int | None]:
    largest = _largest(piece)
    if largest.spec.model.random_forest is None:
        report = run_trial(largest.spec, rows, lambda _steps: None).report
        assert report.value is not None
        return {
            largest.number: Figure(report.value, math.nan if report.standard_error is None else report.standard_error)
        }, None
    forest = fit_on(rows.part("train"), largest.spec, rows)
    features = rows.features(rows.part("validation"), largest.spec)
    sizes = _sizes(piece)
    outputs = {
        size: predictions.probabilities()
        for size, predictions in nested_predictions(forest, sizes, features, rows.classes)
    }
    assert largest.spec.trial is not None
    measure = largest.spec.trial.measure
    scores = {
        trial.number: score_in(figures_of(outputs[size], rows, "validation", [measure]), measure)
        for trial, size in zip(piece.trials, sizes, strict=True)
    }
    return scores, depth_of(forest)


def _largest(piece: Piece) -> PackedTrial:
    return max(piece.trials, key=_length)


def _sizes(piece: Piece) -> list[int]:
    """The number of trees of each trial of a piece of several forests."""
    forests = [trial.spec.model.random_forest for trial in piece.trials]
    return [forest.n_estimators for forest in forests if forest is not None]


def _shares(piece: Piece, seconds: float) -> dict[int, float]:
    if len(piece.trials) == 1:
        return {piece.trials[0].number: seconds}
    sizes = _sizes(piece)
    return {trial.number: seconds * size / sum(sizes) for trial, size in zip(piece.trials, sizes, strict=True)}
