"""From rows to numbers: what is learned from a part of them is what scikit-learn learns."""

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn_specs import LIKE, digits

from steelyard.api.dataset import MissingValues
from steelyard_trainer.families.sklearn.features import Table


def gappy(rows: int = 40) -> Table:
    random = np.random.default_rng(0)
    numbers = random.normal(100, 7, (rows, 2))
    numbers[random.random((rows, 2)) < 0.2] = np.nan
    words = random.choice(np.array(["x", "y", "z", None], dtype=object), rows)
    return Table(("a", "w", "b"), numbers, {"w": words}, np.arange(rows) % 2)


@pytest.mark.parametrize("strategy", ["Mean", "Median"])
@pytest.mark.parametrize("scaled", [True, False])
def test_what_is_learned_from_rows_is_what_scikit_learn_learns(strategy: str, scaled: bool) -> None:
    table = gappy()
    learned, others = table.take(np.arange(25)), table.take(np.arange(25, 40))
    preprocessing = learned.learn(MissingValues(strategy=strategy), LIKE)  # type: ignore[arg-type]
    numbers = SimpleImputer(strategy=strategy.lower())
    pipeline = make_pipeline(numbers, StandardScaler()) if scaled else numbers
    words = make_pipeline(
        SimpleImputer(strategy="most_frequent", missing_values=None), OneHotEncoder(handle_unknown="ignore")
    )
    pipeline.fit(learned.numbers)
    words.fit(learned.words["w"][:, np.newaxis])
    for part in (learned, others):
        expected = pipeline.transform(part.numbers)
        encoded = words.transform(part.words["w"][:, np.newaxis]).toarray()
        found = part.features(preprocessing if scaled else preprocessing.unscaled())
        np.testing.assert_allclose(found, np.hstack([expected[:, :1], encoded, expected[:, 1:]]), rtol=1e-12)
        assert found.dtype == np.float64


def test_plain_numbers_stay_what_they_are() -> None:
    table = digits()
    assert table.features(LIKE.unscaled()) is table.numbers


@pytest.mark.parametrize("strategy", ["Fail", "DropRow"])
def test_a_gap_that_only_prediction_meets_is_filled_with_what_training_learned(strategy: str) -> None:
    table = Table(("a",), np.array([[1.0], [2.0], [6.0]]), {}, np.arange(3))
    learned = table.learn(MissingValues(strategy=strategy), LIKE)  # type: ignore[arg-type]
    assert learned.transform({"a": ["", "6"]}, dtype=np.float64, scaled=False).tolist() == [[3.0], [6.0]]
