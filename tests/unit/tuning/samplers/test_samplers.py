"""What every algorithm of a search keeps to. (How good they are: tests/statistics.)"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sampler_searches import (
    ALGORITHMS,
    CONDITIONAL,
    FLAG,
    INNER,
    LEARNING,
    NUMBERS,
    OUTER,
    SETTINGS,
    UNITS,
    search,
    values_of,
)
from sampler_support import play, some_answer, spec_of

from steelyard.search.log import Entry, Values
from steelyard.tuning.asking import Asker


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_suggestion_lies_in_the_space_and_none_is_made_twice(algorithm: str) -> None:
    spec = search(algorithm, parallel=4)
    asker = Asker(spec)

    entries = play(spec, 45, some_answer, asker=asker)

    assert len(entries) == 45
    assert all(asker.space.contains(entry.values) for entry in entries)
    assert len({asker.space.key(entry.values) for entry in entries}) == 45
    types = {"Int": int, "Double": float}
    for entry in entries:
        for parameter in spec.parameters:
            if parameter.path in entry.values and parameter.type in types:
                assert type(entry.values[parameter.path]) is types[parameter.type]
        assert type(entry.values.get("model.flag", True)) is bool
        assert list(entry.values) == [one.path for one in spec.parameters if one.path in entry.values]


@pytest.mark.parametrize("algorithm", CONDITIONAL)
def test_a_parameter_exists_only_where_its_condition_holds(algorithm: str) -> None:
    parameters = [INNER, OUTER, FLAG, UNITS]
    entries = play(spec_of(parameters, algorithm, settings=SETTINGS.get(algorithm)), 60, some_answer)

    assert {"a.inner" in entry.values for entry in entries} == {True, False}
    assert {"model.outer" in entry.values for entry in entries} == {True, False}
    for values in values_of(entries):
        assert ("model.outer" in values) == values["model.flag"]
        assert ("a.inner" in values) == (values.get("model.outer") in (0.1, 0.2))


@pytest.mark.parametrize("parallel", (1, 3))
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_asker_that_begins_in_the_middle_asks_the_same(algorithm: str, parallel: int) -> None:
    spec = search(algorithm, parallel=parallel)

    long_lived, fresh = play(spec, 30, some_answer), play(spec, 30, some_answer, is_fresh=True)

    assert long_lived == fresh


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_it_does_not_matter_what_was_asked_before(algorithm: str) -> None:
    spec = search(algorithm)
    entries = play(spec, 30, some_answer)
    asker = Asker(spec)

    for number in (29, 12, 12, 3, 20, 29):
        others = [Entry(entry.number, entry.values, "Complete", 0.5) for entry in entries[: number + 1]]
        asker.ask(number + 1, others, [])
        assert asker.ask(number, entries[:number], []) == entries[number].values


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_another_seed_suggests_other_values(algorithm: str) -> None:
    one, other = (values_of(play(search(algorithm, seed=seed), 15, some_answer)) for seed in (1, 2))

    assert (one == other) == (algorithm == "Grid")


@pytest.mark.parametrize("algorithm", LEARNING)
def test_answers_matter(algorithm: str) -> None:
    def opposite(number: int, values: Values) -> Entry:
        entry = some_answer(number, values)
        value = None if entry.value is None else -entry.value
        return Entry(number, values, entry.state, value, entry.steps, entry.secondary)

    one, other = (play(search(algorithm), 30, answer) for answer in (some_answer, opposite))

    assert values_of(one) != values_of(other)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_combination_is_asked_once_and_then_none(algorithm: str) -> None:
    numbers = [{"path": "b", "type": "Int", "min": 1, "max": 4}, {"path": "c", "type": "Int", "min": 1, "max": 3}]
    conditional = [
        {"path": "d", "type": "Categorical", "values": [1, True]},
        {"path": "a", "type": "Int", "min": 1, "max": 2, "when": {"path": "d", "values": [True]}},
    ]
    parameters = [*numbers, *conditional] if algorithm in CONDITIONAL else numbers
    count = 36 if algorithm in CONDITIONAL else 12
    spec = spec_of(parameters, algorithm, settings=SETTINGS.get(algorithm), parallel_trials=3)

    entries = play(spec, 100, some_answer)

    assert len(entries) == count == Asker(spec).space.combinations
    assert len({Asker(spec).space.key(entry.values) for entry in entries}) == count


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_last_combination_may_still_be_pending(algorithm: str) -> None:
    spec = spec_of([{"path": "b", "type": "Int", "min": 1, "max": 2}], algorithm)

    assert Asker(spec).ask(1, [], [{"b": 1}]) == {"b": 2}
    assert Asker(spec).ask(2, [Entry(0, {"b": 2}, "Failed")], [{"b": 1}]) is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_initial_trials_come_first_completed_and_each_once(algorithm: str) -> None:
    wanted = [{"model.units": 32.0}, {"model.units": 32}, {"model.tenths": 0.2 + 0.1, "a.alone": "only"}]
    spec = search(algorithm, initial_trials=wanted)

    entries = play(spec, 12, some_answer)

    assert entries[0].values["model.units"] == 32
    assert type(entries[0].values["model.units"]) is int
    assert entries[0].values["model.tenths"] == 0.1, "the template has no such field: the first value"
    assert entries[1].values["model.units"] == 16
    assert entries[1].values["model.tenths"] == 0.1 + 2 * 0.1, "as the steps are reckoned"
    assert len({Asker(spec).space.key(entry.values) for entry in entries}) == 12


def test_what_an_initial_trial_leaves_out_is_taken_from_the_template() -> None:
    parameters = [
        {"path": "model.mlp.dropout", "type": "Double", "min": 0.0, "max": 0.5},
        {"path": "model.mlp.activation", "type": "Categorical", "values": ["relu", "gelu"]},
        {"path": "training.epochs", "type": "Int", "min": 50, "max": 60},
    ]
    spec = spec_of(parameters, initial_trials=[{}, {"model.mlp.dropout": 0.5}])

    first = {"model.mlp.dropout": 0.25, "model.mlp.activation": "gelu", "training.epochs": 50}
    assert values_of(play(spec, 2, some_answer)) == [first, {**first, "model.mlp.dropout": 0.5}]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_an_earlier_search_asked_is_asked_only_where_nothing_else_is_left(algorithm: str) -> None:
    parameters = [{"path": "b", "type": "Int", "min": 1, "max": 4}, {"path": "c", "type": "Int", "min": 1, "max": 3}]
    spec = spec_of(parameters, algorithm, settings=SETTINGS.get(algorithm))
    prior = [Entry(number, {"b": 2, "c": number}, "Complete", number / 10, secondary=1.0) for number in (1, 2, 3)]
    prior.append(Entry(4, {"b": 77, "c": 1}, "Complete", 0.9))  # Its range was another.

    entries = play(spec, 100, some_answer, prior=prior)

    assert len(entries) == 12
    assert {entry.values["b"] for entry in entries[9:]} == {2}


@pytest.mark.parametrize("algorithm", LEARNING)
def test_an_earlier_search_is_learned_from(algorithm: str) -> None:
    spec = search(algorithm)
    prior = play(search(algorithm, seed=77), 20, some_answer)

    with_it, without = (play(spec, 4, some_answer, prior=known) for known in (prior, []))

    assert values_of(with_it) != values_of(without)
    assert with_it == play(spec, 4, some_answer, prior=prior, is_fresh=True)


@pytest.mark.parametrize("algorithm", LEARNING)
def test_pending_trials_and_odd_values_do_no_harm(algorithm: str) -> None:
    spec = search(algorithm)
    entries = play(spec, 24, some_answer)
    strange = [
        Entry(24, entries[0].values | {"model.units": 112}, "Complete", float("nan"), secondary=1.0),
        Entry(25, entries[1].values | {"model.units": 112}, "Pruned", None),
        Entry(26, entries[2].values | {"model.units": 112}, "Complete", float("-inf"), secondary=float("inf")),
        Entry(27, entries[3].values | {"model.units": 112}, "Complete", 1e300, secondary=1e-300),
        Entry(28, entries[0].values, "Repeated", entries[0].value, secondary=entries[0].secondary),
    ]

    values = Asker(spec).ask(32, [*entries, *strange], [entries[5].values | {"model.units": 112}] * 3)

    assert values is not None
    assert Asker(spec).space.contains(values)


@pytest.mark.parametrize("algorithm", LEARNING)
def test_two_objectives_go_with_all_that_take_them(algorithm: str) -> None:
    if algorithm in ("GP", "CMA-ES"):
        pytest.skip("has one objective")
    spec = spec_of(NUMBERS, algorithm, objective={"secondary": "Size"}, settings=SETTINGS[algorithm])

    def answer(number: int, values: Values) -> Entry:
        return Entry(number, values, "Complete", 1.0, secondary=1.0 + abs(values["model.share"] - 0.25))

    entries = play(spec, 80, answer)

    late = sorted(abs(entry.values["model.share"] - 0.25) for entry in entries[50:])
    assert late[len(late) // 2] < 0.2, "the secondary objective is followed, where the first says nothing"


def test_another_process_asks_the_same() -> None:
    """Whatever the order of its sets is, and however many threads reckon."""
    variables = {"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    folder = Path(__file__).parent
    program = f"import sys; sys.path.insert(0, {str(folder)!r}); import test_samplers as t; t.print_suggestions()"

    finished = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **variables, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        check=True,
        timeout=300,
    )

    assert json.loads(finished.stdout) == _learned_suggestions()


def test_libraries_are_imported_when_they_are_needed() -> None:
    program = (
        "import sys; from steelyard.tuning.asking import Asker; import steelyard.tuning.asking_process; "
        "print([name for name in ('numpy', 'scipy', 'optuna', 'sklearn', 'cmaes') if name in sys.modules])"
    )
    finished = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, timeout=120)

    assert finished.stdout.decode().strip() == "[]"


def _learned_suggestions() -> dict[str, Values | None]:
    """The values that follow on many results, of each algorithm."""
    asked: dict[str, Values | None] = {}
    for algorithm in ALGORITHMS:
        known = play(search("Random" if algorithm != "CMA-ES" else algorithm, seed=9), 40, some_answer)
        if algorithm == "Grid":
            known = play(search(algorithm), 40, some_answer)
        asked[algorithm] = Asker(search(algorithm)).ask(40, known, [])
    return asked


def print_suggestions() -> None:
    print(json.dumps(_learned_suggestions()))
