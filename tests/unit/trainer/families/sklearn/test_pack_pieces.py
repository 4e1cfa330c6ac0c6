"""The pieces of a pack: their order, what one answers for others, and their reports."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn_specs import Data, packed_trial, spec

from steelyard.api.errors import DataError
from steelyard.api.run_policy import RunPolicy
from steelyard.contract.trial_report import TrialReport
from steelyard_trainer.evaluation.metrics import Figure
from steelyard_trainer.families.sklearn import pack_pieces
from steelyard_trainer.families.sklearn.features import Table
from steelyard_trainer.families.sklearn.pack_pieces import (
    VALIDATION,
    PackedTrial,
    Piece,
    PieceAnswer,
    answered_too,
    pieces_of,
    report_of,
    work_off,
)
from steelyard_trainer.families.sklearn.trial import Answered, Rows, run_trial


def test_forests_that_differ_in_their_trees_only_are_one_unit_per_fold_and_the_longest_come_first() -> None:
    trials = [
        packed_trial(0),
        packed_trial(1, {"nEstimators": 50, "maxDepth": 3}),
        packed_trial(2, {"nEstimators": 50}),
        packed_trial(3, {"nEstimators": 200}),
        packed_trial(4, {"nEstimators": 100, "maxDepth": 3}),
    ]
    assert [(piece.numbers, piece.part) for piece in pieces_of(trials)] == [
        ((2, 3), 1),
        ((2, 3), 2),
        ((1, 4), 1),
        ((1, 4), 2),
        ((0,), 1),
        ((0,), 2),
    ]


def test_a_forest_answers_for_every_bound_on_its_depth_that_it_ends_above() -> None:
    trials = [
        packed_trial(0, {"nEstimators": 9}),
        packed_trial(1, {"nEstimators": 5}),
        packed_trial(2, {"nEstimators": 9, "maxDepth": 12}),
        packed_trial(3, {"nEstimators": 5, "maxDepth": 11}),
        packed_trial(4, {"nEstimators": 9, "maxDepth": 10}),  # Where it may have been stopped.
        packed_trial(5, {"nEstimators": 7, "maxDepth": 30}),  # Of other trees than any that was scored.
        packed_trial(6, {"nEstimators": 9, "maxDepth": 30, "minSamplesLeaf": 2}),
    ]
    found = pieces_of(trials)
    # What may answer for others comes before those.
    assert [piece.numbers for piece in found if piece.part == 1] == [(0, 1), (6,), (5,), (2,), (4,), (3,)]
    first = found[0]
    answer = PieceAnswer({0: 0.9, 1: 0.8}, {0: 2.0, 1: 1.0}, depth=10)
    told = {other.numbers: also for other, also in answered_too(first, answer, found)}
    assert {numbers: also.scores for numbers, also in told.items()} == {(2,): {2: 0.9}, (3,): {3: 0.8}}
    assert all(set(also.seconds.values()) == {0.0} for also in told.values())
    # One that was stopped by its own bound says nothing of others; one that was not says it of all that are deeper.
    bounded = next(piece for piece in found if piece.numbers == (2,) and piece.part == 2)
    assert list(answered_too(bounded, PieceAnswer({2: 0.9}, {2: 1.0}, depth=12), found)) == []
    ended = answered_too(bounded, PieceAnswer({2: 0.9}, {2: 1.0}, depth=9), found)
    assert [(other.numbers, other.part) for other, _ in ended] == [((4,), 2)]


def test_a_forest_with_a_deadline_is_grown_alone_as_another_might_outlive_it() -> None:
    policy = {"activeDeadlineSeconds": 60}
    trials = [packed_trial(0, {"nEstimators": 5}), packed_trial(1, {"nEstimators": 9})]
    assert len(pieces_of(trials)) == 2
    bounded = [
        replace(each, spec=each.spec.model_copy(update={"run_policy": RunPolicy.model_validate(policy)}))
        for each in trials
    ]
    assert [(piece.numbers, piece.part) for piece in pieces_of(bounded)] == [((1,), 1), ((1,), 2), ((0,), 1), ((0,), 2)]


def test_a_trial_that_may_give_up_is_worked_off_alone_and_as_a_whole() -> None:
    limits = [{"step": 1, "value": 0.5}]
    pieces = pieces_of(
        [packed_trial(0, {"nEstimators": 5}, limits=limits), packed_trial(1, {"nEstimators": 9}, limits=limits)]
    )
    assert sorted((piece.numbers, piece.part) for piece in pieces) == [((0,), None), ((1,), None)]


def test_without_folds_the_validation_part_is_scored() -> None:
    (piece,) = pieces_of(
        [packed_trial(0, {"nEstimators": 5}, folds=None), packed_trial(1, {"nEstimators": 9}, folds=None)]
    )
    assert (piece.numbers, piece.part) == ((0, 1), VALIDATION)


@pytest.mark.parametrize("model", [{"ridge": {"scaling": "None"}}, {"randomForest": {"nEstimators": 2}}])
def test_a_score_on_the_validation_part_that_is_no_number_is_an_error(model: dict[str, Any]) -> None:
    learned = Table(("a",), np.arange(8.0)[:, np.newaxis], {}, np.arange(8.0))
    # The squares of what is wrong are more than a float holds.
    rows = Rows(Data(), {"train": learned, "validation": replace(learned, targets=np.full(8, 1e200))})  # type: ignore[arg-type]
    asked = {"tuningJob": "t", "number": 0, "metric": "rmse", "goal": "Minimize"}
    job = spec(model, publish=[], trial=asked)
    with pytest.raises(DataError, match="rmse of the validation set is inf: it is not defined on so few rows, or too"):
        run_trial(job, rows, lambda _steps: None)
    trials = tuple(PackedTrial(number, job, rows.dataset) for number in range(2 if "randomForest" in model else 1))
    with pytest.raises(DataError, match="rmse of the validation set is inf"):
        work_off(Piece(trials, VALIDATION, "family", math.inf), rows)
    finite = spec(model, publish=[], trial={**asked, "metric": "mae"})
    assert run_trial(finite, rows, lambda _steps: None).report.value == pytest.approx(1e200)


def test_a_report_without_a_value_is_no_score_of_0(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = Answered(TrialReport(0, "Failed", reason="it failed"), "", None)
    monkeypatch.setattr(pack_pieces, "run_trial", lambda *_: nothing)
    with pytest.raises(AssertionError):
        work_off(Piece((packed_trial(0, folds=None),), VALIDATION, 0, math.inf), Rows(Data()))  # type: ignore[arg-type]


def test_the_secondary_objective_s_metric_is_a_number_too() -> None:
    learned = Table(("a",), np.arange(8.0)[:, np.newaxis], {}, np.arange(8.0))
    rows = Rows(Data(), {"train": learned, "validation": replace(learned, targets=np.full(8, 1e200))})  # type: ignore[arg-type]
    asked = {"tuningJob": "t", "number": 0, "metric": "rmse", "goal": "Minimize", "secondary": "Size"}
    with pytest.raises(DataError, match="rmse of the validation set is inf"):
        run_trial(spec({"ridge": {"scaling": "None"}}, publish=[], compression={}, trial=asked), rows, lambda _: None)


def test_a_report_has_the_folds_in_order_and_their_mean() -> None:
    report = report_of(packed_trial(3), {2: Figure(0.75, 0.0), 1: Figure(0.5, 0.0)}, 1.5)
    assert (report.number, report.state, report.value) == (3, "Complete", 0.625)
    assert report.steps == ((1, 0.5), (2, 0.75))
