"""Sections as Markdown, as a page and as lines of a terminal."""

from typing import get_args

import pytest
from pages import Reader

from steelyard.report.blocks import Block, Code, Facts, Figure, Folded, Heading, Report, Section, Table, Text, Warn
from steelyard.report.chart_data import Matrix, Plot
from steelyard.report.html import WRITERS, inline, page
from steelyard.report.markdown import markdown
from steelyard.report.terminal import COLUMNS, terminal_lines


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
    assert markdown(Report("T", "Lead.", (), tuple(sections))) == (
        "# T\n\nLead.\n\nWords with `code`.\n\n## Second\n\n**Doubtful:** `it is odd`\n\n"
        "| name | bytes |\n| --- | --- |\n| a\\|b | 1 |\n| c | 22 |\n\n"
        "|  | `x` | `y` |\n| --- | --- | --- |\n| `x` | 3 | 1 |\n| `y` | 0 | 4 |\n"
    )
    html = page("Tab", Report("T", "Lead.", (Figure("5", "rows"),), tuple(sections)))
    Reader(html)
    assert "<p>Words with <code>code</code>.</p>" in html and "<b>Doubtful:</b> it is odd" in html
    assert '<tr class="chosen"><td>c</td><td class="number">22</td></tr>' in html
    assert "<details><summary>More</summary>" in html and "<pre><code>secret: 1</code></pre>" in html
    assert "<li><b>5</b><span>rows</span></li>" in html


def test_a_page_shows_every_kind_of_block() -> None:
    assert set(WRITERS) == set(get_args(Block))


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
            Plot("loss by epoch", "x", "y"),
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
        "[chart: loss by epoch]",
        "",
        "candidate            bytes",
        "float32              1,000",
        "Int8                     -  can't be made",
    ]
    assert max(map(len, terminal_lines(section))) <= COLUMNS
    facts = Section("", section.blocks[:1])
    assert "- chosen: Int8; a second line\n" in markdown(Report("T", "", (), (facts,)))
    assert '<tr><td>chosen</td><td class="text">Int8; a second line</td></tr>' in page(
        "T", Report("T", "", (), (facts,))
    )


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
