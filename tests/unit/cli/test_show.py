"""`show`: the report of a published model, made again from its folder in every rendering."""

import json
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
from pages import FOLDERS, HISTORY, Reader, text_of, with_history
from published_support import PUBLISHED, made
from typer.testing import CliRunner

from steelyard.cli.main import app
from steelyard.contract.package import SUMS_FILE
from steelyard.contract.report import PublishedReport
from steelyard.report.blocks import Block
from steelyard.report.json_values import TYPES, json_of
from steelyard.report.model import report_of
from steelyard.report.scales import Scale
from steelyard.report.terminal import COLUMNS, terminal_text
from steelyard.report.told import Told
from steelyard.stores.integrity import sums_of
from steelyard.texts.figures import with_error

SEARCHED = PUBLISHED / "diabetes-search/model"


def show(folder: Path, output: str = "text") -> str:
    shown = CliRunner().invoke(app, ["show", str(folder), "-o", output])
    assert shown.exit_code == 0, shown.exception
    return shown.output


def document_of(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(show(folder, "json"))
    return document


def blocks_of(document: dict[str, Any], title: str) -> list[dict[str, Any]]:
    (section,) = [section for section in document["sections"] if section["title"] == title]
    return list(section["blocks"])


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_every_rendering_tells_the_figures_and_has_the_same_sections(folder: Path) -> None:
    report = PublishedReport.read(folder)
    text, document, markdown, html = (show(folder, output) for output in ("text", "json", "markdown", "html"))
    for figure in report.metrics["test"].values():
        shown = with_error(figure.value, figure.standard_error)
        assert shown in text and shown in document.replace("\\u00b1", "±") and shown in markdown
        assert shown in text_of(html)
    titles = [section["title"] for section in json.loads(document)["sections"]]
    assert [title for title in Reader(html).headings if title in titles] == titles
    assert [line[3:] for line in markdown.splitlines() if line.startswith("## ")] == titles
    assert [line for line in text.splitlines() if line in map(str.upper, titles)] == list(map(str.upper, titles))
    assert json.loads(document)["title"] == report.name and markdown.startswith(f"# {report.name}\n")


def test_every_kind_of_block_says_which_it_is() -> None:
    assert {*get_args(Block), *get_args(Scale)} == set(TYPES) and len(set(TYPES.values())) == len(TYPES)


def test_charts_and_tables_are_data() -> None:
    report = PublishedReport.read(SEARCHED)
    document = document_of(SEARCHED)
    candidates = next(block for block in blocks_of(document, "How it was chosen") if block["type"] == "plot")
    assert [(mark["x"], mark["label"]) for mark in candidates["marks"]] == [
        (each.bytes, "float32" if each.name == "Baseline" else each.name) for each in report.choice.candidates
    ]
    residuals = next(block for block in blocks_of(document, "How good it is") if block["type"] == "quantiles")
    assert residuals["values"] == json.loads((SEARCHED / "steelyard.json").read_bytes())["errors"]["residuals"]
    (columns,) = [block for block in blocks_of(document, "Data") if block["type"] == "folded"]
    assert columns["block"]["type"] == "table" and len(columns["block"]["rows"]) == len(report.dataset.columns)
    entries = json.loads((SEARCHED / "search.json").read_bytes())["log"]
    history, parallel = (block for block in blocks_of(document, "The search") if block["type"] in ("plot", "parallel"))
    assert history["xLabel"] == "trial" and len(history["marks"]) == len(entries) == len(parallel["runs"])
    assert {axis["scale"]["type"] for axis in parallel["axes"]} == {"numbers", "categories"}


def test_the_curves_are_there_where_the_folder_has_them_and_else_it_says_so() -> None:
    folder = PUBLISHED / "wine-network/model"
    (told,) = blocks_of(document_of(folder), "How the training went")
    assert "There are no figures of the other epochs" in told["text"] and "epoch 25 of 25" in told["text"]
    document = json_of(report_of(Told(with_history(PublishedReport.read(folder), HISTORY))))
    _, *charts = blocks_of(document, "How the training went")
    curves = {curve["kind"]: curve["points"] for chart in charts[:1] for curve in chart["curves"]}
    assert curves["first"] == [[1.0, 1.5], [2.0, 0.75], [3.0, 0.5]] and len(charts) == 2


def test_what_the_folder_does_not_have_is_named() -> None:
    text = show(SEARCHED)
    assert "It is in `search.html`" in text and "Too few different results" not in text
    assert "[chart: rmse of each trial, and the best so far]" in text


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_the_text_fits_a_terminal(folder: Path) -> None:
    text = terminal_text(report_of(Told(PublishedReport.read(folder))), COLUMNS)
    # Code stays whole, so that it can be copied.
    assert [line for line in text.splitlines() if len(line) > COLUMNS and not line.startswith("  ")] == []


def test_a_changed_report_is_refused_and_so_is_a_folder_of_something_else(tmp_path: Path) -> None:
    model = made(tmp_path / "model")
    assert show(model).startswith("wine\n")
    # Whatever else is damaged is nothing to the report.
    (model / "model.tflite").write_bytes(b"")
    assert show(model).startswith("wine\n")
    (model / "steelyard.json").write_text("{}")
    assert CliRunner().invoke(app, ["show", str(model)]).exception.exit_code == 65  # type: ignore[union-attr]
    assert CliRunner().invoke(app, ["show", str(tmp_path)]).exception.exit_code == 78  # type: ignore[union-attr]


def test_a_search_that_can_not_be_read_is_refused_with_its_name(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(SEARCHED, model)
    (model / "search.json").write_text("{}")
    refused = CliRunner().invoke(app, ["show", str(model)])
    assert "search.json is wrong" in str(refused.exception)
    (model / SUMS_FILE).write_bytes(sums_of(model))
    refused = CliRunner().invoke(app, ["show", str(model)])
    assert "search.json can't be understood" in str(refused.exception)
