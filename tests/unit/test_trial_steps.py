"""What a trial of a network says after its epochs, and when it gives up: the figures' units, and which epochs count."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from steelyard.api.trial import Trial
from steelyard_trainer.training.stopping import Progression
from steelyard_trainer.training.trial_steps import MOST_SHOWN, TrialSteps, shown


def trial(metric: str, **more: Any) -> Trial:
    document = {"tuningJob": "search", "number": 0, "metric": metric, "goal": "Minimize", **more}
    return Trial.model_validate(document)


@pytest.mark.parametrize("metric", ["r2", "rmse", "mae"])
def test_a_regressions_value_is_in_the_targets_own_unit(metric: str) -> None:
    random = np.random.default_rng(0)
    targets = random.normal(100, 20, 50)
    predicted = targets + random.normal(3, 5, 50)
    scale = 17.5
    loss = float((((targets - predicted) / scale) ** 2).mean())
    error = float(np.abs((targets - predicted) / scale).mean())
    by_hand = {"r2": r2_score, "rmse": root_mean_squared_error, "mae": mean_absolute_error}[metric](targets, predicted)
    steps = TrialSteps(trial(metric), scale, float(targets.var()))
    assert steps.value(loss, error) == pytest.approx(by_hand, rel=1e-7)


def test_a_classifications_value_is_the_figure_itself() -> None:
    assert TrialSteps(trial("accuracy")).value(0.25, 0.75) == 0.75
    assert TrialSteps(trial("logLoss")).value(0.25, 0.75) == 0.25
    # Nothing to explain: as scikit-learn has it.
    assert TrialSteps(trial("r2"), 2.0, 0.0).value(0.25, 0.9) == 0.0


def test_epochs_are_reported_that_are_asked_for_or_have_a_limit() -> None:
    steps = TrialSteps(trial("mae", reportSteps=[1, 4], limits=[{"step": 2, "value": 0.5}]))
    assert [epoch for epoch in range(1, 7) if steps.is_reported(epoch)] == [1, 2, 4]
    assert not steps.should_stop([(1, 9.0), (2, 0.5)])
    assert steps.should_stop([(1, 0.1), (2, 0.51)])


def test_a_line_of_progress_shows_the_newest_values_only() -> None:
    values = shown([(epoch, 0.5) for epoch in range(1, 31)])
    assert list(values) == [f"step_{epoch}" for epoch in range(31 - MOST_SHOWN, 31)]
    assert MOST_SHOWN + 4 <= 32, "the status has no room for more figures"


def test_without_a_part_to_watch_the_last_epoch_is_the_best_one() -> None:
    progression = Progression.to_the_end()
    assert progression.observe(1, {"loss": 0.1}) and progression.observe(2, {"loss": 0.2})
    assert progression.best_epoch == 2 and not progression.should_stop(2)
    assert Progression(**progression.state()) == progression
