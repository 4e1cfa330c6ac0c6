"""The best epoch and the end of patience."""

import pytest

from steelyard.api.metrics import Measure
from steelyard.api.training import EarlyStopping
from steelyard_trainer.families.keras.stopping import Progression


def run(progression: Progression, values: list[float]) -> int:
    """The epoch after which it stops; 0 if it does not."""
    for epoch, value in enumerate(values, start=1):
        progression.observe(epoch, {progression.monitor: value})
        if progression.should_stop(epoch):
            return epoch
    return 0


def test_it_stops_when_patience_is_spent_and_remembers_the_best_epoch():
    progression = Progression.of(EarlyStopping(monitor="val_loss", patience=2))
    assert run(progression, [3.0, 2.0, 2.5, 2.1, 1.0]) == 4
    assert (progression.best_epoch, progression.best) == (2, 2.0)


def test_accuracy_is_better_when_it_is_higher():
    progression = Progression.of(EarlyStopping(monitor="val_accuracy", patience=1))
    assert run(progression, [0.5, 0.7, 0.6]) == 3
    assert progression.best_epoch == 2


def test_a_smaller_change_than_min_delta_is_no_improvement():
    progression = Progression.of(EarlyStopping(monitor="loss", patience=2, minDelta=0.5))
    assert run(progression, [3.0, 2.6, 2.55]) == 3


def test_without_early_stopping_it_never_stops_but_keeps_the_best_validation_loss():
    progression = Progression.of(None)
    assert run(progression, [1.0, 0.5, *[2.0] * 50]) == 0
    assert (progression.monitor, progression.best_epoch) == ("val_loss", 2)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_its_state_goes_on_where_it_stopped(cut):
    values = [3.0, 2.0, 2.5, 2.1, 1.0]
    progression = Progression.of(EarlyStopping(patience=2))
    assert run(progression, values[:cut]) == 0
    resumed = Progression(**progression.state())
    stopped_at = 0
    for epoch in range(cut + 1, 6):
        resumed.observe(epoch, {"val_loss": values[epoch - 1]})
        if resumed.should_stop(epoch):
            stopped_at = epoch
            break
    assert stopped_at == 4


def test_the_metric_says_which_epoch_is_the_best_and_the_monitor_when_to_stop():
    progression = Progression.of(EarlyStopping(monitor="val_loss", patience=2), Measure("rocAuc"))
    losses, areas = [3.0, 2.0, 2.5, 2.1], [0.9, 0.8, 0.95, 0.95]
    for epoch, (loss, area) in enumerate(zip(losses, areas, strict=True), start=1):
        is_best = progression.observe(epoch, {"val_loss": loss, "val_rocAuc": area})
        assert is_best == (epoch in (1, 3))
        assert progression.should_stop(epoch) == (epoch == 4)
    assert (progression.best_epoch, progression.improved_epoch) == (3, 2)


@pytest.mark.parametrize(("metric", "best"), [("medianAe", 2), ("balancedAccuracy", 1), ("logLoss", 2), ("r2", 1)])
def test_the_metric_is_watched_where_nothing_else_is_said(metric, best):
    progression = Progression.of(EarlyStopping(patience=1), Measure(metric))
    assert progression.monitor == f"val_{metric}" == Progression.of(None, Measure(metric)).monitor
    run(progression, [0.9, 0.5])
    assert progression.best_epoch == best
