"""The metrics' values are scikit-learn's; their standard errors are those that fresh samples show. And the gates."""

import math

import numpy as np
import pytest
from sklearn import metrics as reference

from steelyard.api.errors import SteelyardError
from steelyard.api.evaluation import Evaluation
from steelyard.api.metrics import Measure
from steelyard.contract.stages import ExitCode, Reason
from steelyard_trainer.evaluation.gates import check_gates
from steelyard_trainer.evaluation.metrics import Figure, Figures, evaluate


def classified(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Targets and probabilities of a classifier of three classes that is right about seven times in ten."""
    random = np.random.default_rng(seed)
    targets = random.choice(3, rows, p=[0.6, 0.3, 0.1])
    scores = np.exp(random.normal(size=(rows, 3)) + 1.5 * np.eye(3)[targets])
    return targets, scores / scores.sum(axis=1, keepdims=True)


def regressed(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    targets = random.normal(150, 70, rows)
    return targets, (targets + random.normal(0, 40, rows))[:, np.newaxis]


def figures(task: str, targets: np.ndarray, outputs: np.ndarray) -> Figures:
    found = evaluate(task, targets, outputs)
    assert found is not None
    return found


def test_classification_values_are_scikit_learns() -> None:
    targets, probabilities = classified(500, seed=1)
    found = figures("Classification", targets, probabilities)
    assert found["accuracy"].value == reference.accuracy_score(targets, probabilities.argmax(1))
    assert found["macroF1"].value == reference.f1_score(targets, probabilities.argmax(1), average="macro")
    assert found["logLoss"].value == pytest.approx(reference.log_loss(targets, probabilities), rel=1e-12)


def test_regression_values_are_scikit_learns() -> None:
    targets, outputs = regressed(500, seed=1)
    found = figures("Regression", targets, outputs)
    assert found["r2"].value == reference.r2_score(targets, outputs)
    assert found["rmse"].value == reference.root_mean_squared_error(targets, outputs)
    assert found["mae"].value == reference.mean_absolute_error(targets, outputs)


@pytest.mark.parametrize(
    ("task", "sample", "metric"),
    [
        *[("Classification", classified, metric) for metric in ("accuracy", "macroF1", "logLoss")],
        *[("Regression", regressed, metric) for metric in ("r2", "rmse", "mae")],
    ],
)
@pytest.mark.parametrize("rows", [300, 6000])
def test_standard_error_is_the_spread_over_fresh_samples(task, sample, metric, rows) -> None:  # type: ignore[no-untyped-def]
    # 6,000 rows are more than the groups that r2's bootstrap makes.
    claimed = figures(task, *sample(rows, seed=1))[metric].standard_error
    values = [_value(metric, *sample(rows, seed)) for seed in range(2, 202)]
    # The spread of 200 values is known to 5 %, the claim from one sample of 300 rows to about 20 %.
    assert claimed == pytest.approx(np.std(values, ddof=1), rel=0.35)


def _value(metric: str, targets: np.ndarray, outputs: np.ndarray) -> float:
    """The metric alone: the errors of 200 samples would take long."""
    match metric:
        case "accuracy":
            return float((outputs.argmax(1) == targets).mean())
        case "macroF1":
            return float(reference.f1_score(targets, outputs.argmax(1), average="macro"))
        case "logLoss":
            return float(-np.log(outputs[np.arange(len(targets)), targets]).mean())
    error = targets - outputs[:, 0]
    return {
        "r2": float(1 - (error**2).sum() / ((targets - targets.mean()) ** 2).sum()),
        "rmse": float(np.sqrt((error**2).mean())),
        "mae": float(np.abs(error).mean()),
    }[metric]


def test_the_same_rows_give_the_same_standard_errors() -> None:
    for task, sample in (("Classification", classified), ("Regression", regressed)):
        assert evaluate(task, *sample(200, 3)) == evaluate(task, *sample(200, 3))


def test_an_output_that_is_not_finite_gives_no_figures() -> None:
    targets, probabilities = classified(10, seed=1)
    probabilities[4, 1] = np.nan
    assert evaluate("Classification", targets, probabilities) is None
    assert evaluate("Regression", np.ones(2), np.array([[1.0], [np.inf]])) is None


def test_a_probability_of_zero_for_the_right_class_is_a_large_loss_not_an_infinite_one() -> None:
    loss = figures("Classification", np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]]))["logLoss"].value
    assert loss == pytest.approx(-math.log(1e-7) / 2, rel=1e-3)


def test_extremes_are_finite() -> None:
    """One row; all right; a class that the part does not have."""
    for found in (
        figures("Classification", np.array([1]), np.array([[0.2, 0.8]])),
        figures("Classification", np.array([0, 1]), np.array([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]])),
        figures("Regression", np.array([3.0]), np.array([[2.0]])),
        figures("Regression", np.array([3.0, 4.0]), np.array([[3.0], [4.0]])),
        figures("Regression", np.array([3.0, 3.0]), np.array([[2.0], [3.0]])),
    ):
        for figure in found.values():
            assert math.isfinite(figure.value)
            assert figure.standard_error >= 0


def test_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        evaluate("Regression", np.empty(0), np.empty((0, 1)))


TRAIN: Figures = {"accuracy": Figure(0.99, 0.01), "logLoss": Figure(0.05, 0.01)}
TEST: Figures = {"accuracy": Figure(0.93, 0.02), "logLoss": Figure(0.4, 0.1)}


def evaluation(**fields: object) -> Evaluation:
    return Evaluation.model_validate(fields)


def test_gates_that_are_met_let_a_model_pass() -> None:
    bounds = [{"metric": "accuracy", "minimum": 0.93}, {"metric": "logLoss", "maximum": 0.4}]
    check_gates(evaluation(require=bounds, maxGeneralizationGap=0.0601), Measure("accuracy"), TRAIN, TEST)
    check_gates(evaluation(), Measure("accuracy"), TRAIN, TEST)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"require": [{"metric": "accuracy", "minimum": 0.95}]}, ["NOT MET: accuracy is 0.93 ± 0.02", "at least 0.95"]),
        ({"require": [{"metric": "logLoss", "maximum": 0.3}]}, ["NOT MET: logLoss is 0.4 ± 0.1", "at most 0.3"]),
        ({"require": [{"metric": "accuracy", "minimum": 0.1, "maximum": 0.5}]}, ["at least 0.1 and at most 0.5"]),
        ({"maxGeneralizationGap": 0.05}, ["NOT MET", "0.99 ± 0.01", "0.93 ± 0.02", "a gap of 0.06", "at most 0.05"]),
    ],
)
def test_a_gate_that_is_not_met_says_figure_and_bound(fields: dict[str, object], said: list[str]) -> None:
    with pytest.raises(SteelyardError) as caught:
        check_gates(evaluation(**fields), Measure("accuracy"), TRAIN, TEST)
    assert (caught.value.reason, caught.value.exit_code) == (Reason.GATE_FAILED, ExitCode.GATE_FAILED)
    for words in said:
        assert words in caught.value.message


def test_a_failure_tells_the_met_requirements_too() -> None:
    bounds = [{"metric": "accuracy", "minimum": 0.5}, {"metric": "logLoss", "maximum": 0.3}]
    with pytest.raises(SteelyardError) as caught:
        check_gates(evaluation(require=bounds), Measure("accuracy"), TRAIN, TEST)
    assert "  met: accuracy is 0.93" in caught.value.message


def test_a_gap_is_growth_where_less_is_better_and_a_share_in_the_targets_unit() -> None:
    train, test = (
        {"logLoss": Figure(0.1, 0.01), "rmse": Figure(100, 1)},
        {"logLoss": Figure(0.3, 0.01), "rmse": Figure(104, 1)},
    )
    check_gates(evaluation(maxGeneralizationGap=0.21), Measure("logLoss"), train, test)
    check_gates(evaluation(maxGeneralizationGap=0.05), Measure("rmse"), train, test)
    with pytest.raises(SteelyardError, match=r"a gap of 0\.2; at most 0\.1"):
        check_gates(evaluation(maxGeneralizationGap=0.1), Measure("logLoss"), train, test)
    with pytest.raises(SteelyardError, match=r"a gap of 0\.04 of the former; at most 0\.03"):
        check_gates(evaluation(maxGeneralizationGap=0.03), Measure("rmse"), train, test)


def test_a_requirement_of_one_class_is_looked_up_by_its_label() -> None:
    bounds = [{"metric": "recall", "label": "spam", "minimum": 0.8}]
    found = {"recall": Figure(0.9, 0.01), "recall[spam]": Figure(0.7, 0.02)}
    with pytest.raises(SteelyardError, match=r"NOT MET: recall\[spam\] is 0.7 ± 0.02 on the test set; at least 0.8"):
        check_gates(evaluation(require=bounds), Measure("accuracy"), {}, found)
