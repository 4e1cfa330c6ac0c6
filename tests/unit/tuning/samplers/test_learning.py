"""What single algorithms make of trials that run, were pruned, failed, or belong to another search."""

from collections.abc import Generator

import pytest
from sampler_searches import search
from sampler_support import cube, play, some_answer, spec_of

from steelyard.contract.trial_report import State
from steelyard.search.log import Entry, Values
from steelyard.tuning.asking import Asker
from steelyard.tuning.samplers.base import SuggestRequest
from steelyard.tuning.samplers.generations import generations
from steelyard.tuning.samplers.tpe import TpeSampler


@pytest.mark.parametrize("state", ("Failed", "Complete"))
def test_nsga_ii_begins_at_random_where_an_earlier_search_has_no_values(state: State) -> None:
    spec = search("NSGA-II")
    values = [entry.values for entry in play(search("Random", seed=9), 2, some_answer)]
    prior = [Entry(number, one, state, None, secondary=None) for number, one in enumerate(values)]

    asked = Asker(spec).ask(0, [], [], prior)

    assert asked == Asker(spec).ask(0, [], [])


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
