"""Numbers as a user writes them and as steps are reckoned: one value, and one trial."""

from typing import get_args

import pytest
from sampler_support import play, some_answer, spec_of

from steelyard.api.tuning import AlgorithmName
from steelyard.search.log import Entry
from steelyard.tuning.asking import Asker

THIRDS = {"path": "a", "type": "Double", "min": 0.1, "max": 0.3, "step": 0.1}
WRITTEN, RECKONED = 0.3, 0.1 + 2 * 0.1


@pytest.mark.parametrize("algorithm", get_args(AlgorithmName))
@pytest.mark.parametrize("as_what", ("known", "pending", "prior"))
def test_what_a_user_wrote_is_what_a_step_leads_to(algorithm: str, as_what: str) -> None:
    assert WRITTEN != RECKONED
    spec = spec_of([THIRDS], algorithm)
    entry = Entry(0, {"a": WRITTEN}, "Complete", 0.5, secondary=1.0)
    others = [
        Entry(1, {"a": 0.1}, "Complete", 0.5, secondary=1.0),
        Entry(2, {"a": 0.2}, "Complete", 0.5, secondary=1.0),
    ]
    told = {"known": ([entry, *others], [], []), "pending": (others, [entry.values], []), "prior": ([], [], [entry])}
    known, pending, prior = told[as_what]

    asked = Asker(spec).ask(3, known, pending, prior)

    if as_what == "prior":
        assert asked in ({"a": 0.1}, {"a": 0.2})
    else:
        assert asked is None


def test_what_a_condition_names_is_what_a_step_leads_to() -> None:
    number = {"path": "b", "type": "Int", "min": 1, "max": 2, "when": {"path": "a", "values": [WRITTEN]}}
    spec = spec_of([THIRDS, number], "Grid", initial_trials=[{"a": WRITTEN, "b": 2}, {"a": RECKONED, "b": 1}])
    expected = [{"a": RECKONED, "b": 2}, {"a": RECKONED, "b": 1}, {"a": 0.1}, {"a": 0.2}]
    assert [entry.values for entry in play(spec, 10, some_answer)] == expected


def test_the_template_s_own_number_is_what_a_step_leads_to() -> None:
    dropout = {"path": "model.mlp.dropout", "type": "Double", "min": 0.022, "max": 0.3, "step": 0.076}
    number = {"path": "b", "type": "Int", "min": 1, "max": 2, "when": {"path": dropout["path"], "values": [0.25]}}
    spec = spec_of([dropout, number], "Grid", initial_trials=[{}])

    assert Asker(spec).ask(0, [], []) == {"model.mlp.dropout": 0.022 + 3 * 0.076, "b": 1}
