"""The choice of the candidate: budget, objective, ties, and what is said of each."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.api.metrics import Measure
from steelyard_trainer.compression.choice import Choice, Measured, choose
from steelyard_trainer.compression.cost import Cost, Latency, Made
from steelyard_trainer.evaluation.metrics import Figure


def measured(name: str, size: int, accuracy: float | None, latency: float = 10.0) -> Measured:
    return Measured(name, size, latency, None if accuracy is None else {"accuracy": Figure(accuracy, 0.01)})


def chosen(*candidates: Measured, budget: float = 0.01, objective: str = "Size") -> Choice:
    return choose(list(candidates), Measure("accuracy"), budget, objective)


BASE = measured("Baseline", 400, 0.97, latency=20)


def test_the_smallest_within_the_budget_wins() -> None:
    choice = chosen(
        BASE, measured("DynamicRange", 110, 0.965), measured("Float16", 200, 0.97), measured("Int8", 100, 0.9)
    )
    assert choice.chosen.measured.name == "DynamicRange"
    assert [weighed.is_within_budget for weighed in choice.weighed] == [True, True, True, False]
    assert [weighed.drop for weighed in choice.weighed] == pytest.approx([0, 0.005, 0, 0.07])
    verdicts = {weighed.measured.name: weighed.verdict for weighed in choice.weighed}
    assert verdicts["DynamicRange"].startswith("chosen")
    assert verdicts["Float16"] == "within the budget, but 200 bytes is more than DynamicRange's"
    assert (
        verdicts["Int8"]
        == "rejected: accuracy drops by 0.07 on the validation set, more than the 0.01 that are allowed"
    )


def test_by_two_numbers_a_student_that_lost_too_much_on_the_search_rows_is_not_chosen() -> None:
    """However well it did on the validation set: of many, some look good there by chance."""
    students = measured("half", 50, 0.97), measured("quarter", 25, 0.97)
    choice = choose([BASE, *students], Measure("accuracy"), 0.01, "Size", lost_on_search_rows={"quarter": 0.03})
    assert choice.chosen.measured.name == "half"
    assert choice.weighed[2].verdict == (
        "rejected: accuracy drops by 0.03 on the search rows, more than the 0.01 that are allowed"
    )


def test_the_fastest_wins_where_latency_is_the_objective() -> None:
    candidates = BASE, measured("DynamicRange", 110, 0.97, latency=5), measured("Int8", 100, 0.97, latency=6)
    assert chosen(*candidates, objective="Latency").chosen.measured.name == "DynamicRange"
    assert chosen(*candidates, objective="Size").chosen.measured.name == "Int8"


def test_of_many_candidates_those_are_shown_that_matter_in_their_order() -> None:
    found = chosen(
        measured("outside", 10, 0.5, latency=1),
        BASE,
        measured("slow", 200, 0.97, latency=30),
        measured("small", 100, 0.97, latency=9),
        Measured.failed("failed", "no"),
        measured("quick", 300, 0.97, latency=5),
    )
    assert found.chosen.measured.name == "small"
    for most, objective, names in (
        (1, "Size", ["small"]),
        (2, "Latency", ["Baseline", "small"]),
        (3, "Size", ["Baseline", "slow", "small"]),
        (3, "Latency", ["Baseline", "small", "quick"]),
        (5, "Size", ["outside", "Baseline", "slow", "small", "quick"]),
        (9, "Size", ["outside", "Baseline", "slow", "small", "failed", "quick"]),
    ):
        assert [each.measured.name for each in found.best(most, objective)] == names  # type: ignore[arg-type]


def in_turns(name: str, size: int, *rounds: float) -> Measured:
    middle = float(np.median(rounds))
    cost = Cost(1, None, Latency(middle, middle), None, rounds, "a CPU")
    return replace(measured(name, size, 0.97, middle), cost=cost)


def test_of_those_that_are_not_significantly_slower_the_smallest_wins() -> None:
    """A noisy machine chooses no winner."""
    base = in_turns("Baseline", 400, *[20.0] * 10)
    fast, near = in_turns("Float16", 200, *[5.0] * 10), in_turns("Int8", 100, *[5.1] * 8, 4.9, 4.9)
    choice = chosen(base, fast, near, objective="Latency")
    assert choice.chosen.measured is near
    assert choice.why.startswith(
        "Int8, because it has the fewest bytes at no significantly higher latency than the least of the 3 candidates"
    )
    assert [each.verdict for each in choice.weighed] == [
        "within the budget, but 20.00 microseconds is more than Float16's 5.00",
        "within the budget, but no significant difference: the smaller, and 200 bytes is more than Int8's",
        "chosen: the least latency within the budget; no significant difference: the smaller",
    ]
    slower = in_turns("Int8", 100, *[5.1] * 9, 4.9)
    assert chosen(base, fast, slower, objective="Latency").chosen.measured is fast


def test_the_tenfold_pace_of_a_balanced_choice_is_not_broken_by_chance() -> None:
    quick, noisy = in_turns("Onnx", 753, *[8.0] * 10), in_turns("Baseline", 411, *[81.0] * 8, 79.0, 79.0)
    assert balanced(noisy, quick).chosen.measured is noisy
    assert balanced(in_turns("Baseline", 411, *[81.0] * 9, 79.0), quick).chosen.measured is quick


def test_the_baseline_wins_where_no_candidate_is_within_the_budget() -> None:
    choice = chosen(BASE, measured("Int8", 100, 0.95))
    assert choice.chosen.measured is BASE
    assert choice.why == "the float32 model, because no compressed candidate keeps accuracy within 0.01 of it"


def test_the_baseline_wins_where_it_is_the_smallest() -> None:
    choice = chosen(BASE, measured("Float16", 410, 0.97))
    assert choice.chosen.measured is BASE
    assert "fewer bytes" in choice.why
    assert choice.weighed[1].verdict.endswith("; its file is 1.0 times as large as float32's")


def test_without_compression_the_baseline_wins_and_the_report_says_so() -> None:
    choice = chosen(BASE, budget=0.0)
    assert "asks for no compression" in choice.why and choice.chosen.verdict == "chosen: the only candidate"


def test_a_drop_of_exactly_the_budget_is_within_it() -> None:
    # In floating point 0.97 - 0.96 is more than 0.01.
    assert 0.97 - 0.96 > 0.01
    assert chosen(BASE, measured("Int8", 100, 0.96)).chosen.measured.name == "Int8"
    assert chosen(BASE, measured("Int8", 100, 0.9599)).chosen.measured is BASE


def test_a_candidate_that_is_better_than_the_baseline_is_within_any_budget() -> None:
    choice = chosen(BASE, measured("Int8", 100, 0.98), budget=0.0)
    assert choice.chosen.measured.name == "Int8"
    assert choice.chosen.drop == pytest.approx(-0.01)


def test_a_candidate_whose_outputs_are_not_finite_is_rejected() -> None:
    choice = chosen(BASE, measured("Float16", 200, None), budget=1.0)
    assert choice.chosen.measured is BASE
    assert "not finite" in choice.weighed[1].verdict
    assert choice.weighed[1].drop is None


def test_ties_go_to_the_baseline_and_then_to_the_first() -> None:
    twins = measured("DynamicRange", 100, 0.97), measured("Int8", 100, 0.97)
    assert chosen(BASE, *twins).chosen.measured is twins[0]
    assert chosen(BASE, *reversed(twins)).chosen.measured is twins[1]
    assert chosen(twins[0], measured("Baseline", 100, 0.97)).chosen.measured.name == "Baseline"
    assert "no better than" in chosen(BASE, *twins).weighed[2].verdict


def by(metric: str, label: str | None, budget: float, *values: float) -> Choice:
    name = Measure(metric, label).name
    made = [
        Measured(each, size, 1.0, {name: Figure(value, 0.01)})
        for each, size, value in zip(("Baseline", "Int8", "Float16"), (400, 100, 200), values, strict=False)
    ]
    return choose(made, Measure(metric, label), budget, "Size")


def test_a_metric_in_the_targets_unit_may_grow_by_a_share() -> None:
    choice = by("rmse", None, 0.01, 1000.0, 1011.0, 1009.0)
    assert choice.chosen.measured.name == "Float16"
    assert choice.weighed[1].verdict == (
        "rejected: rmse grows by 0.011 on the validation set, more than the 0.01 of it that are allowed"
    )
    assert choice.why.endswith("of the 2 candidates whose rmse grows by at most 0.01 of it on the validation set")
    assert by("medianAe", None, 0.01, 1e-3, 1.02e-3).chosen.measured.name == "Baseline"
    assert by("mae", None, 0.0, 0.0, 0.0).chosen.measured.name == "Int8", "of nothing nothing is lost"


def test_a_metric_of_which_less_is_better_may_grow_by_the_budget() -> None:
    assert by("logLoss", None, 0.01, 0.3, 0.309).chosen.measured.name == "Int8"
    assert by("logLoss", None, 0.01, 0.3, 0.311).chosen.measured.name == "Baseline"
    assert by("mape", None, 0.01, 0.3, 0.2).chosen.drop == pytest.approx(-0.1)


def test_a_metric_of_a_label_decides() -> None:
    choice = by("recall", "spam", 0.05, 0.9, 0.8, 0.86)
    assert choice.chosen.measured.name == "Float16"
    assert choice.weighed[1].verdict.startswith("rejected: recall[spam] drops by 0.1 ")


candidates = st.builds(
    lambda sizes, accuracies: [
        measured(name, size, accuracy)
        for name, size, accuracy in zip(("Baseline", "DynamicRange", "Float16", "Int8"), sizes, accuracies, strict=True)
    ],
    st.lists(st.integers(1, 5), min_size=4, max_size=4),
    st.lists(st.sampled_from([0.9, 0.95, 0.96, 0.97]), min_size=4, max_size=4),
)


@given(candidates, st.sampled_from([0.0, 0.01, 0.05]))
def test_nothing_smaller_is_within_the_budget(made: list[Measured], budget: float) -> None:
    choice = chosen(*made, budget=budget)
    assert choice.chosen.is_within_budget
    assert choice.chosen.drop is not None
    assert choice.chosen.drop <= budget + 1e-6
    for weighed in choice.weighed:
        assert (weighed.drop is not None and weighed.drop <= budget + 1e-6) == weighed.is_within_budget
        assert not weighed.is_within_budget or weighed.measured.bytes >= choice.chosen.measured.bytes
    assert [weighed for weighed in choice.weighed if weighed.verdict.startswith("chosen")] == [choice.chosen]


@given(candidates)
def test_figures_survive_the_workspace(made: list[Measured]) -> None:
    assert [Measured.from_json(candidate.to_json()) for candidate in made] == made
    told = [replace(each, made=None if each.failure else Made(1.5, 12)) for each in made]
    assert [Measured.from_json(candidate.to_json()) for candidate in told] == told


SLOW, QUICK = measured("Baseline", 411, 0.97, latency=5805), measured("Onnx", 753, 0.97, latency=8)


def balanced(*candidates: Measured) -> Choice:
    return choose(list(candidates), Measure("accuracy"), 0.01, "Balanced", "skops")


def test_a_balanced_choice_is_the_smallest_that_is_at_most_10_times_slower_than_the_fastest() -> None:
    choice = balanced(SLOW, QUICK)
    assert choice.chosen.measured is QUICK
    assert choice.weighed[0].verdict == (
        "within the budget, but 5805.00 microseconds is more than 10 times Onnx's 8.00"
    )
    at_the_bound, beyond = (measured("Baseline", 411, 0.97, latency=time) for time in (80.0, 80.01))
    assert balanced(at_the_bound, QUICK).chosen.measured is at_the_bound
    assert balanced(beyond, QUICK).chosen.measured is QUICK
    # What is not within the budget sets no pace.
    assert balanced(SLOW, measured("Onnx", 753, 0.9, latency=8)).chosen.measured is SLOW


def test_what_the_other_end_costs_is_said() -> None:
    assert balanced(SLOW, QUICK).why.endswith(
        "; it takes 8 us for one row; the smallest within the budget is skops: 411 bytes, 5.8 ms"
    )
    smallest = choose([SLOW, QUICK], Measure("accuracy"), 0.01, "Size", "skops")
    assert smallest.chosen.measured is SLOW
    assert smallest.why.endswith(
        "; it takes 5.8 ms for one row; the fastest within the budget is Onnx: 753 bytes, 8 us"
    )
    best_of_both = balanced(measured("Baseline", 411, 0.97, latency=8), measured("Onnx", 753, 0.97, latency=9))
    assert "a row" not in best_of_both.why
