"""Which candidates are proved: the order of the tests, where they end, and what is published where rows are too few."""

import math
from dataclasses import replace

import numpy as np
import pytest

from steelyard.api.metrics import Measure
from steelyard_trainer.compression.choice import Choice, Measured, choose
from steelyard_trainer.compression.limits import ClassDrops
from steelyard_trainer.compression.paired import Bound
from steelyard_trainer.compression.proving import Bounds, Proof
from steelyard_trainer.evaluation.metrics import Figure

ACCURACY, BUDGET = Measure("accuracy"), 0.01
ENOUGH, FEW = (Bound(0.0, worst / 100, rows, 1.0) for worst, rows in ((0.5, 1000), (1.5, 180)))
SIZES = {"Float16": 200, "DynamicRange": 110, "Int8": 100}


def bounds(search: float, drop: float, most: float) -> Bounds:
    return Bounds(Bound(max(0.0, search - 0.001), search, 5000, 1.0), Bound(drop, most, 1000, 1.0))


def chosen(
    tests: dict[str, Bounds], alike: Bound = ENOUGH, on_too_few_rows: str = "Point", budget: float = BUDGET
) -> Choice:
    measured = [Measured("Baseline", 400, 20.0, {"accuracy": Figure(0.97, 0.01)})]
    for name, each in tests.items():
        measured.append(Measured(name, SIZES[name], 10.0, {"accuracy": Figure(0.97 - each.validation.drop, 0.01)}))
    return choose(measured, ACCURACY, budget, "Size", "float32", Proof(0.95, alike, tests, on_too_few_rows))


def verdicts(choice: Choice) -> dict[str, str]:
    return {each.measured.name: each.verdict for each in choice.weighed}


def test_the_smallest_that_is_proved_is_published() -> None:
    choice = chosen(
        {
            "Float16": bounds(0.001, 0, 0.003),
            "DynamicRange": bounds(0.002, 0.002, 0.008),
            "Int8": bounds(0.003, 0.004, 0.02),
        }
    )
    assert choice.chosen.measured.name == "DynamicRange"
    assert (choice.chosen.is_proved, choice.chosen.drop_at_most, choice.confidence) == (True, 0.008, 0.95)
    assert choice.proof == "proved: accuracy fell by 0.2 points, at most 0.8 with 95%"
    assert choice.why.startswith(
        "DynamicRange, because it has the fewest bytes of the 3 candidates that are proved to lose at most 1 point of "
        "accuracy"
    )
    assert choice.why.endswith(f"; {choice.proof}")
    assert verdicts(choice)["Int8"] == (
        "rejected: accuracy fell by 0.4 points, at most 2 with 95%: more than the 1 point that may be lost"
    )
    assert [each.is_proved for each in choice.weighed] == [None, True, True, False]


def test_after_the_first_that_fails_none_is_tested() -> None:
    """However good its bound looks: else the chance of an error would add up."""
    choice = chosen(
        {
            "Float16": bounds(0.001, 0, 0.003),
            "DynamicRange": bounds(0.002, 0.008, 0.02),
            "Int8": bounds(0.003, 0, 0.001),
        }
    )
    assert choice.chosen.measured.name == "Float16"
    assert verdicts(choice)["Int8"] == (
        "not tested: DynamicRange was safer on the search rows, and could not be proved"
    )
    assert not choice.weighed[-1].is_within_budget


