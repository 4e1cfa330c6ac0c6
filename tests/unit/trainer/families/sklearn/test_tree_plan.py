"""The order in which forests and gradient boosting are searched, told by what is seen of each candidate."""

from collections.abc import Callable

from steelyard_trainer.compression.plan import Seen, Wanted
from steelyard_trainer.families.sklearn.tree_plan import Trees, tree_plan

MODEL = Trees(100, 1000)


def asked(passes: Callable[[int, int], bool], rate: float | None = None) -> list[Wanted]:
    """What is wanted, one after the other, where refits of so many trees and leaves pass or not."""
    asking = tree_plan(MODEL, 50, rate).ask(Seen(passes=True, bytes=9))
    found = [next(asking)]
    try:
        while True:
            refit = found[-1].recipe.steps[0].settings
            seen = refit.technique_name() == "Onnx" or passes(refit.trees, refit.max_leaf_nodes)  # type: ignore[attr-defined]
            found.append(asking.send(Seen(passes=seen, bytes=9)))
    except StopIteration as end:
        assert end.value == "fewer trees or leaves would lose too much"
    return found


def names(passes: Callable[[int, int], bool]) -> list[str]:
    return [wanted.name for wanted in asked(passes)]


def test_both_are_made_fewer_while_that_passes_then_each_alone_then_by_less_than_half() -> None:
    assert names(lambda trees, leaves: trees >= 25 and leaves >= 30) == [
        "Onnx",
        "50-trees-250-leaves",
        "25-trees-62-leaves",
        "12-trees-15-leaves",
        "25-trees-31-leaves",
        "25-trees-15-leaves",
        "12-trees-31-leaves",
        "17-trees-31-leaves",
        "25-trees-21-leaves",
    ]


def test_the_model_itself_is_where_the_search_of_each_alone_begins() -> None:
    assert names(lambda _trees, leaves: leaves >= 500) == [
        "Onnx",
        "50-trees-250-leaves",
        "100-trees-250-leaves",
        "100-trees-500-leaves",
        "50-trees-500-leaves",
        "25-trees-500-leaves",
        "12-trees-500-leaves",
        "6-trees-500-leaves",
        "3-trees-500-leaves",
        "2-trees-500-leaves",
        "2-trees-353-leaves",
    ]
    assert names(lambda *_: False) == [
        "Onnx",
        "50-trees-250-leaves",
        "100-trees-250-leaves",
        "100-trees-500-leaves",
        "50-trees-1000-leaves",
        "70-trees-1000-leaves",
        "100-trees-707-leaves",
    ]


def test_it_ends_at_the_smallest_that_there_is() -> None:
    assert names(lambda *_: True)[-1] == "2-trees-4-leaves"


def test_no_refit_has_more_leaves_than_one_may_have() -> None:
    assert Trees(100, 300_000).fewer(1, 4) == Trees(100, 65_536)
    assert Trees(100, 95_000).fewer(2, 1) == Trees(50, 65_536)


def test_a_refit_is_one_training_and_takes_as_many_comparisons() -> None:
    first, second, *_ = asked(lambda *_: False)
    assert (first.trainings, second.trainings) == ({}, {1: 50 * 50 * 8})
    assert tree_plan(MODEL, 50, None).own_work == 50 * 100 * 10
    assert [step.technique for step in second.recipe.steps] == ["Refit", "Onnx"]


def test_few_trees_of_boosting_count_more() -> None:
    rates = {
        step.trees: step.learning_rate  # type: ignore[attr-defined]
        for wanted in asked(lambda *_: True, rate=0.1)
        for step in [wanted.recipe.steps[0].settings]
        if wanted.name != "Onnx"
    }
    assert (rates[50], rates[25]) == (0.2, 0.3)
    assert [wanted.name for wanted in asked(lambda *_: False, rate=0.1)] == [
        "Onnx",
        "50-trees-1000-leaves",
        "100-trees-500-leaves",
        "70-trees-1000-leaves",
        "100-trees-707-leaves",
    ]
