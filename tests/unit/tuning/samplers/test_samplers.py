"""What every algorithm of a search keeps to. (How good they are: tests/statistics.)"""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from sampler_support import cube, play, some_answer, spec_of

from steelyard.api.tuning_job import TuningJobSpec
from steelyard.contract.trial_report import State
from steelyard.search.log import Entry, Values
from steelyard.tuning.asking import Asker
from steelyard.tuning.samplers.base import SuggestRequest
from steelyard.tuning.samplers.generations import generations
from steelyard.tuning.samplers.tpe import TpeSampler

ALGORITHMS = ("Grid", "Random", "TPE", "GP", "CMA-ES", "QMC", "NSGA-II")
LEARNING = ("TPE", "GP", "CMA-ES", "NSGA-II")
CONDITIONAL = ("Grid", "Random", "TPE", "NSGA-II")
SETTINGS: dict[str, dict[str, Any]] = {
    "TPE": {"startupTrials": 5},
    "GP": {"startupTrials": 5},
    "CMA-ES": {"populationSize": 5},
    "NSGA-II": {"populationSize": 6},
}

RATE = {"path": "training.rate", "type": "Double", "min": 1e-5, "max": 0.1, "log": True}
SHARE = {"path": "model.share", "type": "Double", "min": -1, "max": 0.5}
TENTHS = {"path": "model.tenths", "type": "Double", "min": 0.1, "max": 0.95, "step": 0.1}
UNITS = {"path": "model.units", "type": "Int", "min": 16, "max": 120, "step": 16}
BATCH = {"path": "training.batch", "type": "Int", "min": 1, "max": 300, "log": True}
DEPTH = {"path": "model.depth", "type": "Categorical", "values": [None, 10, 20, [3, 4]]}
FLAG = {"path": "model.flag", "type": "Categorical", "values": [True, False]}
ALONE = {"path": "a.alone", "type": "Categorical", "values": ["only"]}
# Declared before what it depends on; the chain has two links.
INNER = {"path": "a.inner", "type": "Int", "min": 0, "max": 5, "when": {"path": "model.outer", "values": [0.1, 0.2]}}
OUTER = {
    "path": "model.outer",
    "type": "Double",
    "min": 0.1,
    "max": 0.3,
    "step": 0.1,
    "when": {"path": "model.flag", "values": [True]},
}
NUMBERS = [RATE, SHARE, TENTHS, UNITS, BATCH]


def parameters_for(algorithm: str) -> list[dict[str, Any]]:
    """As many kinds of parameters as the algorithm takes."""
    if algorithm == "Grid":
        return [INNER, TENTHS, UNITS, DEPTH, ALONE, FLAG, OUTER]
    if algorithm == "CMA-ES":
        return NUMBERS
    conditional = [INNER, OUTER] if algorithm in CONDITIONAL else []
    return [*conditional, *NUMBERS, DEPTH, ALONE, FLAG]


def search(algorithm: str, *, parallel: int = 1, seed: int = 3, **fields: Any) -> TuningJobSpec:
    objective = {"secondary": "Size"} if algorithm == "NSGA-II" else {}
    return spec_of(
        parameters_for(algorithm),
        algorithm,
        seed=seed,
        settings=SETTINGS.get(algorithm),
        objective=objective,
        parallel_trials=parallel,
        **fields,
    )


def values_of(entries: list[Entry]) -> list[Values]:
    return [entry.values for entry in entries]


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


@pytest.mark.parametrize("state", ("Failed", "Complete"))
def test_nsga_ii_begins_at_random_where_an_earlier_search_has_no_values(state: State) -> None:
    spec = search("NSGA-II")
    values = [entry.values for entry in play(search("Random", seed=9), 2, some_answer)]
    prior = [Entry(number, one, state, None, secondary=None) for number, one in enumerate(values)]

    asked = Asker(spec).ask(0, [], [], prior)

    assert asked == Asker(spec).ask(0, [], [])


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


def test_gp_suggests_nothing_beside_a_pending_trial_nor_beside_one_that_failed() -> None:
    spec = spec_of(cube(2), "GP")
    known = play(spec_of(cube(2), "QMC"), 16, lambda number, values: Entry(number, values, "Complete", -values["x.0"]))
    alone = Asker(spec).ask(16, known, [])
    assert alone is not None
    beside = {path: value + 1e-5 for path, value in alone.items()}

    with_pending = Asker(spec).ask(16, known, [beside])
    with_failed = Asker(spec).ask(16, [*known, Entry(16, beside, "Failed")], [])

    for other in (with_pending, with_failed):
        assert other is not None
        assert max(abs(other[path] - alone[path]) for path in alone) > 0.02


