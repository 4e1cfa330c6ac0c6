"""What is said of a model: the card, and the page that needs nothing else."""

import json
import re
from html import escape
from pathlib import Path

import pytest
from pages import FOLDERS, HISTORY, Reader, charts_of, page_of, report_of, text_of, with_history
from published_support import PUBLISHED, report_document
from search_documents import search_document

from steelyard.contract.report import PublishedReport
from steelyard.report.model import model_card, report_page
from steelyard.report.search import Found
from steelyard.report.search_charts import Importance
from steelyard.report.told import Told
from steelyard.texts.figures import number, with_error


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_the_page_and_the_card_hold_the_figures_of_steelyard_json(folder: Path) -> None:
    report = report_of(folder)
    read, card = text_of(page_of(folder)), model_card(report)
    for told in (read, card):
        for figures in report.metrics.values():
            for name, figure in figures.items():
                assert name in told and with_error(figure.value, figure.standard_error) in told
        for value in report.naive.test.values() if report.naive else ():
            assert number(value) in told
        for candidate in report.choice.candidates:
            assert f"{candidate.bytes:,}" in told and f"{candidate.latency_microseconds:.2f}" in told
            assert candidate.verdict in told
        assert report.dataset.fingerprint in told and report.choice.why in told
        assert all(f"{name} {version}" in told for name, version in report.versions.items())
    assert f"{report.choice.bytes:,}" in read
    assert all(column.name in read for column in report.dataset.columns)


def test_the_errors_of_a_page_are_those_of_steelyard_json() -> None:
    labels, numbers = PUBLISHED / "flats-boosting/model", PUBLISHED / "diabetes-search/model"
    counts = json.loads((labels / "steelyard.json").read_bytes())["errors"]["confusion"]
    (matrix,) = [chart for chart in charts_of(page_of(labels)) if "by label (down)" in (chart.get("aria-label") or "")]
    drawn = [int(text.text or "") for text in matrix.iter("text") if text.get("class") == "count"]
    assert drawn == [count for row in counts for count in row if count]
    residuals = json.loads((numbers / "steelyard.json").read_bytes())["errors"]["residuals"]
    assert all(f"{value:.6g}" in text_of(page_of(numbers)) for value in residuals.values())


def test_the_card_is_what_it_was_before_it_was_made_of_sections() -> None:
    folder = PUBLISHED / "diabetes-search/model"
    assert model_card(report_of(folder)) == (folder / "README.md").read_text()


def test_the_curves_hold_every_epoch_of_both_sets_and_say_which_was_published() -> None:
    html = page_of(PUBLISHED / "wine-network/model", history={**HISTORY, "loss": [None, 0.75, 0.5]})
    curves = {chart.get("aria-label"): chart for chart in charts_of(html) if "by epoch" in str(chart.get("aria-label"))}
    assert set(curves) == {"loss by epoch", "accuracy by epoch"}
    for name, chart in curves.items():
        lines = {line.get("class"): (line.get("points") or "").split() for line in chart.iter("polyline")}
        # What was no number is left out.
        assert [len(lines[kind]) for kind in ("first", "second")] == ([2, 3] if name == "loss by epoch" else [3, 3])
        words = {text.text for text in chart.iter("text")}
        assert {"training", "validation", "published", "epoch"} <= words
    assert "by epoch" not in page_of(PUBLISHED / "wine-network/model")
    assert "by epoch" not in page_of(PUBLISHED / "flats-boosting/model", history=HISTORY)


def test_the_candidates_are_drawn_where_there_are_two_with_the_published_one_marked() -> None:
    folder = PUBLISHED / "wine-network/model"
    (chart,) = [each for each in charts_of(page_of(folder)) if "bytes of each" in str(each.get("aria-label"))]
    dots = [dot for dot in chart.iter("circle") if dot.get("class") != "chosen"]
    assert len(dots) == len(report_of(folder).choice.candidates) == 4
    (ring,) = [dot for dot in chart.iter("circle") if dot.get("class") == "chosen"]
    title = ring.find("title")
    assert title is not None and str(title.text).startswith("Float16: 3,288 bytes")
    words = {text.text for text in chart.iter("text")}
    assert {"float32", "DynamicRange", "Float16", "Int8", "budget"} <= words
    assert "bytes of each" not in page_of(PUBLISHED / "rent-ridge/model")


