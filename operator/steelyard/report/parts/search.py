"""The search that the model is the best of."""

import json

from steelyard.contract.package import SEARCH_FILE, SEARCH_PAGE_FILE
from steelyard.report.blocks import Block, Heading, Section, Text, code
from steelyard.report.search import search_sections
from steelyard.report.told import Told
from steelyard.texts.figures import counted


def search(told: Told) -> Section | None:
    """Who searched how, what was found, and the search's charts; None where there was no search."""
    found = told.report.search
    if found is None:
        return None
    values = ", ".join(code(f"{path}: {json.dumps(value)}") for path, value in found.parameters.items())
    value = "-" if found.value is None else f"{found.value:.4g}"
    text = (
        f"By the search {code(found.name)} ({found.algorithm}) over {code(found.dataset)}: of "
        f"{counted(found.trials, 'trial')} the best is trial {found.trial}, {found.metric} "
        f"{value} on {found.measured_on}, with {values}. It was picked by that figure, which flatters it; the test "
        f"set had no say. `{SEARCH_PAGE_FILE}` shows all trials, `{SEARCH_FILE}` is the search with its log."
    )
    return Section("How it was found", (Text(text),))


def search_charts(told: Told) -> Section | None:
    """The search's charts; None where there was no search."""
    if told.found is None:
        return None
    blocks: list[Block] = []
    for section in search_sections(told.found):
        blocks += [Heading(section.title), *section.blocks]
    return Section("The search", tuple(blocks))
