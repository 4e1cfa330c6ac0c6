"""search.html: what is in it, and that it needs nothing else."""

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from search_documents import LEARNING_RATE, MOMENTUM, search_document

from steelyard.report.scales import NumberScale, figure, value_text
from steelyard.report.search import Found
from steelyard.report.search import search_page as page_of
from steelyard.search.best import front_of
from steelyard.search.log import Entry, SearchDocument
from steelyard_trainer.publishing.importance import importance_of


def search_page(document: SearchDocument, chosen: int | None = None) -> str:
    answers = [entry for entry in document.entries if entry.is_answer]
    return page_of(Found(document, importance_of(document.spec.parameters, answers), chosen))


class _Reader(HTMLParser):
    """Collects headings, and refuses what would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.fetched: list[str] = []
        self._in_heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_heading = tag in ("h1", "h2")
        if tag in ("script", "link", "img", "iframe"):
            self.fetched.append(tag)
        self.fetched += [f"{name}={value}" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        if self._in_heading:
            self.headings.append(data)
            self._in_heading = False


def _read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    return reader


def _pictures(page: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(text) for text in re.findall(r"<svg.*?</svg>", page, re.S)]


def _dots(picture: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [dot for dot in picture.iter("circle") if dot.get("class") == kind]


def test_a_search_with_one_objective_has_its_four_parts_and_fetches_nothing() -> None:
    page = search_page(search_document())
    reader = _read(page)
    assert reader.headings == [
        "digits-search",
        "History",
        "Parallel coordinates",
        "Importance of the parameters",
        "All trials",
    ]
    assert reader.fetched == []
    assert "url(" not in page and "@import" not in page


def test_the_history_shows_each_trial_and_tells_pruned_ones_apart() -> None:
    history = _pictures(search_page(search_document()))[0]
    assert len(_dots(history, "trial")) == 28
    assert len(_dots(history, "pruned")) == 1


def test_the_front_is_drawn_and_holds_no_dominated_point() -> None:
    document = search_document(secondary=True)
    front = front_of(document.entries, "Maximize")
    chart = _pictures(search_page(document))[1]
    assert len(_dots(chart, "front")) == len(front) >= 2
    assert len(_dots(chart, "dominated")) == 29 - len(front)
    for member in front:
        for other in document.entries:
            if other.is_answer:
                assert not (other.value > member.value and other.secondary <= member.secondary)
                assert not (other.value >= member.value and other.secondary < member.secondary)
    # Better is higher, smaller is further left: along the front both rise.
    places = sorted((float(dot.get("cx")), -float(dot.get("cy"))) for dot in _dots(chart, "front"))
    assert places == sorted(places, key=lambda place: place[1])


def test_text_of_users_and_libraries_is_escaped() -> None:
    page = search_page(search_document())
    assert "LossNotFinite &lt;b&gt;" in page
    assert "LossNotFinite <b>" not in page


def test_parallel_coordinates_have_a_line_for_each_answer_and_a_place_for_absent_parameters() -> None:
    document = search_document()
    chart = _pictures(search_page(document))[1]
    lines = [line for line in chart.iter("polyline") if line.get("class") in ("run", "run chosen")]
    assert len(lines) == sum(entry.is_answer for entry in document.entries)
    assert all(len(line.get("points").split()) == 6 for line in lines)
    lowest = max(float(point.split(",")[1]) for line in lines for point in line.get("points").split())
    axis = max(float(line.get("y2")) for line in chart.iter("line") if line.get("class") == "axis")
    assert lowest > axis
    assert any(MOMENTUM not in entry.values for entry in document.entries)


def test_the_importance_names_the_parameter_that_decides() -> None:
    document = search_document(60)
    answers = [entry for entry in document.entries if entry.is_answer]
    importance = importance_of(document.spec.parameters, answers)
    assert importance is not None
    assert importance.shares[0][0] == LEARNING_RATE
    assert importance.shares[0][1] > 0.7
    assert sum(share for _, share in importance.shares) == pytest.approx(1.0)
    assert importance == importance_of(document.spec.parameters, answers)


def test_too_few_answers_have_no_importance() -> None:
    document = search_document(6)
    assert "Too few different results to tell: 4, and 8 are needed." in search_page(document)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("secondary", [False, True])
def test_what_is_no_number_is_in_the_table_and_in_no_chart(value: float, secondary: bool) -> None:
    document = search_document(secondary=secondary)
    entries = list(document.entries)
    entries[5] = replace(entries[5], value=value)
    entries[6] = replace(entries[6], state="Pruned", value=value)
    if secondary:
        entries[7] = replace(entries[7], secondary=value)
    page = search_page(replace(document, entries=tuple(entries)), chosen=5)
    history, chart = _pictures(page)[:2]
    shown = [dot for kind in ("trial", "pruned") for dot in _dots(history, kind)]
    assert len(shown) == sum(entry.value is not None for entry in entries) - 2
    assert not any(word in text for text in re.findall(r"<svg.*?</svg>", page, re.S) for word in ("nan", "inf"))
    assert page.count(f"<td>{value}</td>") == (3 if secondary else 2)
    if secondary:
        assert len(_dots(chart, "front")) + len(_dots(chart, "dominated")) == sum(e.is_answer for e in entries) - 1
    alone = tuple(replace(entry, value=value) for entry in entries[5:7])
    assert _read(search_page(replace(document, entries=alone))).headings[1:] == [
        "Importance of the parameters",
        "All trials",
    ]


def test_a_search_without_answers_still_has_its_table() -> None:
    document = search_document()
    failed = tuple(Entry(entry.number, entry.values, "Failed", reason="Crashed") for entry in document.entries[:2])
    page = search_page(SearchDocument(document.name, document.spec, failed))
    assert _read(page).headings == ["digits-search", "Importance of the parameters", "All trials"]
    assert page.count("Failed: Crashed") == 2


@pytest.mark.parametrize(
    ("scale", "labels"),
    [
        (NumberScale(0.0, 1.0), ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (NumberScale(1e-4, 0.1, is_log=True), ["0.0001", "0.001", "0.01", "0.1"]),
        (NumberScale(2.0, 5.0, is_log=True), ["2", "2.5", "3", "3.5", "4", "4.5", "5"]),
        (NumberScale(40e3, 260e3, is_log=True), ["50,000", "100,000", "200,000"]),
        (NumberScale(2e3, 6e6, is_log=True), ["10,000", "100,000", "1,000,000"]),
        (NumberScale(9000, 61000), ["20,000", "40,000", "60,000"]),
    ],
)
def test_ticks_are_round_numbers_on_the_axis(scale: NumberScale, labels: list[str]) -> None:
    ticks = scale.ticks()
    assert [tick.label for tick in ticks] == labels
    assert all(-1e-9 <= tick.place <= 1 + 1e-9 for tick in ticks)


def test_values_are_shown_as_a_manifest_has_them() -> None:
    assert [value_text(value) for value in (None, True, [64, 32], "SGD", 0.001)] == [
        "null",
        "true",
        "[64, 32]",
        "SGD",
        "0.001",
    ]
    assert figure(59112.0) == "59,112"


@pytest.mark.parametrize("secondary", [False, True])
def test_of_trials_that_tie_the_one_that_the_table_names_is_marked(secondary: bool) -> None:
    document = search_document(secondary=secondary)
    best = max(entry.value for entry in document.entries if entry.is_answer)
    tied = [replace(e, value=best) if e.number in (3, 9, 20) and e.is_answer else e for e in document.entries]
    document = replace(document, entries=tuple(tied))
    for chosen in (None, 9):
        page = search_page(document, chosen=chosen)
        (row,) = re.findall(r'<tr class="chosen"><td class="number">(\d+)</td>', page)
        assert chosen is None or int(row) == chosen
        pictures = _pictures(page)
        for picture in pictures[: 2 if secondary else 1]:
            (ring,) = _dots(picture, "chosen")
            assert ring.find("title").text.startswith(f"trial {row}")
            labels = ["".join(text.itertext()) for text in picture.iter("text")]
            assert labels.count(f"trial {row}") == 1
        parallel = pictures[2 if secondary else 1]
        lines = list(parallel.iter("polyline"))
        assert lines[-1].get("class") == "run chosen"
        assert lines[-1].find("title").text.startswith(f"trial {row}:")


def test_a_narrow_screen_scrolls_the_charts_and_does_not_shrink_their_words() -> None:
    page = search_page(search_document(secondary=True))
    assert page.count('<div class="scroll">\n<svg') == page.count("<svg") == page.count(' class="wide" role="img"')
    assert re.search(r"@media \(max-width: 760px\) \{.*\.scroll svg\.wide \{ width: 840px", page)
