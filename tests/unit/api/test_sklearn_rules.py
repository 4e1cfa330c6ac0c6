"""What goes with scikit-learn's models and what with networks; and the rule by which a trial gives up."""

from typing import Any

import pytest

from steelyard.api.compression.techniques import techniques_that_take
from steelyard.api.errors import ManifestError
from steelyard.api.loading import parse_training_job
from steelyard.api.trial import Trial
from steelyard_trainer.evaluation.pruning import should_stop, stopping_step


def parse(model: dict[str, Any], **spec: Any) -> Any:
    return parse_training_job(
        {
            "apiVersion": "steelyard.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {"name": "tested"},
            "spec": {"dataset": {"uri": "a.csv", "target": "t"}, "model": model, **spec},
        }
    )


FOREST = {"randomForest": {}}


@pytest.mark.parametrize(
    ("model", "spec", "path", "message"),
    [
        (
            FOREST,
            {"training": {"workers": 2}},
            "training.workers",
            "scikit-learn's models are fitted in one process; allowed: 1",
        ),
        *(
            (
                {"ridge": {}},
                {"training": {name: value}},
                f"training.{name}",
                f"{name} does nothing for scikit-learn's models, which have no epochs; leave it out",
            )
            for name, value in {
                "epochs": 11,
                "batchSize": 16,
                "optimizer": {"learningRate": 0.1},
                "learningRateSchedule": {"cosine": {}},
                "earlyStopping": {},
                "labelSmoothing": 0.1,
                "checkpoint": {"everySteps": 5},
            }.items()
        ),
        (
            {"nearestNeighbors": {}},
            {"training": {"classWeights": {}}},
            "training.classWeights",
            "nearestNeighbors does not weigh classes; leave it out, or take one that does: mlp, linear, cnn, resNet8, "
            "dsCnn, wideAndDeep, randomForest, logisticRegression, gradientBoosting, entrypoint",
        ),
        (
            {"mlp": {}},
            {"evaluation": {"crossValidation": {}}},
            "evaluation.crossValidation",
            "a network is judged on the sets of the split, folds are for scikit-learn's models: randomForest, ridge, "
            "lasso, elasticNet, logisticRegression, nearestNeighbors, gradientBoosting, entrypoint",
        ),
        (
            FOREST,
            {
                "dataset": {"uri": "a.csv", "target": "t", "split": {"time": "a"}},
                "evaluation": {"crossValidation": {}},
            },
            "evaluation.crossValidation",
            "folds are dealt out by chance, but the rows by split.time; leave out one of the two",
        ),
        (
            FOREST,
            {"compression": {"candidates": ["Onnx", "Int8"]}},
            "compression.candidates",
            "Int8 is not made of scikit-learn's models; allowed: Baseline, Auto, Onnx, Refit, SelectTrees, DistillMlp",
        ),
        (
            {"gradientBoosting": {}},
            {"compression": {"candidates": ["SelectTrees"]}},
            "compression.candidates",
            "SelectTrees is not made of gradientBoosting; allowed: Baseline, Auto, Onnx, Refit, DistillMlp",
        ),
        (
            {"ridge": {}},
            {"compression": {"candidates": [{"name": "a", "steps": [{"technique": "Refit"}]}]}},
            "compression.candidates[0].steps[0]",
            "Refit is not made of ridge; allowed: Onnx",
        ),
        (
            {"ridge": {}},
            {"compression": {"candidates": ["Auto"]}},
            "compression.candidates",
            "of ridge nothing pays that a search would train; allowed: Baseline, Onnx",
        ),
        (
            {"linear": {}},
            {"compression": {"candidates": ["Onnx"]}},
            "compression.candidates",
            f"Onnx is not made of networks; allowed: Baseline, Auto, {', '.join(techniques_that_take('Keras'))}",
        ),
        *(
            (
                {kind: {}},
                {"task": "Classification"},
                "model",
                f"{kind} is for Regression, but the task is Classification",
            )
            for kind in ("ridge", "lasso", "elasticNet")
        ),
        (
            {"logisticRegression": {}},
            {"task": "Regression"},
            "model",
            "logisticRegression is for Classification, but the task is Regression",
        ),
    ],
)
def test_what_a_model_does_not_have_is_refused(
    model: dict[str, Any], spec: dict[str, Any], path: str, message: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        parse(model, **spec)
    assert [(problem.path, problem.message) for problem in caught.value.problems] == [(f"spec.{path}", message)]


@pytest.mark.parametrize(
    ("model", "spec"),
    [
        (FOREST, {"training": {"seed": 7, "classWeights": {}}, "evaluation": {"crossValidation": {"folds": 3}}}),
        # A default that is written out is no change.
        ({"logisticRegression": {}}, {"training": {"epochs": 10, "workers": 1, "optimizer": {"name": "Adam"}}}),
        ({"nearestNeighbors": {}}, {"task": "Regression", "compression": {"candidates": ["Baseline", "Onnx"]}}),
        ({"mlp": {}}, {"training": {"epochs": 11}, "compression": {"candidates": ["Baseline", "Int8"]}}),
    ],
)
def test_what_a_model_has_is_taken(model: dict[str, Any], spec: dict[str, Any]) -> None:
    parse(model, **spec)


def test_the_candidates_default_to_what_the_model_has() -> None:
    assert parse({"mlp": {}}, compression={}).spec.candidates == ["DynamicRange", "Float16", "Int8"]
    assert parse(FOREST, compression={}).spec.candidates == ["Onnx"]
    assert parse(FOREST).spec.candidates == []
    assert not parse(FOREST, compression={}).spec.sets_rows_aside
    assert parse(FOREST, compression={"candidates": ["SelectTrees"]}).spec.sets_rows_aside
    assert parse({"mlp": {}}, compression={"candidates": ["Float16"]}).spec.candidates == ["Float16"]


# --- giving up --------------------------------------------------------------------------------------------------------


def trial(goal: str = "Maximize", **limits: Any) -> Trial:
    return Trial.model_validate({"tuningJob": "t", "number": 0, "metric": "accuracy", "goal": goal, **limits})


@pytest.mark.parametrize(
    ("goal", "value", "stops"),
    [
        ("Maximize", 0.49, True),
        ("Maximize", 0.5, False),
        ("Maximize", 0.6, False),
        ("Minimize", 0.51, True),
        ("Minimize", 0.5, False),
    ],
)
def test_a_value_that_is_worse_than_its_steps_limit_ends_the_trial(goal: str, value: float, stops: bool) -> None:
    limited = trial(goal, limits=[{"step": 2, "value": 0.5}])
    assert should_stop(limited, [(1, 0.0 if goal == "Maximize" else 9.0), (2, value)]) is stops


def test_a_trial_without_limits_goes_on() -> None:
    assert not should_stop(trial(), [(1, 0.0), (2, 0.0)])


def test_the_step_at_which_it_ended_is_found_again_after_a_restart() -> None:
    limited = trial(limits=[{"step": 2, "value": 0.5}, {"step": 4, "value": 0.9}])
    assert stopping_step(limited, [(2, 0.4), (4, 0.1)]) == 2
    assert stopping_step(limited, [(2, 0.6), (4, 0.1)]) == 4
    assert stopping_step(limited, [(2, 0.6), (3, 0.1)]) is None


BEST = [0.9, 0.8, 0.95, 0.9, 0.85]


def paired(goal: str = "Maximize", **settings: Any) -> Trial:
    return trial(goal, pairedLimit={"best": BEST, **settings})


def folds(*values: float) -> list[tuple[int, float]]:
    return list(enumerate(values, start=1))


def test_a_trial_that_is_behind_on_every_fold_ends_after_its_grace() -> None:
    # Differences of -0.1 and -0.12: mean -0.11, deviation 0.01414, the bound -0.11 + 2 x 0.01 = -0.09.
    assert not should_stop(paired(), folds(0.8))
    assert should_stop(paired(), folds(0.8, 0.68))
    assert not should_stop(paired(graceFolds=3), folds(0.8, 0.68))
    assert should_stop(paired("Minimize"), folds(1.0, 0.92))
    assert not should_stop(paired("Minimize"), folds(0.8, 0.68))


def test_a_trial_that_may_still_catch_up_goes_on() -> None:
    # Differences of -0.1 and 0.02: mean -0.04, deviation 0.0849, the bound -0.04 + 2 x 0.06 = 0.08.
    assert not should_stop(paired(), folds(0.8, 0.82))
    assert should_stop(paired(margin=0.5), folds(0.8, 0.82))


def test_two_folds_that_differ_alike_are_no_proof_below_the_floor() -> None:
    # Both differ by -0.01: the deviation is 0 by chance.
    assert should_stop(paired(), folds(0.89, 0.79))
    assert not should_stop(paired(floor=0.02), folds(0.89, 0.79))


def test_equal_to_the_best_is_not_behind() -> None:
    assert not should_stop(paired(margin=0.0), folds(*BEST))
