"""Pages as tests read them: their text, their elements, their charts."""

import re
from collections.abc import Mapping, Sequence
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

from published_support import PUBLISHED

from steelyard.contract.report import NetworkTraining, PublishedReport
from steelyard.report.model import report_page
from steelyard.report.search import Found
from steelyard.report.told import Told

FOLDERS = sorted(path.parent for path in PUBLISHED.glob("*/model/steelyard.json"))
HISTORY = {
    "loss": [1.5, 0.75, 0.5],
    "val_loss": [1.25, 0.875, 1.0],
    "accuracy": [0.25, 0.5, 0.75],
    "val_accuracy": [0.5, 0.625, 0.5],
}


def report_of(folder: Path) -> PublishedReport:
    return PublishedReport.read(folder)


def with_history(report: PublishedReport, history: Mapping[str, Sequence[float | None]]) -> PublishedReport:
    """What was trained in epochs, with figures of each."""
    training = report.training
    if isinstance(training, NetworkTraining):
        training = training.model_copy(update={"history": history})
    return report.model_copy(update={"training": training})


def page_of(
    folder: Path, history: Mapping[str, Sequence[float | None]] | None = None, found: Found | None = None
) -> str:
    report = report_of(folder)
    return report_page(Told(with_history(report, history) if history else report, found))


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


def charts_of(html: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(text) for text in re.findall(r"<svg.*?</svg>", html, re.S)]