def test_what_costs_no_less_than_a_safer_one_ends_no_tests() -> None:
    tests = {
        "Int8": bounds(0.001, 0, 0.003),
        "Float16": bounds(0.002, 0.008, 0.02),
        "Onnx": bounds(0.0001, 0.008, 0.02),
        "Int4": bounds(0.003, 0, 0.005),
    }
    proof = Proof(0.95, ENOUGH, tests)
    assert proof.standings(BUDGET) == {"Onnx": "Failed", "Int8": "Untested", "Float16": "Untested", "Int4": "Untested"}
    costs = {"Baseline": (40.0,), "Float16": (20.0,), "Int8": (10.0,), "Int4": (5.0,), "Onnx": (40.0,)}
    with_costs = proof.of(costs)
    assert with_costs.outdone(BUDGET) == {"Onnx": "Baseline", "Float16": "Int8"}
    assert list(with_costs.standings(BUDGET).items()) == [
        ("Int8", "Proved"),
        ("Int4", "Proved"),
        ("Onnx", "Failed"),
        ("Float16", "Untested"),
    ]
    # What is faster is chosen of for its time.
    timed = {name: (cost, 1 / cost) for name, (cost,) in costs.items()}
    assert proof.of(timed).outdone(BUDGET) == {"Onnx": "Baseline"}


def test_why_what_costs_more_was_not_tested_is_told() -> None:
    told = verdicts(chosen({"Int8": bounds(0.001, 0.02, 0.03), "Float16": bounds(0.002, 0, 0.001)}))
    assert told["Float16"] == "not tested: Int8 is safer on the search rows and costs no more, and could not be proved"
    tests = {name: bounds(search, 0.02, 0.03) for name, search in (("DynamicRange", 0.001), ("Int8", 0.002))}
    told = verdicts(chosen({**tests, "Float16": bounds(0.003, 0, 0.001)}))
    assert told["Float16"] == (
        "not tested: DynamicRange is safer on the search rows and costs no more, and could not be proved"
    )


def test_what_is_gained_on_the_search_rows_makes_no_student_safer() -> None:
    """They chose its best epoch: a gain there is not one on other rows, and rows that differ are a risk."""
    alike, gaining = Bound(0.0, 0.002, 1600, 1.0), Bound(-0.0044, -0.0011, 1600, 1.0)
    tests = {
        "Int4": replace(bounds(0, 0.005, 0.0102), search=gaining),
        "Int8": replace(bounds(0, 0, 0.003), search=alike),
    }
    proof = Proof(0.95, ENOUGH, tests).of({"Baseline": (40.0,), "Int8": (10.0,), "Int4": (5.0,)})
    assert list(proof.standings(BUDGET).items()) == [("Int8", "Proved"), ("Int4", "Failed")]
    of_class = {
        name: replace(bounds(0, 0, 0.004), classes={"a": replace(each, validation=Bound(0, 0.01, 90, 1.0))})
        for name, each in tests.items()
    }
    assert list(Proof(0.95, ENOUGH, of_class, max_class_drop=0.005).standings(BUDGET)) == ["Int8", "Int4"]


def test_the_order_is_that_of_the_search_rows_alone() -> None:
    tests = {"Int8": bounds(0.003, 0, 0.001), "DynamicRange": bounds(0.001, 0.02, 0.03)}
    assert Proof(0.95, ENOUGH, tests).standings(BUDGET) == {"DynamicRange": "Failed", "Int8": "Untested"}
    assert chosen(tests).chosen.measured.name == "Baseline"
    reversed_ = {"Int8": bounds(0.001, 0, 0.001), "DynamicRange": bounds(0.003, 0.02, 0.03)}
    assert chosen(reversed_).chosen.measured.name == "Int8"


def test_without_a_proof_the_baseline_is_published() -> None:
    choice = chosen({"Int8": bounds(0.001, 0.005, 0.02)})
    assert choice.chosen.measured.name == "Baseline"
    assert (choice.chosen.is_proved, choice.proof) == (None, "")
    assert choice.why == (
        "the float32 model, because no compressed candidate is proved to lose at most 1 point of accuracy with 95%"
    )


