"""What a trial of a network says after its epochs, and when it gives up: the figures' units, and which epochs count."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import (
    mean_absolute_error,
    mean_absolute_percentage_error,
    median_absolute_error,
    r2_score,
    root_mean_squared_error,
)

from steelyard.api.metrics import Measure
from steelyard.api.training_job import TrainingJobSpec
from steelyard.api.trial import Trial
from steelyard_trainer.families.keras.epoch_metrics import EpochMetrics
from steelyard_trainer.families.keras.stopping import Progression
from steelyard_trainer.families.keras.trial_steps import MOST_SHOWN, TrialSteps, shown


def trial(metric: str, **more: Any) -> Trial:
    document = {"tuningJob": "search", "number": 0, "metric": metric, "goal": "Minimize", **more}
    return Trial.model_validate(document)


def told(*measures: Measure, targets: Any = (), classes: Any = None, scale: float = 1.0) -> EpochMetrics:
    return EpochMetrics(measures, None, np.array(targets), classes, target_mean=100.0, target_scale=scale)


@pytest.mark.parametrize("metric", ["r2", "rmse", "mae", "mape", "medianAe"])
def test_a_regressions_value_is_in_the_targets_own_unit(metric: Any) -> None:
    random = np.random.default_rng(0)
    targets = random.normal(100, 20, 50)
    predicted = targets + random.normal(3, 5, 50)
    scale, measure = 17.5, Measure(metric)
    loss = float((((targets - predicted) / scale) ** 2).mean())
    error = float(np.abs((targets - predicted) / scale).mean())
    by_hand = {
        "r2": r2_score,
        "rmse": root_mean_squared_error,
        "mae": mean_absolute_error,
        "mape": mean_absolute_percentage_error,
        "medianAe": median_absolute_error,
    }[metric](targets, predicted)
    metrics = told(measure, targets=targets, scale=scale)
    outputs = ((predicted - 100) / scale)[:, np.newaxis]
    found = {**metrics.values([measure], loss, error), **metrics.values_of_outputs([measure], outputs)}
    assert found == {measure: pytest.approx(by_hand, rel=1e-7)}


def test_a_classifications_value_is_the_figure_itself() -> None:
    measures = [Measure("accuracy"), Measure("logLoss"), Measure("rocAuc")]
    assert told().values(measures, 0.25, 0.75) == {measures[0]: 0.75, measures[1]: 0.25}
    # Nothing to explain: as scikit-learn has it.
    assert told(targets=[1.0, 1.0], scale=2.0).values([Measure("r2")], 0.25, 0.9) == {Measure("r2"): 0.0}


def test_a_metric_of_a_label_is_computed_from_all_outputs_and_is_no_number_where_one_of_them_is_none() -> None:
    metrics = told(targets=[0, 1, 1, 0], classes=["no", "yes"])
    outputs = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    recall, precision = Measure("recall", "yes"), Measure("precision", "no")
    assert metrics.values_of_outputs([recall, precision, Measure("accuracy")], outputs) == {recall: 0.5, precision: 0.5}
    outputs[2, 0] = np.nan
    assert np.isnan(metrics.values_of_outputs([recall], outputs)[recall])


def test_what_decides_and_what_ends_the_training_are_told_of_each_epoch() -> None:
    def of(evaluation: dict[str, Any], monitor: str | None = None) -> EpochMetrics:
        training = {"earlyStopping": {"monitor": monitor}} if monitor else {}
        spec = TrainingJobSpec.model_validate(
            {
                "dataset": {"uri": "a.csv", "target": "t"},
                "model": {"linear": {}},
                "training": training,
                "evaluation": evaluation,
            }
        )
        return EpochMetrics.of(spec, np.empty(0), ["a", "b"], 0.0, 1.0)

    decides = Measure("f1", "a")
    assert (of({}).told, of({}).decides) == ((), None)
    assert of({"metric": "f1", "label": "a"}).told == (decides,) == of({"metric": "f1", "label": "a"}, "val_f1").told
    both = of({"metric": "f1", "label": "a"}, "val_rocAuc")
    assert (both.told, both.decides) == ((decides, Measure("rocAuc")), decides)
    assert of({}, "val_rocAuc").told == (Measure("rocAuc"),) and of({}, "val_loss").told == ()


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
