"""Where the categories of a table lie among a network's inputs."""

from steelyard.serving.input_columns import CategoryColumn, NumberColumn
from steelyard.serving.preprocessing import Preprocessing
from steelyard_trainer.data.shape import Category, Shape


def test_the_words_of_a_category_are_found_between_the_numbers() -> None:
    columns = (
        CategoryColumn("city", None, ("a", "b", "c")),
        NumberColumn("price", None, 0, 1),
        NumberColumn("weight", None, 0, 1),
        CategoryColumn("empty", None, ()),
        CategoryColumn("day", None, ("x", "y")),
        NumberColumn("age", None, 0, 1),
    )
    shape = Shape.of(Preprocessing(columns, "target", "Classification", ("no", "yes")))
    assert shape == Shape(8, 2, (Category("city", 0, 3), Category("day", 5, 7)))
    assert shape.runs_of_numbers == [(3, 5), (7, 8)]
    regression = Shape.of(Preprocessing(columns[1:2], "target", "Regression"))
    assert (regression, regression.outputs, regression.runs_of_numbers) == (Shape(1, None), 1, [(0, 1)])