def test_a_search_brings_its_charts_to_the_page() -> None:
    found = Found(search_document(), Importance((("training.optimizer.learningRate", 0.9), ("b", 0.1)), 0.7), None)
    reader = Reader(page_of(PUBLISHED / "diabetes-search/model", found=found, history=HISTORY))
    assert {"How it was found", "History", "Parallel coordinates", "Importance of the parameters"} <= set(
        reader.headings
    )
    assert "All trials" not in reader.headings
    assert "The search" not in Reader(page_of(PUBLISHED / "wine-network/model")).headings


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_a_page_is_well_formed_fetches_nothing_and_scrolls_what_is_wide(folder: Path) -> None:
    found = Found(search_document(secondary=True), Importance((("a", 0.9), ("b", 0.1)), 0.7), None)
    html = page_of(folder, history=HISTORY, found=found)
    reader = Reader(html)
    assert reader.fetched == [] and reader.outside == []
    assert html.startswith("<!doctype html>\n") and html.count("<h1>") == 1
    assert "url(" not in html and "@import" not in html and "http" not in html
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    assert "prefers-color-scheme: dark" in html
    for chart in charts_of(html):
        _, _, width, height = map(float, str(chart.get("viewBox")).split())
        assert chart.get("role") == "img" and chart.get("aria-label")
        assert chart.get("class") not in [part.get("class") for part in chart.iter() if part is not chart]
        assert chart.get("class") == "wide" or width <= 460
        for text in chart.iter("text"):
            assert 0 <= float(text.get("x") or 0) <= width and 0 <= float(text.get("y") or 0) <= height
    # Every color has a name, so that the dark page changes it, too.
    style = html.partition("<style>")[2].partition("</style>")[0]
    assert set(re.findall(r"#[0-9a-f]{6}\b", style.partition("body {")[2])) == set()


def test_few_candidates_fit_a_phone_and_many_get_the_whole_page() -> None:
    document = report_document()
    first = document["choice"]["candidates"][0]
    for count, width in ((6, 460), (7, 920)):
        more = [{**first, "name": f"Int{number}", "bytes": 1000 + 100 * number} for number in range(count - 1)]
        document["choice"] |= {"chosen": first["name"], "candidates": [first, *more]}
        pictures = charts_of(report_page(Told(PublishedReport.parse(document))))
        (chart,) = [each for each in pictures if "bytes of each" in str(each.get("aria-label"))]
        assert str(chart.get("viewBox")).split()[2] == str(width)


def test_times_and_memory_are_shown_of_the_candidates_that_have_them() -> None:
    document = report_document()
    assert "memory, bytes" not in model_card(PublishedReport.parse(document))
    times = {"machine": "Fast CPU", "threads": 1, "batchRows": 256}
    times |= {"row": {"median": 1.5, "p99": 7.25}, "batch": {"median": 0.5, "p99": 0.75}}
    document["choice"]["candidates"][0] |= {"compressedBytes": 1234, "memoryBytes": 56789, "times": times}
    report = PublishedReport.parse(document)
    assert report.to_json()["choice"]["candidates"][0]["times"] == times
    card, read = model_card(report), text_of(report_page(Told(report)))
    assert "| float32 | 1.50 | 7.25 | 0.50 | 0.75 | 56,789 | 1,234 |" in card
    assert "1 thread of `Fast CPU`" in card and "in batches of 256" in read and "56,789" in read


def test_of_many_columns_a_text_names_the_first_ones_and_a_table_all() -> None:
    document = report_document()
    document["dataset"]["columns"] = [{"name": f"pixel{number}", "kind": "Number"} for number in range(64)]
    report = PublishedReport.parse(document)
    card, read = model_card(report), text_of(report_page(Told(report)))
    assert card.count("and 48 more") == 2 and "pixel15" in card and "pixel16" not in card
    assert "pixel63" in read


def test_the_same_model_has_the_same_page() -> None:
    folder = PUBLISHED / "wine-network/model"
    assert page_of(folder, history=HISTORY) == page_of(folder, history=dict(HISTORY))


def test_users_words_are_shown_as_they_are() -> None:
    evil = '<script>alert(`1`)</script> | **x** & "y"'
    document = report_document()
    document |= {"name": evil, "target": evil, "doubts": [evil], "manifest": {"spec": {"dataset": {"uri": evil}}}}
    document["dataset"] |= {"classes": [evil, "b", "c"], "columns": [{"name": evil, "kind": "Category"}]}
    document["dataset"]["findings"] = {"missing": {evil: 3}, "lookAlikeLabels": [{evil: 2, "b": 1}]}
    document["naive"]["says"] = evil
    document["choice"]["candidates"][1] |= {
        "bytes": None, "latencyMicroseconds": None, "validation": None, "failure": evil, "verdict": evil, "drop": None,
    }  # fmt: skip
    report = PublishedReport.parse(document)
    html = report_page(Told(with_history(report, HISTORY)))
    reader = Reader(html)
    assert reader.fetched == [] and "<script" not in html
    assert f"<h1>{escape(evil)}</h1>" in html
    card = model_card(report)
    assert "`<script>alert('1')</script> | **x** & \"y\"`" in card
