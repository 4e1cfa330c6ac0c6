"""Every metric is scikit-learn's, on five sets, binary and of many classes; what is not defined has a value of its own.
And the standard errors are what fresh samples show."""

from typing import Any, get_args

import numpy as np
import pytest
from sklearn import metrics as reference
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from steelyard.api.metrics import METRICS, OF_LABELS, Measure, Metric, all_measures, measure_named
from steelyard.api.training import Monitor
from steelyard_trainer.evaluation.metrics import evaluate
from steelyard_trainer.families.sklearn.scores import Predictions, score

SETS = {
    "breast_cancer": load_breast_cancer,
    "wine": load_wine,
    "iris": load_iris,
    "digits": load_digits,
    "unbalanced": None,
}


def outputs_of(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Targets of a test set and what a logistic regression says of it."""
    if name == "unbalanced":
        random = np.random.default_rng(0)
        features = random.normal(size=(600, 4))
        targets = (features[:, 0] + random.normal(0, 1, 600) > 1.6).astype(int)
    else:
        features, targets = SETS[name](return_X_y=True)
    train, test, of_train, of_test = train_test_split(features, targets, test_size=0.5, random_state=0)
    # Poor on purpose: a model without errors tells no two metrics apart.
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01)).fit(train, of_train)
    return of_test, model.predict_proba(test)


def by_scikit_learn(measure: Measure, targets: np.ndarray, probabilities: np.ndarray) -> float:
    """The metric as scikit-learn's user computes it; of a label as one class against the others."""
    predicted, label = probabilities.argmax(1), measure.label
    classes = probabilities.shape[1]
    if measure.metric in ("rocAuc", "averagePrecision"):
        function = reference.roc_auc_score if measure.metric == "rocAuc" else reference.average_precision_score
        if label is not None:
            return float(function(targets == int(label), probabilities[:, int(label)]))
        if classes == 2:
            return float(function(targets, probabilities[:, 1]))
        if measure.metric == "rocAuc":
            return float(reference.roc_auc_score(targets, probabilities, multi_class="ovr", average="macro"))
        return float(reference.average_precision_score(np.eye(classes)[targets], probabilities, average="macro"))
    own: dict[str, Any] = {"labels": [int(label)]} if label is not None else {}
    match measure.metric:
        case "accuracy":
            return float(reference.accuracy_score(targets, predicted))
        case "balancedAccuracy":
            return float(reference.balanced_accuracy_score(targets, predicted))
        case "logLoss":
            return float(reference.log_loss(targets, probabilities))
        case "precision":
            return float(reference.precision_score(targets, predicted, average="macro", zero_division=0, **own))
        case "recall":
            return float(reference.recall_score(targets, predicted, average="macro", zero_division=0, **own))
    return float(reference.f1_score(targets, predicted, average="macro", zero_division=0, **own))


@pytest.mark.parametrize("name", SETS)
def test_every_metric_of_classes_is_scikit_learns(name: str) -> None:
    targets, probabilities = outputs_of(name)
    classes = [str(index) for index in range(probabilities.shape[1])]
    of_all = [*all_measures("Classification"), Measure("f1")]
    measures = [*of_all, *(Measure(metric, label) for metric in OF_LABELS for label in classes)]
    found = evaluate("Classification", targets, probabilities, measures, classes)
    assert found is not None and len(found) == len(measures)
    said = Predictions(lambda: probabilities.argmax(1), lambda: probabilities)
    for measure in measures:
        right = by_scikit_learn(measure, targets, probabilities)
        assert found[measure.name].value == pytest.approx(right, abs=1e-9), measure
        assert score(measure, targets, said, classes) == pytest.approx(right, abs=1e-9), measure
    assert 0.3 < found["accuracy"].value < 1, "a perfect model tells no two metrics apart"


@pytest.mark.parametrize("seed", range(5))
def test_every_metric_of_numbers_is_scikit_learns(seed: int) -> None:
    features, targets = load_diabetes(return_X_y=True)
    train, test, of_train, of_test = train_test_split(features, targets, test_size=0.5, random_state=seed)
    predicted = LinearRegression().fit(train, of_train).predict(test)
    found = evaluate("Regression", of_test, predicted[:, np.newaxis], all_measures("Regression"))
    functions = {
        "r2": reference.r2_score,
        "rmse": reference.root_mean_squared_error,
        "mae": reference.mean_absolute_error,
        "mape": reference.mean_absolute_percentage_error,
        "medianAe": reference.median_absolute_error,
    }
    assert found is not None and set(found) == set(functions)
    said = Predictions(lambda: predicted, lambda: predicted[:, np.newaxis])
    for name, function in functions.items():
        assert found[name].value == pytest.approx(function(of_test, predicted), abs=1e-9)
        assert score(measure_named(name), of_test, said) == pytest.approx(function(of_test, predicted), abs=1e-9)


def test_a_class_that_the_rows_do_not_have_is_left_out_of_the_mean() -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), 60)
    targets = random.integers(0, 2, 60)
    measures = [*all_measures("Classification"), *(Measure(metric, "c") for metric in OF_LABELS)]
    found = evaluate("Classification", targets, probabilities, measures, ["a", "b", "c"])
    assert found is not None
    each = [reference.roc_auc_score(targets == index, probabilities[:, index]) for index in (0, 1)]
    assert found["rocAuc"].value == pytest.approx(np.mean(each))
    each = [reference.average_precision_score(targets == index, probabilities[:, index]) for index in (0, 1)]
    assert found["averagePrecision"].value == pytest.approx(np.mean(each))
    assert (found["rocAuc[c]"].value, found["averagePrecision[c]"].value, found["recall[c]"].value) == (0.5, 0, 0)
    assert all(np.isfinite([figure.value, figure.standard_error]).all() for figure in found.values())