def test_of_too_few_rows_two_numbers_decide_and_it_is_said() -> None:
    choice = chosen({"Int8": bounds(0.001, 0.006, 0.024)}, FEW)
    assert choice.chosen.measured.name == "Int8"
    assert choice.chosen.is_proved is False
    assert choice.proof == (
        "not proved: accuracy fell by 0.6 points, at most 2.4 with 95%; "
        "at least 268 rows would be needed, there are 180"
    )
    assert choice.why.endswith(choice.proof)
    assert chosen({"Int8": bounds(0.001, 0.02, 0.05)}, FEW).chosen.measured.name == "Baseline"


def test_fewer_rows_are_enough_for_a_model_that_is_better() -> None:
    choice = chosen({"Int8": bounds(0.001, -0.02, -0.009)}, FEW)
    assert choice.chosen.measured.name == "Int8" and choice.chosen.is_proved
    assert choice.proof == "proved: accuracy rose by 2 points; at most 0 points may be lost, with 95%"


def test_of_a_refitted_model_nothing_is_proved() -> None:
    choice = chosen({"Int8": bounds(0.001, 0.002, 0.008)}).of_refitted()
    assert choice.chosen.is_proved is None
    assert choice.proof.endswith("; of the model that it was chosen with, not of the refitted one")
    assert choice.why.endswith(f"; {choice.proof}") and choice.why.count("proved: ") == 1


def test_of_too_few_rows_the_baseline_is_published_where_that_is_asked_for() -> None:
    alone = chosen({}, FEW, "Baseline")
    assert alone.why == (
        "the float32 model, because nothing can be proved: at least 268 rows would be needed, there are 180"
    )
    choice = chosen({"Int8": bounds(0.001, 0.0, 0.015)}, FEW, "Baseline")
    assert choice.chosen.measured.name == "Baseline"
    assert choice.why == (
        "the float32 model, because nothing can be proved: at least 268 rows would be needed, there are 180"
    )


@pytest.mark.parametrize(
    ("budget", "alike", "said"),
    [
        (0.0, ENOUGH, "no number of rows would be enough"),
        (0.01, Bound(0.0, math.inf, 20, math.inf), "these rows can't tell"),
        (0.5, Bound(0.0, math.inf, 20, 1.0), "at least 30 rows would be needed, there are 20"),
    ],
)
def test_what_would_be_needed_is_said(budget: float, alike: Bound, said: str) -> None:
    choice = chosen({"Int8": bounds(0.001, 0.0, math.inf)}, alike, budget=budget)
    assert choice.proof == f"not proved: accuracy stayed as it was, but nobody can tell what it lost at most; {said}"
    assert choice.chosen.drop_at_most is None


def test_an_answer_that_is_no_number_is_rejected() -> None:
    measured = [
        Measured("Baseline", 400, 20.0, {"accuracy": Figure(0.97, 0.01)}),
        Measured("Int8", 100, 1.0, {"accuracy": Figure(0.97, 0.01)}),
    ]
    choice = choose(measured, ACCURACY, BUDGET, "Size", "float32", Proof(0.95, ENOUGH, {}))
    assert choice.weighed[1].verdict == "rejected: its outputs are not finite numbers"


def test_an_accepted_candidate_is_over_the_budget_no_more_often_than_the_confidence_allows() -> None:
    """Ten candidates that truly lose just more than the budget, among them one that is accepted by chance the most."""
    random, wrong, draws = np.random.default_rng(0), 0, 2000
    for _ in range(draws):
        losses = random.normal(BUDGET, 0.003, 10)
        tests = {str(index): bounds(random.random(), loss, loss + 1.645 * 0.003) for index, loss in enumerate(losses)}
        wrong += "Proved" in Proof(0.95, ENOUGH, tests).standings(BUDGET).values()
    assert 0.03 < wrong / draws < 0.065


