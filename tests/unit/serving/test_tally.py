"""What was done to cells before the model took them is counted by column, over all tables."""

import numpy as np
import pytest

from steelyard.serving.input_columns import CategoryColumn, NumberColumn
from steelyard.serving.preprocessing import Preprocessing
from steelyard.serving.tally import Tally

PREPROCESSING = Preprocessing(
    columns=(NumberColumn("age", 40.0, 50.0, 10.0), CategoryColumn("town", "Oslo", ("Bonn", "Ulm"))),
    target="sold",
    task="Classification",
    classes=("no", "yes"),
)


def test_filled_cells_and_unknown_words_are_counted_by_column() -> None:
    tally = Tally()
    table = {"age": ["60", "", None, "nan"], "town": ["Bonn", "Rome", None, "Rome"]}
    plain = PREPROCESSING.transform(table)
    np.testing.assert_array_equal(PREPROCESSING.transform(table, tally=tally), plain)
    # The word that gaps are filled with may be one that training has not seen: still it is a gap.
    assert tally.to_json() == {
        "age": {"filled": 3},
        "town": {"filled": 1, "unknown": 2, "examples": ["Rome"]},
    }
    assert (tally.filled["age"].first_row, tally.filled["town"].first_row) == (2, 3)
    assert tally.unknown["town"].first_row == 2


def test_tables_add_up_and_examples_stay_few() -> None:
    tally = Tally()
    for first_row, towns in ((1, ["Ulm", "A"]), (3, ["B", "A"]), (5, ["C", "D"])):
        PREPROCESSING.transform({"age": [1, 2], "town": towns}, first_row, tally=tally)
    assert tally.to_json() == {"town": {"unknown": 5, "examples": ["A", "B", "C"]}}
    assert tally.unknown["town"].first_row == 2


@pytest.mark.parametrize("ages", [[1, 2], np.array([1.0, 2.0])])
def test_where_nothing_was_done_nothing_is_counted(ages: list[int]) -> None:
    tally = Tally()
    PREPROCESSING.transform({"age": ages, "town": ["Ulm", "Bonn"]}, tally=tally)
    assert tally.is_empty and tally.to_json() == {}