def test_a_pruned_trial_tells_tpe_something_a_failed_one_less() -> None:
    spec = search("TPE")
    entries = play(spec, 25, some_answer)

    def asked(pruned_at: int) -> Values | None:
        changed = [
            Entry(entry.number, entry.values, "Pruned", 0.9, steps=((pruned_at, 0.9),)) if entry.number < 24 else entry
            for entry in entries
        ]
        one = Entry(23, entries[23].values, "Pruned", 0.1, steps=((5, 0.1),))
        return Asker(spec).ask(25, [*changed[:23], one, changed[24]], [])

    assert asked(1) != asked(9), "the one that came to step 5 is the best of the pruned ones, or the worst"


def test_tpe_forgets_what_ran_as_soon_as_it_has_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left for later may be done when the interpreter ends, and its modules are gone."""
    proposals = TpeSampler.proposals
    # Held, as the frame of an exception may hold them.
    held: list[Generator[Values, None, None]] = []
    samplers: list[TpeSampler] = []

    def holding(sampler: TpeSampler, request: SuggestRequest) -> Generator[Values, None, None]:
        held.append(proposals(sampler, request))
        samplers.append(sampler)
        return held[-1]

    monkeypatch.setattr(TpeSampler, "proposals", holding)
    spec = search("TPE")
    assert Asker(spec).ask(12, play(spec, 12, some_answer), []) is not None
    study = samplers[-1]._study
    assert study is not None and study._running == []
    assert next(held[-1], None) is None


def test_tpe_ranks_trials_that_gave_up_after_a_fold_by_the_mean_of_their_folds() -> None:
    spec = spec_of(cube(1), "TPE", seed=1)
    values = [entry.values for entry in play(spec_of(cube(1), "QMC"), 40, some_answer)]

    def asked(goods: tuple[float, float], bads: tuple[float, float]) -> list[float]:
        """What follows where all gave up, those below 0.25 after these scores and the others after those."""

        def entry(number: int, one: Values) -> Entry:
            folds = goods if one["x.0"] < 0.25 else bads
            return Entry(number, one, "Pruned", sum(folds) / 2, steps=tuple(enumerate(folds, start=1)))

        known = [entry(number, one) for number, one in enumerate(values)]
        found = [Asker(spec).ask(number, known, []) for number in range(40, 60)]
        return [one["x.0"] for one in found if one is not None]

    # Their last fold alone, which was an easy one, is a little worse.
    better = asked((0.9, 0.5), (0.1, 0.6))

    assert better == asked((0.7, 0.7), (0.35, 0.35))
    assert sum(place < 0.25 for place in better) > 10


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


def test_generations_are_told_by_the_log() -> None:
    spec = search("CMA-ES", parallel=3, initial_trials=[{}])
    entries = [
        Entry(number, {}, "Failed" if number == 2 else "Complete", None if number == 2 else 1.0) for number in range(14)
    ]
    request = SuggestRequest(spec, Asker(spec).space, 16, tuple(entries), (), (), initial=1)

    numbers = [[entry.number for entry in generation] for generation in generations(request, 4)]

    # 0 is initial, 2 failed: 1, 3, 4, 5 are the first four. 8 is the first that was asked knowing 5.
    assert numbers == [[1, 3, 4, 5], [8, 9, 10, 11]]


def test_generations_of_an_asynchronous_search_go_by_what_was_seen() -> None:
    spec = search("CMA-ES", parallel=3, asynchronous=True)
    seen = [(), (), (), (0,), (0, 2), (0, 2, 3), (0,), (0,), (0,)]
    entries = [Entry(number, {}, "Complete", 1.0, seen=one) for number, one in enumerate(seen)]
    request = SuggestRequest(spec, Asker(spec).space, 9, tuple(entries), (), (), initial=0)

    numbers = [[entry.number for entry in generation] for generation in generations(request, 3)]

    assert numbers == [[0, 1, 2]], "5 alone was asked when a generation was complete: 0, 2 and 3, as far as it had seen"


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
