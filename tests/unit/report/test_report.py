"""What is said of a model: the card, and the page that needs nothing else."""

import json
import re
from html import escape
from pathlib import Path
from typing import Any

import pytest
from pages import FOLDERS, HISTORY, Reader, charts_of, page_of, report_of, text_of, with_history
from published_support import PUBLISHED, report_document
from search_documents import search_document

from steelyard.contract.report import BeforeReport, PublishedReport, ResidualsReport
from steelyard.report.chart_data import Plot
from steelyard.report.model import model_card, report_page
from steelyard.report.parts.front import fronts
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
    named = [dot for dot in chart.iter() if dot.find("title") is not None]
    assert [dot.get("class") for dot in named] == ["limit", "baseline", "trial", "trial", "trial", "chosen"]
    title = named[-1].find("title")
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


def of_candidates(*candidates: dict[str, Any], **choice: Any) -> PublishedReport:
    """A report with the baseline and these: what is said of it, but for what is given."""
    document = report_document()
    first = document["choice"]["candidates"][0]
    figures = {"accuracy": {"value": 0.9, "standardError": 0.01}}
    first |= {"name": "Baseline", "bytes": 100_000, "validation": figures}
    more = [
        {**first, **each, "validation": {"accuracy": {"value": each["value"], "standardError": 0.01}}}
        for each in candidates
    ]
    document["choice"] |= {"chosen": "Baseline", "candidates": [first, *more], "maxMetricDrop": 0.02, **choice}
    return PublishedReport.parse(document)


def front_of(report: PublishedReport) -> Plot:
    return fronts(report.choice)[0]


def test_a_front_shows_by_whiskers_what_is_lost_at_most_and_by_shapes_what_is_outside_the_budget() -> None:
    report = of_candidates(
        {"name": "near", "bytes": 30_000, "value": 0.89, "dropAtMost": 0.015},
        {"name": "far", "bytes": 10_000, "value": 0.88, "dropAtMost": 0.05, "withinBudget": False},
        {"name": "broken", "bytes": 5_000, "value": 0.2, "dropAtMost": 0.8, "withinBudget": False},
        confidence=0.95,
        chosen="near",
    )
    plot = front_of(report)
    assert [mark.kind for mark in plot.marks] == ["baseline", "trial", "pruned", "below"]
    assert [mark.whisker for mark in plot.marks] == [None, pytest.approx(0.885), pytest.approx(0.85), None]
    # What is far outside does not press the others together: it is at the edge, with its figure.
    assert plot.y_range is not None and plot.y_range[0] > 0.8 and plot.marks[3].label == "broken (0.2)"
    budget = next(curve for curve in plot.curves if curve.kind == "limit")
    assert [y for _, y in budget.points] == [pytest.approx(0.88)] * 2
    assert plot.ring is not None and plot.ring.x == 30_000 and plot.is_log_x
    assert dict(plot.key) == {
        "ring": "published",
        "trial": "within budget",
        "pruned": "outside it",
        "below": "further down",
        "whisker": "loses at most, with 95%",
    }
    (chart,) = [each for each in charts_of(report_page(Told(report))) if "bytes of each" in str(each.get("aria-label"))]
    lines = [line for line in chart.iter("line") if line.get("class") == "whisker"]
    # The key's and near's are a line and a cap; far's goes on beyond the edge.
    assert len(lines) == 5
    assert any(each.get("class") == "below" for each in chart.iter("polygon"))


def test_of_a_metric_of_which_less_is_better_a_whisker_goes_up() -> None:
    document = report_document()
    first = document["choice"]["candidates"][0]
    first |= {"name": "Baseline", "bytes": 1000, "validation": {"rmse": {"value": 50.0, "standardError": 1.0}}}
    second = {**first, "name": "Float16", "bytes": 500, "dropAtMost": 0.1}
    third = {
        **second,
        "name": "Int8",
        "withinBudget": False,
        "validation": {"rmse": {"value": 900, "standardError": 1}},
    }
    choice = {"chosen": "Baseline", "primaryMetric": "rmse", "maxMetricDrop": 0.02, "confidence": 0.9}
    document["choice"] |= {**choice, "candidates": [first, second, third]}
    document["task"], document["metrics"]["test"] = "Regression", {"rmse": {"value": 50.0, "standardError": 1.0}}
    marks = front_of(PublishedReport.parse(document)).marks
    assert marks[1].whisker == pytest.approx(55) and marks[2].kind == "above"


