"""Raw cells become the model's input as scikit-learn's pipeline would make it, and mistakes name row and column."""

import json
import math
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from steelyard.api.dataset import MissingValues
from steelyard.api.errors import DataError
from steelyard.cells.csv_text import CsvStyle
from steelyard.cells.dates import DATE_PARTS
from steelyard.cells.numbers import NumberStyle
from steelyard.serving.input_columns import MISSING, UNKNOWN, CategoryColumn, DateColumn, NumberColumn
from steelyard.serving.preprocessing import Preprocessing
from steelyard_trainer.data.statistics import Moments, NumberLearner, WordLearner

PREPROCESSING = Preprocessing(
    columns=(NumberColumn("age", 40.0, 50.0, 10.0), CategoryColumn("town", "Ulm", ("Bonn", "Ulm"))),
    target="sold",
    task="Classification",
    classes=("no", "yes"),
)


def test_transform_scales_fills_and_encodes():
    table = {"age": ["60", "", None, math.nan], "town": ["Bonn", "", None, "Rome"], "ignored": [1, 2, 3, 4]}
    features = PREPROCESSING.transform(table)
    np.testing.assert_array_equal(features, np.array([[1, 1, 0], [-1, 0, 1], [-1, 0, 1], [-1, 0, 0]], dtype=np.float32))
    assert features.dtype == np.float32
    assert PREPROCESSING.width == features.shape[1]
    assert PREPROCESSING.feature_names == ["age", "town=Bonn", "town=Ulm"]


def test_numbers_as_arrays_of_any_type_and_as_text_are_equal():
    towns = ["Ulm", "Ulm"]
    expected = PREPROCESSING.transform({"age": ["1.5e1", " 20"], "town": towns})
    for cells in (
        [15, 20],
        np.array([15.0, 20.0]),
        np.array([15, 20], dtype=np.int8),
        np.array([15, 20], dtype=object),
    ):
        np.testing.assert_array_equal(PREPROCESSING.transform({"age": cells, "town": towns}), expected)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"town": ["Ulm"]}, "lacks the column 'age'.*trained on age, town"),
        ({"age": [1, 2], "town": ["Ulm"]}, "differ in length"),
        ({"age": [1, "old"], "town": ["Ulm", "Ulm"]}, "row 2, column 'age': 'old' is not a number"),
        ({"age": ["1_000"], "town": ["Ulm"]}, "row 1, column 'age': '1_000' is not a number"),
        ({"age": [1, math.inf], "town": ["Ulm", "Ulm"]}, "row 2, column 'age': inf is not a finite number"),
        ({"age": [1, 10**400], "town": ["Ulm", "Ulm"]}, "row 2, column 'age': inf is not a finite number"),
    ],
)
def test_a_table_that_does_not_fit_is_explained(table, message):
    with pytest.raises(DataError, match=message):
        PREPROCESSING.transform(table)


@pytest.mark.parametrize("column", [NumberColumn("x", None, 0.0, 1.0), CategoryColumn("x", None, ("a",))])
def test_a_missing_cell_without_a_fill_is_an_error_that_names_the_row(column):
    with pytest.raises(DataError, match="row 3, column 'x': the cell is empty"):
        column.transform([1.0, "2", None])


def test_words_for_missing_are_missing_in_number_columns_only():
    assert NumberColumn("x", 7.0, 0.0, 1.0).transform(["NA", "None", "nan"]).tolist() == [[7], [7], [7]]
    assert CategoryColumn("x", "a", ("NA", "a")).transform(["NA", ""]).tolist() == [[1, 0], [0, 1]]


