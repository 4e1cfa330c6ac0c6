"""steelyard.json as a typed document, and what is said of it: the card, and the page that needs nothing else."""

import json
import re
from dataclasses import replace
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from published_support import PUBLISHED, report_document
from search_documents import search_document

from steelyard.contract.package import FORMAT_VERSION, RUNTIME_FILES
from steelyard.contract.report import PublishedReport
from steelyard.report.blocks import Code, Facts, Folded, Heading, Section, Table, Text, Warn
from steelyard.report.chart_data import Axis, Bars, Mark, Matrix, Parallel, Plot, Run
from steelyard.report.html import inline, page
from steelyard.report.markdown import markdown
from steelyard.report.model import model_card, report_page
from steelyard.report.scales import CategoryScale
from steelyard.report.search import Found
from steelyard.report.search_charts import Importance
from steelyard.report.svg import drawn
from steelyard.report.terminal import COLUMNS, terminal_lines
from steelyard.report.told import Told
from steelyard.texts.figures import number, with_error

FOLDERS = sorted(path.parent for path in PUBLISHED.glob("*/model/steelyard.json"))
HISTORY = {
    "loss": [1.5, 0.75, 0.5],
    "val_loss": [1.25, 0.875, 1.0],
    "accuracy": [0.25, 0.5, 0.75],
    "val_accuracy": [0.5, 0.625, 0.5],
}


def report_of(folder: Path) -> PublishedReport:
    return PublishedReport.read(folder)


def page_of(folder: Path, **more: Any) -> str:
    return report_page(Told(report_of(folder), **more))


def text_of(html: str) -> str:
    """What a person reads of a page, without its charts."""
    return unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<(style|svg).*?</\1>", " ", html, flags=re.S)))


