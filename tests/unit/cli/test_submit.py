"""`steelyard submit` of a job of either kind, where no cluster is needed: what it prints in the end."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from api_server import Server, connected, manifest

from steelyard.cli.output import OutputFormat
from steelyard.cli.submit import submit
from steelyard.client import JobFailedError

SECOND = "2026-01-02T03:04:05Z"
FAILED = {"type": "Failed", "status": "True", "reason": "InvalidData", "message": "bad", "lastTransitionTime": SECOND}


class Failing(Server):
    """Where every job has failed as soon as it is made."""

    def request(self, method: str, path: str, *given: Any, **options: Any) -> dict[str, Any]:
        document = super().request(method, path, *given, **options)
        if method == "POST":
            document["status"] = {"phase": "Failed", "conditions": [FAILED]}
        return document


@pytest.mark.parametrize("kind", ["TrainingJob", "TuningJob"])
def test_a_job_that_fails_has_one_end_with_its_name(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "job.json"
    file.write_text(json.dumps(manifest(kind)))
    monkeypatch.setattr("steelyard.cli.submission.connected", lambda *_: nullcontext(connected(Failing())))
    with pytest.raises(JobFailedError, match="bad"):
        submit(file, wait=True, output=OutputFormat.JSON)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ends = [(event["job"], event["reason"]) for event in events if event["event"] == "runEnded"]
    assert ends == [("tiny", "InvalidData")] and events[-1]["event"] == "runEnded"


@pytest.mark.parametrize(
    ("kind", "then"), [("TrainingJob", ["status", "logs -f"]), ("TuningJob", ["status", "trials"])]
)
def test_a_job_that_is_made_is_named_with_what_may_come_next(
    kind: str, then: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "job.json"
    file.write_text(json.dumps(manifest(kind)))
    server = Server()
    monkeypatch.setattr("steelyard.cli.submission.connected", lambda *_: nullcontext(connected(server)))
    following = ["", "next:", *(f"  steelyard {each} tiny --namespace lab" for each in then)]
    for what in ("created", "unchanged (Pending)"):
        submit(file)
        assert capsys.readouterr().out.splitlines() == [f"{kind.lower()} tiny {what}", *following]