def test_rows_of_one_class_have_no_order() -> None:
    found = evaluate("Classification", np.ones(4, int), np.full((4, 2), 0.5), all_measures("Classification"))
    assert found is not None and (found["rocAuc"].value, found["rocAuc"].standard_error) == (0.5, 0)
    assert found["averagePrecision"].value == 1
    found = evaluate("Classification", np.zeros(4, int), np.full((4, 2), 0.5), all_measures("Classification"))
    assert found is not None and found["averagePrecision"].value == 0


def sample(measure: Measure, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    if measure.info.task == "Regression":
        targets = random.normal(150, 20, rows)
        return targets, (targets + random.normal(0, 40, rows))[:, np.newaxis]
    targets = random.choice(3, rows, p=[0.5, 0.3, 0.2])
    scores = np.exp(random.normal(size=(rows, 3)) + 1.5 * np.eye(3)[targets])
    return targets, scores / scores.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    "name",
    [
        *("rocAuc", "averagePrecision", "balancedAccuracy", "precision", "recall", "f1"),
        *("rocAuc[b]", "averagePrecision[c]", "precision[a]", "recall[b]", "f1[c]", "mape", "medianAe"),
    ],
)
def test_a_standard_error_is_the_spread_over_fresh_samples(name: str) -> None:
    measure = measure_named(name)
    rows, task, classes = 400, measure.info.task, ["a", "b", "c"]

    def claim(seed: int) -> float:
        found = evaluate(task, *sample(measure, rows, seed), [measure], classes)
        assert found is not None
        return found[name].standard_error

    def value(seed: int) -> float:
        targets, outputs = sample(measure, rows, seed)
        said = Predictions(lambda: outputs.argmax(1) if outputs.shape[1] > 1 else outputs[:, 0], lambda: outputs)
        return score(measure, targets, said, classes)

    claimed = np.mean([claim(seed) for seed in range(4)])
    spread = np.std([value(seed) for seed in range(10, 130)], ddof=1)
    # The spread of 120 values is known to 6.5 %.
    assert claimed == pytest.approx(spread, rel=0.25)


def test_the_table_of_metrics_is_whole() -> None:
    assert set(METRICS) == set(get_args(Metric))
    monitors = {f"val_{name}" for name in METRICS} | {"val_loss", "loss", "accuracy", "mae"}
    assert set(get_args(Monitor)) == monitors
    for name, info in METRICS.items():
        assert info.meaning and bool(info.label_meaning) == info.takes_label
        assert measure_named(name) == Measure(name)
    assert measure_named("f1[a [b]]") == Measure("f1", "a [b]")
    with pytest.raises(ValueError, match="'f2' is no metric"):
        measure_named("f2")


def test_a_loss_is_a_share_where_the_metric_is_in_the_targets_unit() -> None:
    assert Measure("accuracy").loss(0.8, 0.9) == pytest.approx(0.1)
    assert Measure("logLoss").loss(0.5, 0.4) == pytest.approx(0.1)
    assert Measure("mape").loss(0.5, 0.4) == pytest.approx(0.1)
    assert Measure("rmse").loss(1010, 1000) == pytest.approx(0.01)
    assert Measure("medianAe").loss(2.0, 0.0) > 1e9
    assert str(Measure("accuracy").loss(1.0, 1.0)) == "0.0"
