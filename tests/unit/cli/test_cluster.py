"""The commands of a cluster: what needs none."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from steelyard.api.status import TrainingJobStatus
from steelyard.cli.cluster import DocumentFormat, age, print_object
from steelyard.cli.main import app
from steelyard.cli.outcome import outcome_lines
from steelyard.cli.status import job_section
from steelyard.report.terminal import COLUMNS, terminal_lines

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


AT = "2026-03-01T00:00:00Z"


def test_the_status_of_a_waiting_job_fits_a_terminal_and_is_one_line_each_in_a_pipe() -> None:
    """What a job waits for may be long; its figures stand in the stages' table."""
    message = "the claim models does not exist in the namespace default; make it, or name another one"
    waiting = {"type": "Waiting", "status": "True", "reason": "ClaimNotFound", "message": message}
    status = {
        "phase": "Waiting",
        "stages": [{"name": "train", "key": "k", "workers": 2, "startTime": AT, "done": 3, "total": 30,
                    "unit": "epochs", "restarts": 1, "values": {"loss": 0.12345, "val_accuracy": 0.975}}],
        "conditions": [{**waiting, "lastTransitionTime": AT}],
    }  # fmt: skip
    document = {"metadata": {"creationTimestamp": AT}}
    handle: Any = SimpleNamespace(
        namespace="default", name="digits", document=document, status=TrainingJobStatus.model_validate(status)
    )
    section = job_section(handle)
    whole, fitted = terminal_lines(section), terminal_lines(section, COLUMNS)
    assert whole[0].startswith("job         default/digits, ") and whole[1] == f"phase       Waiting: {message}"
    assert whole[3].split() == ["STAGE", "STATE", "WORKERS", "TIME", "FIGURES"]
    assert whole[4].startswith("train  3/30 epochs, resumed once  2 ") and whole[4].endswith("val_accuracy 0.975")
    assert whole[7].startswith("Waiting    True    ClaimNotFound  ") and whole[7].endswith(message) and len(whole) == 8
    assert max(map(len, fitted)) <= COLUMNS < max(map(len, whole))
    assert " ".join(" ".join(fitted).split()) == " ".join(" ".join(whole).split())


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