def test_of_many_candidates_those_are_named_that_no_other_beats() -> None:
    many = [{"name": f"Int{number}", "bytes": 1000 * number, "value": 0.8 + number % 3 / 100} for number in range(1, 9)]
    labels = {mark.label for mark in front_of(of_candidates(*many)).marks}
    assert labels == {"", "Int1", "Int2", "float32"}
    assert "" not in {mark.label for mark in front_of(of_candidates(*many[:5])).marks}


def test_a_page_tells_what_compression_changed_on_the_test_set() -> None:
    document = report_document()
    assert "What compression changed" not in model_card(PublishedReport.parse(document))
    was, now = [[9, 1, 0], [0, 8, 2], [0, 0, 9]], [[10, 0, 0], [0, 7, 3], [0, 0, 9]]
    document["errors"] = {"confusion": now}
    document["dataset"]["classes"] = ["a", "b", "c"]
    document["before"] = {
        "metrics": {"accuracy": {"value": 0.97, "standardError": 0.02}},
        "errors": {"confusion": was},
        "answers": {"rows": 29, "differing": 2, "lost": 1, "won": 1},
        "recalls": [
            {"label": "a", "rows": 10, "before": 0.9, "after": 1.0},
            {"label": "b", "rows": 10, "before": 0.8, "after": 0.7},
        ],
    }
    report = PublishedReport.parse(document)
    card, html = model_card(report), report_page(Told(report))
    assert "They give 2 of 29 rows another label: 1 that only float32 has right, 1 that only Float16 has right." in card
    assert "| `b` | 10 | 0.8 | 0.7 | -0.1 |" in card and "| `a` | +1 | -1 | 0 |" in card and "left out" not in card
    (changed,) = [
        each for each in charts_of(html) if "test rows with Float16 than with float32" in str(each.get("aria-label"))
    ]
    boxes = [(str(box.get("class")), box[0].text) for box in changed.iter("rect") if len(box)]
    assert boxes == [
        ("hit", "a, said to be a: +1"),
        ("hit", "a, said to be b: -1"),
        ("miss", "b, said to be b: -1"),
        ("miss", "b, said to be c: +1"),
    ]
    document["before"] |= {"answers": {"rows": 29, "differing": 1, "lost": 0, "won": 0}}
    document["before"]["errors"] = {"confusion": [[10, 0, 0], [0, 8, 2], [0, 0, 9]]}
    told = model_card(PublishedReport.parse(document))
    assert "They give 1 of 29 rows another label; both are wrong about it." in told
    assert "labels without a change are left out" in told and "|  | `b` | `c` |" in told
    document["before"] |= {"answers": {"rows": 29, "differing": 0, "lost": 0, "won": 0}, "errors": {"confusion": now}}
    document["before"]["recalls"] = document["before"]["recalls"][:0]
    told = model_card(PublishedReport.parse(document))
    assert "Both give each of the 29 rows the same label" in told and "Recall of each" not in told


def test_of_many_labels_those_are_told_that_lost_most_and_the_pairs_that_were_confused() -> None:
    document = report_document()
    pairs = [{"label": "l1", "said": "l2", "rows": 5}, {"label": "l3", "said": "l1", "rows": 4}]
    document["errors"] = {"confused": [{**pairs[0], "rows": 7}]}
    recalls = [{"label": f"l{number}", "rows": 9, "before": 0.9, "after": 0.9 - number / 100} for number in range(40)]
    document["before"] = {
        "metrics": {"accuracy": {"value": 0.97, "standardError": 0.02}},
        "errors": {"confused": pairs},
        "recalls": recalls,
    }
    card = model_card(PublishedReport.parse(document))
    assert "Recall of the 12 labels of 40 that lost most of it:" in card
    assert "| `l39` | 9 | 0.9 | 0.51 | -0.39 |" in card and "| `l28` |" in card and "| `l27` |" not in card
    assert "| `l1` | `l2` | 5 | 7 |\n| `l3` | `l1` | 4 | few |" in card


def test_a_linear_model_that_is_about_as_good_is_told_with_what_that_means() -> None:
    document = report_document()
    test = document["metrics"]["test"]["accuracy"]["value"]
    for behind, says_little in ((0.029, True), (0.031, False), (-0.1, True)):
        value = test - behind
        document["headroom"] = {"rows": 100, "penalty": 1.0, "linear": {"value": value, "standardError": 0.01}}
        card = model_card(PublishedReport.parse(document))
        assert f"the best linear model reaches accuracy {with_error(value, 0.01)}" in card
        assert ("within 3 points" in card) == says_little


