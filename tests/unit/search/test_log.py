"""A search's log: its entries and the reports of trials are read back bit for bit, and what is none is told."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_documents import BATCH, LEARNING_RATE, MOMENTUM, OPTIMIZER, UNITS
from searches import DROPOUT, PARAMETERS, PATIENCE, answer, search

from steelyard.api.trial import Trial
from steelyard.contract.step_values import pack, single, unpack
from steelyard.contract.trial_report import TrialReport
from steelyard.search.log import MOST_REASON_BYTES, Entry, SearchDocument

doubles = st.floats(allow_nan=False, allow_infinity=False)
steps = st.lists(st.tuples(st.integers(1, 400), doubles), max_size=8).map(
    lambda pairs: tuple((sum(step for step, _ in pairs[: index + 1]), pairs[index][1]) for index in range(len(pairs)))
)


@st.composite
def suggestions(draw: st.DrawFn) -> dict[str, Any]:
    values: dict[str, Any] = {
        LEARNING_RATE: draw(st.floats(1e-4, 0.1)),
        UNITS: draw(st.sampled_from([[32], [64], [128, 64]])),
        OPTIMIZER: draw(st.sampled_from(["Adam", "SGD"])),
        BATCH: draw(st.integers(1, 4096)),
        PATIENCE: draw(st.sampled_from([None, 3, 10])),
    }
    if values[OPTIMIZER] == "SGD":
        values[MOMENTUM] = 0.0 + draw(st.integers(0, 9)) * 0.1
    return values


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    return Entry(
        number=draw(st.integers(0, 9999)),
        values=draw(suggestions()),
        state=draw(st.sampled_from(["Complete", "Pruned", "Failed", "Repeated"])),
        value=draw(st.none() | doubles),
        steps=draw(steps),
        secondary=draw(st.none() | doubles),
        epoch=draw(st.none() | st.integers(0, 100)),
        seconds=round(draw(st.floats(0, 1e6)), 2),
        reason=draw(st.text(st.characters(codec="utf-8"), max_size=20)),
        seen=draw(st.none() | st.sets(st.integers(0, 300)).map(lambda numbers: tuple(sorted(numbers)))),
    )


SEARCHED = search(parameters=PARAMETERS).parameters


@given(entries())
def test_an_entry_is_read_back_bit_for_bit(entry: Entry) -> None:
    parameters = SEARCHED
    text = entry.encode(parameters)
    back = Entry.decode(text, parameters)
    assert back == entry
    assert {path: type(value) for path, value in back.values.items()} == {
        path: type(value) for path, value in entry.values.items()
    }
    assert back.encode(parameters) == text


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-320, 0.1 + 0.2, 1e300])
def test_zero_is_not_nothing(value: float) -> None:
    parameters = search().parameters
    entry = answer(0, value, secondary=0.0, epoch=0)
    assert Entry.decode(entry.encode(parameters), parameters) == entry
    bare = answer(0, value)
    assert Entry.decode(bare.encode(parameters), parameters) == bare
    assert TrialReport.from_json(TrialReport(0, "Complete", value).to_json()) == TrialReport(0, "Complete", value)
    empty = answer(0, value, seen=())
    assert Entry.decode(empty.encode(parameters), parameters).seen == ()


def test_values_are_short_where_they_are_finitely_many() -> None:
    parameters = search(parameters=PARAMETERS).parameters
    values = {
        LEARNING_RATE: 0.001,
        UNITS: [128, 64],
        OPTIMIZER: "SGD",
        MOMENTUM: 0.0 + 3 * 0.1,
        BATCH: 64,
        PATIENCE: None,
    }
    text = Entry(7, values, "Complete", 0.5).encode(parameters)
    assert json.loads(text) == [7, "C", [0.001, 2, 1, 3, 64, 0], 0.5]
    del values[MOMENTUM]
    assert json.loads(Entry(7, values, "Complete", 0.5).encode(parameters))[2] == [0.001, 2, 1, None, 64, 0]


def test_a_value_that_a_user_wrote_need_not_be_the_step_to_the_last_bit() -> None:
    parameters = search(parameters=PARAMETERS).parameters
    values = {LEARNING_RATE: 0.001, UNITS: [32], OPTIMIZER: "SGD", MOMENTUM: 0.3, BATCH: 64, PATIENCE: 3}
    assert Entry.decode(Entry(0, values, "Complete").encode(parameters), parameters).values == values


def test_a_value_that_is_none_of_the_parameter_s_is_told() -> None:
    parameters = search(parameters=PARAMETERS).parameters
    with pytest.raises(ValueError, match=r"'RMSprop' is none of the values of training\.optimizer\.name"):
        Entry(0, {OPTIMIZER: "RMSprop"}, "Complete").encode(parameters)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "[0]",
        '[0,"C"]',
        '[0,"X",[0.1]]',
        '["0","C",[0.1]]',
        '[0,"C",[0.1,0.2]]',
        '[0,"C",[0.1],0.5,"f###"]',
        '[0,"C",[0.1],0.5,"fAQ"]',
        '[0,"C",[0.1],0.5,"",0.0,null,null,"",[1]]',
        '[0,"C",[0.1],"high"]',
        '[0,"C",[0.1],true]',
        '[0,"C",[0.1],1' + "0" * 400 + "]",
        '[0,"C",["0.1"]]',
        '[0,"C",[[0.1]]]',
        '[0,"C",[NaN]]',
        '[0,"C",[0.1],0.5,"","x"]',
        '[0,"C",[0.1],0.5,"",-1]',
        '[0,"C",[0.1],0.5,"",NaN]',
        '[0,"C",[0.1],0.5,"",null]',
        '[0,"C",[0.1],0.5,"",0.0,"small"]',
        '[0,"C",[0.1],0.5,"",0.0,null,"last"]',
        '[0,"C",[0.1],0.5,"",0.0,null,null,7]',
        '[0,"C",[0.1],0.5,"",0.0,null,null,"",[0,1000000000000]]',
        '[0,"C",[0.1],0.5,"",0.0,null,null,"",[0,3,2,1]]',
        '[1000001,"C",[0.1]]',
        '[1000000000,"C",[0.1]]',
        "[" * 100_000,
        '[0,"C",[0.1],0.5,"",0.0,null,null,"",[1,2],9]',
    ],
)
def test_what_is_no_entry_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is no entry of this search's log"):
        Entry.decode(text, search().parameters)


def test_the_largest_number_of_a_trial_is_one_of_an_entry() -> None:
    parameters = search().parameters
    assert Entry.decode('[1000000,"C",[0.1],0.5,"",0.0,null,null,"",[0,2,7,1]]', parameters).seen == (0, 1, 7)
    with pytest.raises(ValueError, match="1000001 is no trial's number; allowed: 0 to 1000000"):
        TrialReport.from_json([1000001, "C", 0.5])
    assert Trial.model_fields["number"].metadata[-1].le == 1000000


def test_a_part_of_an_int_is_no_entry() -> None:
    parameters = search(parameters=PARAMETERS).parameters
    with pytest.raises(ValueError, match=r"64\.5 should be a whole number, as training\.batchSize is"):
        Entry.decode(json.dumps([0, "C", [0.001, 0, 0, None, 64.5, 0]]), parameters)


def test_a_trial_is_in_a_log_once() -> None:
    whole = SearchDocument("digits", search(), (answer(0), answer(1))).to_json()
    assert len(SearchDocument.from_json(whole).entries) == 2
    whole["log"].append(answer(1, 0.9).encode(search().parameters))
    with pytest.raises(ValueError, match="is no entry of this search's log: trial 1 is given twice"):
        SearchDocument.from_json(whole)


@pytest.mark.parametrize("index", [-1, 3, 1.0, True])
def test_an_index_out_of_range_is_no_entry(index: Any) -> None:
    parameters = search(parameters=PARAMETERS).parameters
    with pytest.raises(ValueError, match="no entry"):
        Entry.decode(json.dumps([0, "C", [0.001, index, 0, None, 64, 0]]), parameters)


@pytest.mark.parametrize(
    "document",
    [
        *(None, 5, [], [0], [0, "X"], ["0", "C"], [0, "C", "much"], [-1, "C"]),
        *([0, "C", 1, [1]], [0, "C", 1, [], 1, 2, "a"], [0, "C", 1, [], 3.0, 1, 2, "", "more"]),
    ],
)
def test_what_is_no_report_is_told(document: Any) -> None:
    with pytest.raises(ValueError, match="is no report of a trial"):
        TrialReport.from_json(document)


def test_a_report_s_steps_may_be_a_plain_list() -> None:
    report = TrialReport(3, "Pruned", 0.25, ((1, 0.5), (4, 0.25)), seconds=1.5)
    assert TrialReport.from_json([3, "P", 0.25, [1, 0.5, 4, 0.25], 1.5]) == report
    assert TrialReport.from_json(json.loads(json.dumps(report.to_json()))) == report


@given(steps)
def test_the_values_of_steps_are_packed_without_loss(values: tuple[tuple[int, float], ...]) -> None:
    assert unpack(pack(values)) == values
    halved = tuple((step, single(value)) for step, value in values)
    assert unpack(pack(halved)) == halved
    assert len(pack(halved)) <= len(pack(values))


def test_a_failure_s_reason_is_bounded() -> None:
    entry = Entry.of(TrialReport(0, "Failed", reason="ä" * 200 + "\ud800"), {DROPOUT: 0.1})
    assert len(entry.reason.encode()) <= MOST_REASON_BYTES
    assert entry.reason.endswith("ä…")
    assert Entry.of(TrialReport(0, "Failed", reason="\ud800"), {DROPOUT: 0.1}).reason == "?"
    assert Entry.of(TrialReport(0, "Failed", reason="short"), {DROPOUT: 0.1}).reason == "short"


def test_an_entry_is_made_as_it_will_be_read() -> None:
    entry = Entry.of(TrialReport(0, "Complete", 0.5, seconds=1.23456), {DROPOUT: 0.1}, (0, 1, 2, 5))
    assert Entry.decode(entry.encode(search().parameters), search().parameters) == entry


def test_a_search_document_is_read_back() -> None:
    spec = search(parameters=PARAMETERS)
    values = {LEARNING_RATE: 0.001, UNITS: [64], OPTIMIZER: "Adam", BATCH: 32, PATIENCE: None}
    log = (Entry(0, values, "Complete", 0.25), Entry(1, values, "Repeated", 0.25))
    document = SearchDocument("digits", spec, log, "done")
    assert SearchDocument.from_json(json.loads(json.dumps(document.to_json()))) == document
