"""Users' words are shown, and command nothing."""

import pytest
from rich.console import Console

from steelyard.cli.fitting import say
from steelyard.cli.output import print_error
from steelyard.report.blocks import Bullets, Figure, Heading, Report, Section, Table, Text, code
from steelyard.report.html import page
from steelyard.report.markdown import markdown
from steelyard.report.terminal import terminal_text
from steelyard.texts.printable import printable

HOSTILE = "\x1b]0;title\x07\x1b[2J \x7f \x9b31m \u202egnp.exe \u2066x"


def test_it_is_as_long_as_it_was_and_what_is_no_command_stays() -> None:
    shown = printable(HOSTILE)
    assert len(shown) == len(HOSTILE) and shown.isprintable()
    assert shown.startswith("␛]0;title␇␛[2J ␡ �31m �gnp.exe")
    for text in ("a\tb\nc", "naïve ÄÖ 数据 שלום مرحبا 👩‍💻", "\u200f"):
        assert printable(text) == text


def test_no_rendering_lets_it_through(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table((code(HOSTILE),), ((code(HOSTILE),),))
    section = Section("Data", (Heading(HOSTILE), Text(HOSTILE), Bullets((HOSTILE,)), table))
    report = Report(HOSTILE, HOSTILE, (Figure("1", HOSTILE),), (section,))
    print_error(HOSTILE)
    say(Console(), HOSTILE)
    printed = capsys.readouterr()
    told = (terminal_text(report), terminal_text(report, 80), markdown(report), page(HOSTILE, report))
    for text in (*told, printed.out, printed.err):
        assert "␛[2J" in text and text.replace("\n", "").isprintable()