@given(
    st.builds(
        Preprocessing,
        columns=st.lists(
            st.builds(
                NumberColumn,
                st.text(min_size=1),
                st.none() | st.floats(allow_nan=False, allow_infinity=False),
                st.floats(allow_nan=False, allow_infinity=False),
                st.floats(1e-300, 1e300),
                st.builds(NumberStyle, st.sampled_from([".", ","]), st.none() | st.just(" "), st.none() | st.text()),
                st.booleans(),
                st.just(("?",)),
            )
            | st.builds(
                CategoryColumn,
                st.text(min_size=1),
                st.none() | st.text(),
                st.lists(st.text()).map(tuple),
                st.sampled_from(["AsWritten", "Words", "Values"]),
                st.booleans(),
                st.just(("?",)),
            )
            | st.builds(
                DateColumn,
                st.text(min_size=1),
                st.floats(-1e9, 1e9),
                st.sampled_from(["ISO8601", "%Y"]),
                st.just(DATE_PARTS),
                st.just((0.5,) * 7),
                st.just((2.0,) * 7),
                st.just(("?",)),
            ),
            max_size=4,
        ).map(tuple),
        target=st.text(min_size=1),
        task=st.sampled_from(["Classification", "Regression"]),
        classes=st.none() | st.lists(st.text(), min_size=2).map(tuple),
        target_mean=st.floats(allow_nan=False, allow_infinity=False),
        target_scale=st.floats(1e-300, 1e300),
        target_spelling=st.sampled_from(["AsWritten", "Words", "Values"]),
        target_style=st.builds(NumberStyle, st.just(","), st.just(".")),
        missing_markers=st.just(("?",)),
        csv=st.none() | st.builds(CsvStyle, st.just(";"), st.just("UTF-16"), st.integers(0, 9), st.none() | st.text()),
    )
)
def test_json_keeps_every_bit(preprocessing):
    assert Preprocessing.from_json(json.loads(json.dumps(preprocessing.to_json()))) == preprocessing


OLDER = {
    "target": "sold",
    "task": "Classification",
    "classes": ["1.0", "yes"],
    "targetMean": 0.0,
    "targetScale": 1.0,
    "columns": [{"name": "town", "kind": "Category", "fill": None, "words": [" Ulm", "Ulm"]}],
}


def test_a_document_of_an_older_version_reads_to_the_letter():
    older = Preprocessing.from_json(OLDER)
    assert older.transform({"town": [" Ulm", "Ulm", "Ulm "]}).tolist() == [[1, 0], [0, 1], [0, 0]]
    assert older.target_cells(["1.0", "1", ""]) == ["1.0", "1", None]
    with pytest.raises(DataError, match="nothing to put there"):
        older.transform({"town": [""]})


@pytest.mark.parametrize("cells", [["1", " 1.0", "TRUE", "x "], [1, 1.0, True, "x"], [np.int64(1), 1.0, "true", "x"]])
def test_a_word_has_one_spelling_wherever_it_comes_from(cells):
    column = CategoryColumn("x", "1", ("1", "true", "x"))
    assert column.codes(cells).tolist() == [0, 0, 1, 2]


def test_gaps_and_new_words_can_be_told_from_the_others():
    column = CategoryColumn("x", "a", ("a", "b"), markers=("?",))
    assert column.codes(["a", " ", None, "?", "c", "b "]).tolist() == [0, MISSING, MISSING, MISSING, UNKNOWN, 1]
    assert column.filled_codes(["a", "?", "c"]).tolist() == [0, 0, UNKNOWN]


def test_all_words_beyond_the_most_frequent_are_one():
    column = CategoryColumn("x", "a", ("a", "other"), has_other=True)
    assert column.codes(["a", "rare"]).tolist() == [0, UNKNOWN]
    assert column.transform(["a", "rare", ""]).tolist() == [[1, 0], [0, 1], [1, 0]]


def test_numbers_are_read_in_their_columns_style():
    euros = NumberColumn("x", 7.0, 0.0, 1.0, NumberStyle(",", ".", suffix="€"), markers=("?", "-999"))
    assert euros.transform(["1.234,5 €", "?", 2.5, "-999", -999]).tolist() == [[1234.5], [7], [2.5], [7], [7]]
    truth = NumberColumn("x", 0.0, 0.0, 1.0, is_truth=True)
    assert truth.transform(["True", "false", True, "0"]).tolist() == [[1], [0], [1], [0]]
    with pytest.raises(DataError, match="'True' is not a number"):
        NumberColumn("x", 0.0, 0.0, 1.0).transform(["True"])