@pytest.mark.parametrize(("alike", "name"), [(FEW, "Float16"), (ENOUGH, "Int8")])
def test_what_a_student_lost_on_the_search_rows_counts_where_nothing_can_be_proved(alike: Bound, name: str) -> None:
    most = alike.upper
    tests = {each: bounds(0.02, 0.0, most) for each in ("Float16", "Int8")}
    measured = [Measured("Baseline", 400, 20.0, {"accuracy": Figure(0.97, 0.01)})]
    measured += [Measured(each, SIZES[each], 10.0, {"accuracy": Figure(0.97, 0.01)}) for each in tests]
    proof = Proof(0.95, alike, tests)
    found = choose(measured, ACCURACY, BUDGET, "Size", "float32", proof, lost_on_search_rows={"Int8": 0.02})
    assert found.chosen.measured.name == name


def by_class(name: str, search: float, spam: Bound, alike: Bound = ENOUGH) -> Proof:
    tested = {"Int8": replace(bounds(0.001, 0.0, 0.004), classes={name: Bounds(Bound(0, search, 900, 1.0), spam)})}
    return Proof(0.95, ENOUGH, tested, max_class_drop=0.05, alike_by_class={name: alike})


def chosen_by(proof: Proof, drops: float = 0.0) -> Choice:
    measured = [Measured("Baseline", 400, 20.0, {"accuracy": Figure(0.97, 0.01)})]
    measured += [Measured(name, SIZES[name], 10.0, {"accuracy": Figure(0.97, 0.01)}) for name in proof.tested]
    found = {name: {"spam": drops} for name in proof.tested}
    return choose(measured, ACCURACY, BUDGET, "Size", "float32", proof, class_drops=ClassDrops(0.05, found))


def test_a_candidate_is_proved_only_if_every_classs_bound_holds() -> None:
    """Each at the full confidence: the intersection of rejections needs no correction."""
    choice = chosen_by(by_class("spam", 0.01, Bound(0.01, 0.049, 300, 1.0)))
    assert choice.chosen.measured.name == "Int8" and choice.chosen.is_proved
    assert choice.proof == (
        "proved: accuracy stayed as it was; at most 0.4 points may be lost, with 95%; "
        "recall[spam] fell by 1 point, at most 4.9 with 95%"
    )
    failed = chosen_by(by_class("spam", 0.01, Bound(0.01, 0.051, 300, 1.0)))
    assert failed.chosen.measured.name == "Baseline"
    assert verdicts(failed)["Int8"] == (
        "rejected: recall[spam] fell by 1 point, at most 5.1 with 95%: more than the 5 points that a class may lose"
    )
    worst = failed.weighed[1].worst_class
    assert worst is not None and (worst.label, worst.drop, worst.drop_at_most) == ("spam", 0.01, 0.051)


def test_a_class_at_risk_on_the_search_rows_is_tested_later() -> None:
    risky = replace(bounds(0.001, 0, 0.004), classes={"a": Bounds(Bound(0, 0.2, 900, 1.0), Bound(0, 0.01, 900, 1.0))})
    safe = replace(bounds(0.009, 0, 0.004), classes={"a": Bounds(Bound(0, 0.01, 900, 1.0), Bound(0, 0.01, 900, 1.0))})
    proof = Proof(0.95, ENOUGH, {"Int8": risky, "Float16": safe}, max_class_drop=0.05)
    assert list(proof.standings(BUDGET)) == ["Float16", "Int8"]


def test_too_few_rows_of_a_class_are_told_and_two_numbers_compared() -> None:
    few = by_class("spam", 0.2, Bound(0.0, 0.2, 12, 1.0), Bound(0.0, 0.2, 12, 1.0))
    choice = chosen_by(few)
    assert choice.chosen.measured.name == "Int8" and choice.chosen.is_proved is False
    assert choice.proof.startswith("not proved: ")
    assert choice.proof.endswith("; at least 52 rows of class 'spam' would be needed, there are 12")
    assert chosen_by(few, 0.06).chosen.measured.name == "Baseline"
    none = by_class("spam", 0.2, Bound(0.0, math.inf, 1, math.inf), Bound(0.0, math.inf, 1, math.inf))
    assert chosen_by(none).proof.endswith("at least 52 rows of class 'spam' would be needed, there are 0")
