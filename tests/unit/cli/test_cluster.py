"""The commands of a cluster: what needs none."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from steelyard.cli.cluster import DocumentFormat, age, print_object, table
from steelyard.cli.main import app
from steelyard.cli.outcome import outcome_lines

COMMANDS = ("submit", "list", "status", "logs", "fetch", "delete")


def test_help_has_the_commands_and_where_they_go() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    assert "On a cluster" in shown and "steelyard submit data.yaml --wait" in shown
    for command in COMMANDS:
        assert f"│ {command}" in shown
        own = CliRunner().invoke(app, [command, "--help"]).output
        assert "--context" in own and "--namespace" in own and "-n" in own, command


def test_only_what_needs_a_cluster_loads_its_libraries() -> None:
    script = "import sys, steelyard.cli.main; sys.exit(str({'kubernetes', 'aiohttp'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert shown.stderr.strip() == "set()"


def test_wrong_usage() -> None:
    for wrong in (["status"], ["fetch", "a"], ["logs", "a", "--worker", "-1"], ["list", "-o", "xml"], ["delete"]):
        assert CliRunner().invoke(app, wrong).exit_code == 2, wrong


@pytest.mark.parametrize(
    ("passed", "shown"),
    [
        ({"seconds": 0}, "0s"),
        ({"seconds": 119}, "119s"),
        ({"minutes": 3}, "3m"),
        ({"hours": 2}, "2h"),
        ({"hours": 47}, "47h"),
        ({"days": 3}, "3d"),
        ({"seconds": -5}, "0s"),
    ],
)
def test_ages_are_short(passed: dict[str, int], shown: str) -> None:
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    assert age("2026-03-01T00:00:00Z", (begin + timedelta(**passed)).isoformat()) == shown
    assert age(None) == "" and age(datetime.now(UTC).isoformat()) in ("0s", "1s")


def test_columns_are_as_wide_as_they_need_be() -> None:
    assert table(["A", "NAME"], [["long", "x"], ["", "y z"]]) == ["A     NAME", "long  x", "      y z"]


def test_an_object_is_printed_without_the_servers_book_keeping(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"kind": "TrainingJob", "metadata": {"name": "a", "managedFields": [1]}, "spec": {"z": "ü", "a": 1}}
    print_object({"items": [document]}, DocumentFormat.JSON)
    assert json.loads(capsys.readouterr().out)["items"][0]["metadata"] == {"name": "a"}
    print_object(document, DocumentFormat.YAML)
    assert capsys.readouterr().out == "kind: TrainingJob\nmetadata:\n  name: a\nspec:\n  z: ü\n  a: 1\n"


def test_a_result_that_lacks_parts_is_shown_as_far_as_it_goes() -> None:
    assert outcome_lines({}, []) == []
    found = {
        "chosen": "Int8",
        "candidates": [{"name": "Baseline"}, {"name": "Int8", "bytes": 9, "withinBudget": False}],
    }
    lines = outcome_lines(found, ["pvc://models/a"])
    assert lines[:2] == ["published   pvc://models/a", "chosen      Int8"]
    assert lines[-2].split() == ["float32", "-", "-", "-"]
    assert lines[-1].split() == ["Int8", "9", "-", "-", "loses", "too", "much"]