def test_dates_become_their_parts():
    column = DateColumn("day", 0.0, "%d.%m.%Y", ("year", "weekday", "seconds"), (2000.0, 0.0, 0.0), (10.0, 1.0, 1.0))
    expected = [[2.4, 4, 1717113600], [-3, 3, 0]]
    assert column.feature_names == ["day.year", "day.weekday", "day.seconds"]
    assert column.transform(["31.5.2024", ""]).tolist() == expected
    assert column.transform(np.array(["2024-05-31", "NaT"], "datetime64[ns]")).tolist() == expected
    assert column.transform(["31.5.2024"], scaled=False).tolist() == [[2024, 4, 1717113600]]
    with pytest.raises(DataError, match="row 5, column 'day': 'soon' is not a date"):
        column.transform(["soon"], 5)


def test_given_targets_are_read_as_the_model_says_them():
    labels = Preprocessing((), "t", "Classification", ("0", "1"))
    assert labels.target_cells(["1.0", 1, 0.0, " 1", "NA", None]) == ["1", "1", "0", "1", None, None]
    assert Preprocessing((), "t", "Classification", ("NA", "b")).target_cells(["NA ", ""]) == ["NA", None]
    prices = Preprocessing((), "t", "Regression", target_style=NumberStyle(thousands=","), missing_markers=("?",))
    assert prices.target_cells(["1,234", "?", 5]) == [1234, None, 5]
    with pytest.raises(DataError, match="row 1, column 't': 'x' is not a number"):
        prices.target_cells(["x"])


def test_labels_are_as_they_were_written():
    assert PREPROCESSING.labels([[0.9, 0.1], [0.2, 0.8]]) == ["no", "yes"]
    regression = Preprocessing(PREPROCESSING.columns, "price", "Regression")
    assert regression.labels(np.array([[1.5], [2.0]], dtype=np.float32)) == [1.5, 2.0]


@pytest.mark.parametrize(
    ("strategy", "imputer"),
    [("Mean", "mean"), ("Median", "median"), ("Constant", "constant")],
)
def test_numbers_are_learned_as_scikit_learn_learns_them(strategy, imputer):
    values = np.random.default_rng(1).normal(1e6, 3.0, size=(101, 1))
    values[::7] = math.nan
    learner = NumberLearner("x")
    for part in np.array_split(values[:, 0], 5):
        learner.add(pa.array(part, mask=np.isnan(part)))
    missing = MissingValues(strategy=strategy, value=5.0 if strategy == "Constant" else None)
    column = learner.learn(missing, lambda _: float(np.nanmedian(values)))
    pipeline = make_pipeline(
        SimpleImputer(strategy=imputer, fill_value=5.0 if strategy == "Constant" else None), StandardScaler()
    )
    expected = pipeline.fit_transform(values)
    np.testing.assert_allclose(column.transform(values[:, 0]), expected, rtol=1e-5, atol=1e-6)


def test_words_are_learned_as_scikit_learn_learns_them():
    words = ["b", "a", None, "b", "c", "c"]
    learner = WordLearner("x")
    learner.add(pa.array(words[:3]))
    learner.add(pa.array(words[3:], pa.string()))
    column = learner.learn(MissingValues(strategy="Median"), lambda _: 0.0)
    # b and c are equally frequent: the first by name.
    assert column == CategoryColumn("x", "b", ("a", "b", "c"))
    encoder = OneHotEncoder(handle_unknown="ignore").fit([[word or "b"] for word in words])
    given = ["a", "new", "c"]
    np.testing.assert_array_equal(column.transform(given), encoder.transform([[word] for word in given]).toarray())


@given(st.lists(st.lists(st.floats(-1e6, 1e6), max_size=8), min_size=1, max_size=8))
def test_moments_do_not_depend_on_how_the_values_come(parts):
    values = np.array([value for part in parts for value in part])
    moments = Moments()
    for part in parts:
        moments.add(np.array(part))
    assert moments.count == len(values)
    if len(values):
        assert moments.mean == pytest.approx(values.mean(), rel=1e-9, abs=1e-6)
        assert moments.squares / len(values) == pytest.approx(values.var(), rel=1e-9, abs=1e-5)


def test_a_column_that_does_not_vary_has_scale_1_even_where_rounding_makes_it_vary():
    moments = Moments()
    for _ in range(3):
        moments.add(np.full(1000, 0.1))
    assert moments.scale == 1.0


def test_it_imports_neither_pyarrow_nor_tensorflow():
    code = (
        "import sys, steelyard.serving.preprocessing; "
        "sys.exit(bool({'pyarrow', 'pandas', 'sklearn', 'tensorflow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
