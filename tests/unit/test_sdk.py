"""`import steelyard`: what it costs, and how it reads tables and labels."""

import datetime
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

import steelyard
from steelyard.sdk.model import typed_labels
from steelyard.sdk.tables import cells_by_column

# --- import steelyard -------------------------------------------------------------------------------------------------


def test_importing_it_is_cheap_and_loads_no_library() -> None:
    program = (
        "import sys, time; before = set(sys.modules); began = time.perf_counter(); import steelyard; "
        "seconds = time.perf_counter() - began; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(seconds, *sorted(new - sys.stdlib_module_names))"
    )
    seconds, *others = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    ).stdout.split()
    assert others == ["steelyard"]
    # 0.02 s on a quiet machine of two cores, where 0.15 s are allowed.
    assert float(seconds) < 1


def test_every_name_is_there_and_a_wrong_one_is_an_error() -> None:
    assert {name: getattr(steelyard, name) for name in steelyard.__all__}.keys() <= set(dir(steelyard))
    assert steelyard.load.__module__ == "steelyard.sdk.model"
    with pytest.raises(AttributeError, match="has no attribute 'lod'"):
        steelyard.lod  # noqa: B018


def test_labels_have_the_type_that_tables_have_them_in() -> None:
    assert typed_labels(("0", "10", "-3")).tolist() == [0, 10, -3]
    assert typed_labels(("0", "1")).dtype == np.int64
    assert typed_labels(("false", "true")).tolist() == [False, True]
    for labels in (("01", "1"), ("1", "b"), ("true", "maybe"), ("1.5", "2"), ("true",), ("-0", "1"), ("9" * 19, "1")):
        assert typed_labels(labels).tolist() == list(labels)


# --- tables that are none ---------------------------------------------------------------------------------------------

TWICE = pd.DataFrame([[1, 2]], columns=["a", "a"])

WRONG = {
    "an array": (
        np.zeros((2, 2)),
        "a ndarray is no table; allowed: a pandas or Polars DataFrame, an Arrow",
    ),
    "a list": ([{"a": 1}], "a list is no table"),
    "a series": (pd.Series([1]), "a Series is no table"),
    "a path": ("rows.csv", "a str is no table"),
    "a lazy frame": (pl.LazyFrame({"a": [1]}), r"a LazyFrame is no table.*collect\(\) makes a DataFrame"),
    "a column twice": (TWICE, "has the column 'a' twice"),
    "levels": (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "a name of several levels"),
    "a column less": ({"b": [1]}, "lacks the column 'a', which the model was trained on; it has the column 'b'"),
    "lengths": ({"a": [1], "c": [1, 2]}, "the columns differ in length: 'a' 1, 'c' 2"),
    "a number": ({"a": 1, "c": [1]}, "column 'a': a int is no column; give a list of cells"),
    "a text": ({"a": "one", "c": ["1"]}, "column 'a': a str is no column"),
    "two dimensions": ({"a": np.zeros((1, 1)), "c": [1]}, r"column 'a' has the shape \(1, 1\)"),
    "a list in a cell": ({"a": [1, [2]], "c": [1, 2]}, "row 2, column 'a': a list is no cell"),
    "no columns": ({}, "lacks the columns 'a', 'c', which the model was trained on; it has no columns"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_table_is_a_data_error(kind: str) -> None:
    data, message = WRONG[kind]
    wanted = ["a", "c"] if isinstance(data, dict) and kind != "a column less" else ["a"]
    with pytest.raises(steelyard.DataError, match=message) as caught:
        cells_by_column(data, wanted)
    assert caught.value.exit_code == 65


def test_cells_of_all_types_reach_the_model_as_they_are() -> None:
    when = datetime.datetime(2024, 5, 31, 12)
    frame = pd.DataFrame(
        {"a": pd.to_datetime([when]), "b": pd.to_timedelta([5], unit="s"), "c": [Decimal("1.5")], "d": [True], 5: ["x"]}
    )
    found = cells_by_column(frame, ["5", "d", "c", "b", "a"])
    assert (
        list(found) == ["5", "d", "c", "b", "a"] and list(found["5"]) == ["x"] and list(found["c"]) == [Decimal("1.5")]
    )
    assert np.asarray(found["a"]).dtype.kind == "M" and np.asarray(found["b"]).dtype.kind == "m"
    zoned = pd.DataFrame({"a": pd.to_datetime([when]).tz_localize("UTC")})
    assert cells_by_column(zoned, ["a"])["a"][0].utcoffset() == datetime.timedelta(0)