def test_a_regression_shows_its_residuals_before_and_after() -> None:
    report = report_of(PUBLISHED / "diabetes-search/model")
    assert isinstance(report.errors, ResidualsReport)
    was = ResidualsReport(residuals={share: value - 1 for share, value in report.errors.residuals.items()})
    before = BeforeReport(metrics=report.metrics["test"], errors=was)
    card = model_card(report.model_copy(update={"before": before}))
    value = report.errors.residuals["0.5"]
    assert f"| 50% | {value - 1:.6g} | {value:.6g} | +1 |" in card


def test_times_and_memory_are_shown_of_the_candidates_that_have_them() -> None:
    document = report_document()
    assert "memory, bytes" not in model_card(PublishedReport.parse(document))
    times = {"machine": "Fast CPU", "threads": 1, "batchRows": 256}
    times |= {"row": {"median": 1.5, "p99": 7.25}, "batch": {"median": 0.5, "p99": 0.75}}
    document["choice"]["candidates"][0] |= {"compressedBytes": 1234, "memoryBytes": 56789, "times": times}
    report = PublishedReport.parse(document)
    assert report.to_json()["choice"]["candidates"][0]["times"] == times
    card, read = model_card(report), text_of(report_page(Told(report)))
    assert "| float32 | 1.50 | 7.25 | 0.50 | 0.75 | 56,789 | 1,234 | - |" in card
    assert "1 thread of `Fast CPU`" in card and "in batches of 256" in read and "56,789" in read
    assert "Times are those of one thread of `Fast CPU`" in card
    against = {
        "Faster": "2.0 times as fast",
        "Slower": "2.0 times as long",
        "NoDifference": "no significant difference",
    }
    for word, shown in against.items():
        own = {**times, "row": {"median": 3.0 if word == "Slower" else 0.75, "p99": 9.0}, "againstBaseline": word}
        document["choice"]["candidates"][1]["times"] = own
        assert f"| {shown} |" in model_card(PublishedReport.parse(document))


def test_what_it_took_to_make_the_candidates_is_shown_and_how_much_was_trained() -> None:
    document = report_document()
    candidates = document["choice"]["candidates"]
    candidates[0]["made"], candidates[1]["made"] = {"seconds": 0.8123}, {"seconds": 2.0}
    card = model_card(PublishedReport.parse(document))
    assert "Making them took: float32 0.812 s, " in card and "Training is counted" not in card
    candidates[1]["made"] = {"seconds": 61.0, "work": 0.0314}
    card = model_card(PublishedReport.parse(document))
    assert "| float32 | 0.812 | - |" in card and "| 61 | 0.0314 |" in card and "Training is counted" in card


def test_what_is_not_proved_stands_out_and_what_is_proved_is_said() -> None:
    document = report_document()
    choice = document["choice"]
    for proof, said in (
        ("not proved: fell by 0.6; at least 268 rows would be needed", "**Not proved:** `fell by 0.6; at least"),
        ("proved: fell by 0.1 points", "\n\nProved: fell by 0.1 points.\n"),
    ):
        choice |= {"why": f"Int8, because it is small; {proof}", "proof": proof}
        card = model_card(PublishedReport.parse(document))
        assert "Published: Int8, because it is small. It has" in card and said in card


def test_of_many_columns_a_text_names_the_first_ones_and_a_table_all() -> None:
    document = report_document()
    document["dataset"]["columns"] = [{"name": f"pixel{number}", "kind": "Number"} for number in range(64)]
    report = PublishedReport.parse(document)
    card, read = model_card(report), text_of(report_page(Told(report)))
    assert card.count("and 48 more") == 2 and "pixel15" in card and "pixel16" not in card
    assert "pixel63" in read


def test_search_rows_are_said_with_how_many_of_the_training_rows_they_are() -> None:
    document = report_document()
    said = "were set aside to steer the search"
    assert said not in model_card(PublishedReport.parse(document))
    document["dataset"]["rows"] |= {"train": 4000, "search": 1000}
    kind = "model" if "estimator" in document["training"] else "network"
    text = f"1,000 of 5,000 training rows {said}; neither the {kind} nor the students learned from them"
    assert f"{text}." in model_card(PublishedReport.parse(document))
    document["training"]["parts"] = ["train", "validation", "search"]
    assert f"{text}, until it was refitted." in model_card(PublishedReport.parse(document))


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