class Reader(HTMLParser):
    """Follows a page's elements: refuses what is closed in another order than it was opened, and what is fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []
        """What may be wider than a narrow screen, and lies in nothing that scrolls."""
        self.headings: list[str] = []
        self.fetched: list[str] = []
        self._scrolls = 0
        self.feed(text)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "link", "img", "iframe", "object", "embed", "form", "base"):
            self.fetched.append(tag)
        self.fetched += [name for name in given if name in ("src", "href", "action") or name.startswith("on")]
        is_scrolled = any(name.endswith(".scroll") for name in self.open)
        if tag == "table" or (tag == "svg" and "wide" in (given.get("class") or "")):
            self.outside += [] if is_scrolled else [tag]
        if tag not in ("meta",):
            self.open.append(f"{tag}.{given.get('class', '')}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element of SVG that is closed at once."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1].partition(".")[0] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1].partition(".")[0] in ("h1", "h2", "h3"):
            self.headings.append(data)


# --- steelyard.json ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_a_document_of_any_format_is_read_and_keeps_all_that_it_says(folder: Path) -> None:
    document = json.loads((folder / "steelyard.json").read_bytes())
    report = report_of(folder)
    written = report.to_json()
    assert written["formatVersion"] == document.get("formatVersion", 1)
    assert report.serving.file == RUNTIME_FILES[report.serving.runtime].file
    # A skops file lies beside every ONNX one.
    served = [name for name in ("model.tflite", "model.onnx", "model.skops") if (folder / name).is_file()]
    assert report.serving.file == served[0]
    # Format 1 did not say how the rows were dealt out.
    expected = {**document, "dataset": {"split": {}, **document["dataset"]}}
    assert {name: written[name] for name in document} == expected
    added = set(written) - set(document)
    assert added <= ({"serving"} if "formatVersion" in document else {"serving", "output", "formatVersion", "doubts"})


def test_the_present_format_is_the_bytes_of_the_one_before_and_its_version_and_what_serves() -> None:
    for folder in FOLDERS:
        text = (folder / "steelyard.json").read_text()
        if '"formatVersion": 2' in text:
            written = report_of(folder).to_json()
            del written["serving"]
            assert json.dumps(written, indent=2, ensure_ascii=False) + "\n" == text
    assert list(report_document())[:8] == [
        "apiVersion", "kind", "formatVersion", "name", "task", "target", "output", "serving",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"formatVersion": FORMAT_VERSION + 1}, f"formatVersion {FORMAT_VERSION + 1} is not known"),
        ({"formatVersion": "2"}, "formatVersion '2' is not known"),
        ({"kind": "TrainingJob"}, "no document of kind PublishedModel"),
        ({"choice": {}}, "choice.chosen"),
        ({"formatVersion": 2, "choice": {}}, "it lacks 'baseline'"),
        ({"serving": None}, "serving"),
    ],
)
def test_what_is_no_report_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        PublishedReport.parse({**report_document(), **change})


def test_what_a_later_version_adds_is_passed_over() -> None:
    document = report_document()
    document["dataset"]["licence"] = "CC0"
    assert PublishedReport.parse({**document, "more": 1}) == PublishedReport.parse(report_document())


# --- the page and the card --------------------------------------------------------------------------------------------


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


def charts_of(html: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(text) for text in re.findall(r"<svg.*?</svg>", html, re.S)]


def test_the_card_is_what_it_was_before_it_was_made_of_sections() -> None:
    folder = PUBLISHED / "diabetes-search/model"
    assert model_card(report_of(folder)) == (folder / "README.md").read_text()


def test_the_curves_hold_every_epoch_of_both_sets_and_say_which_was_published() -> None:
    html = page_of(PUBLISHED / "wine-network/model", history={**HISTORY, "loss": [float("nan"), 0.75, 0.5]})
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


def test_labels_that_would_cover_each_other_are_moved_apart() -> None:
    """DynamicRange's file is as large as float32's, and as good."""
    (chart,) = [
        each
        for each in charts_of(page_of(PUBLISHED / "wine-network/model"))
        if "bytes of each" in str(each.get("aria-label"))
    ]
    places = {text.text: float(text.get("y") or 0) for text in chart.iter("text") if text.get("class") == "halo"}
    assert abs(places["float32"] - places["DynamicRange"]) >= 13


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
        assert chart.get("class") == "wide" or width <= 460
        for text in chart.iter("text"):
            assert 0 <= float(text.get("x") or 0) <= width and 0 <= float(text.get("y") or 0) <= height
    # Every color has a name, so that the dark page changes it, too.
    style = html.partition("<style>")[2].partition("</style>")[0]
    assert set(re.findall(r"#[0-9a-f]{6}\b", style.partition("body {")[2])) == set()


LONG = "eine Klasse mit einem langen Namen"


def test_no_word_of_a_chart_is_cut_at_its_edge_and_no_count_is_wider_than_its_cell() -> None:
    count, path = 1_234_567, "training.optimizer.learningRateSchedule.cosineDecay.initialValue"
    axis = CategoryScale((LONG[:24], "b"))
    charts = [
        Matrix("", (LONG, "Wien"), ((count, 0), (1, count))),
        Bars("", ((path, 0.5), ("b", 0.5))),
        Parallel("", (Axis("a", axis), Axis("b", axis)), (Run((0.0, 1.0), "", 1.0),)),
    ]
    for chart in charts:
        (picture,) = charts_of(drawn(chart))
        for text in picture.iter("text"):
            if "transform" not in text.attrib:
                width, x = 7.0 * len(str(text.text)), float(text.get("x") or 0)
                left = x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[str(text.get("text-anchor"))]
                assert left >= 0 and left + width <= float(str(picture.get("viewBox")).split()[2]), text.text
    cells = [cell for cell in charts_of(drawn(charts[0]))[0].iter("rect") if cell.get("class") == "cell"]
    assert all(float(cell.get("width") or 0) >= 7.0 * len(f"{count:,}") for cell in cells)


def test_a_picture_is_no_wider_than_a_page_needs() -> None:
    """A matrix a little wider than half a page was once drawn over the whole of it, its words twice as large."""
    (matrix,) = charts_of(drawn(Matrix("", ("x",) * 13, ((1,) * 13,) * 13)))
    width = float(str(matrix.get("viewBox")).split()[2])
    assert 400 < width < 600 and matrix.get("style") == f"max-width:{width * 1.25:.0f}px"


def test_few_candidates_fit_a_phone_and_many_get_the_whole_page() -> None:
    document = report_document()
    first = document["choice"]["candidates"][0]
    for count, width in ((6, 460), (7, 920)):
        more = [{**first, "name": f"Int{number}", "bytes": 1000 + 100 * number} for number in range(count - 1)]
        document["choice"] |= {"chosen": first["name"], "candidates": [first, *more]}
        pictures = charts_of(report_page(Told(PublishedReport.parse(document))))
        (chart,) = [each for each in pictures if "bytes of each" in str(each.get("aria-label"))]
        assert str(chart.get("viewBox")).split()[2] == str(width)


def test_the_label_of_the_chosen_candidate_keeps_clear_of_its_ring() -> None:
    mark = Mark(1.0, 1.0, "trial", "", "Int8", 5.0)
    (chart,) = charts_of(drawn(Plot("", "x", "y", marks=(mark,), ring=replace(mark, label=""))))
    (ring,) = [dot for dot in chart.iter("circle") if dot.get("class") == "chosen"]
    (label,) = [text for text in chart.iter("text") if text.text == "Int8"]
    assert float(label.get("y") or 0) + 3 < float(ring.get("cy") or 0) - float(ring.get("r") or 0)


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
    html = report_page(Told(report, HISTORY))
    reader = Reader(html)
    assert reader.fetched == [] and "<script" not in html
    assert f"<h1>{escape(evil)}</h1>" in html
    card = model_card(report)
    assert "`<script>alert('1')</script> | **x** & \"y\"`" in card


# --- the renderings ---------------------------------------------------------------------------------------------------


def test_both_renderings_say_what_the_sections_say() -> None:
    sections = [
        Section("", (Text("Words with `code`."),)),
        Section(
            "Second",
            (
                Warn("Doubtful", "it is odd"),
                Table(("name", "bytes"), (("a|b", "1"), ("c", "22")), frozenset({1}), 1),
                Matrix("Rows", ("x", "y"), ((3, 1), (0, 4))),
                Folded("More", Code("secret: 1")),
            ),
        ),
    ]
    assert markdown("T", sections) == (
        "# T\n\nWords with `code`.\n\n## Second\n\n**Doubtful:** `it is odd`\n\n"
        "| name | bytes |\n| --- | --- |\n| a\\|b | 1 |\n| c | 22 |\n\n"
        "|  | `x` | `y` |\n| --- | --- | --- |\n| `x` | 3 | 1 |\n| `y` | 0 | 4 |\n"
    )
    html = page("Tab", "T", "Lead.", [("5", "rows")], sections)
    Reader(html)
    assert "<p>Words with <code>code</code>.</p>" in html and "<b>Doubtful:</b> it is odd" in html
    assert '<tr class="chosen"><td>c</td><td class="number">22</td></tr>' in html
    assert "<details><summary>More</summary>" in html and "<pre><code>secret: 1</code></pre>" in html
    assert "<li><b>5</b><span>rows</span></li>" in html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a `b` c", "a <code>b</code> c"),
        ("`a` `b`", "<code>a</code> <code>b</code>"),
        ("a ` b", "a ` b"),
        ("`a` ` b", "<code>a</code> ` b"),
        ("`<b>`", "<code>&lt;b&gt;</code>"),
        ("", ""),
    ],
)
def test_what_stands_between_backquotes_is_code(text: str, html: str) -> None:
    assert inline(text) == html


DIGEST = "sha256:" + "0" * 64


def test_facts_and_tables_are_lines_of_a_terminal() -> None:
    figures = tuple(f"figure{number} 0.98765 ± 0.0025" for number in range(4))
    section = Section(
        "",
        (
            Facts((("digest", ((DIGEST,),)), ("chosen", (("Int8",), ("a second line",))), ("test", (figures,)))),
            Plot("left out", "x", "y"),
            Table(
                ("candidate", "bytes", ""), (("float32", "1,000", ""), ("Int8", "-", "can't be made")), frozenset({1})
            ),
        ),
    )
    assert terminal_lines(section) == [
        f"digest  {DIGEST}",
        "chosen      Int8",
        "            a second line",
        "test        figure0 0.98765 ± 0.0025, figure1 0.98765 ± 0.0025",
        "            figure2 0.98765 ± 0.0025, figure3 0.98765 ± 0.0025",
        "",
        "candidate            bytes",
        "float32              1,000",
        "Int8                     -  can't be made",
    ]
    assert max(map(len, terminal_lines(section))) <= COLUMNS
    facts = Section("", section.blocks[:1])
    assert "- chosen: Int8; a second line\n" in markdown("T", [facts])
    assert '<tr><td>chosen</td><td class="text">Int8; a second line</td></tr>' in page("T", "T", "", [], [facts])


TRIALS = Table(
    ("TRIAL", "STATE", "accuracy", "learningRate", "hiddenUnits"),
    (("0", "Complete", "0.98", "0.001", "[256, 128]"), ("11", "Pruned after epoch 3", "0.9", "0.1", "[64]")),
    frozenset({2}),
)


def test_a_table_is_as_wide_as_it_need_be_where_it_goes_into_a_pipe() -> None:
    assert terminal_lines(Section("", (Table(("A", "NAME"), (("long", "x"), ("", "y z"))),))) == [
        "A     NAME",
        "long  x",
        "      y z",
    ]
    assert terminal_lines(Section("", (TRIALS,)))[2] == "11     Pruned after epoch 3       0.9  0.1           [64]"
    assert terminal_lines(Section("", (TRIALS,)), 64) == terminal_lines(Section("", (TRIALS,)))


def test_a_table_that_is_too_wide_is_shown_in_parts_that_fit() -> None:
    assert terminal_lines(Section("", (TRIALS,)), 50) == [
        "TRIAL  STATE                 accuracy",
        "0      Complete                  0.98",
        "11     Pruned after epoch 3       0.9",
        "",
        "TRIAL  learningRate  hiddenUnits",
        "0      0.001         [256, 128]",
        "11     0.1           [64]",
    ]


def test_a_long_last_text_goes_on_below_itself_between_words() -> None:
    section = Section(
        "",
        (
            Facts((("phase", (("Failed: the claim models does not exist",),)),)),
            Table(("REASON", "MESSAGE"), (("ClaimNotFound", "the claim models does not exist in the namespace a"),)),
            Text("failed:\n  trial 3: the process was killed by SIGKILL"),
            Heading("next:"),
            Code("steelyard fetch digits DIR --namespace default"),
        ),
    )
    assert terminal_lines(section, 40) == [
        "phase       Failed: the claim models",
        "            does not exist",
        "",
        "REASON         MESSAGE",
        "ClaimNotFound  the claim models does not",
        "               exist in the namespace a",
        "",
        "failed:",
        "  trial 3: the process was killed by",
        "    SIGKILL",
        "",
        "next:",
        "  steelyard fetch digits DIR --namespace default",
    ]
    assert len(terminal_lines(section)) == 10


def test_nothing_known_is_no_line() -> None:
    assert terminal_lines(Section("", ())) == []
