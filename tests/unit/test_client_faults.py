"""Faults of a connection that a real API server does not produce on demand: lost in mid-answer, away, restarted."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from steelyard.api.errors import SteelyardError
from steelyard.api.places import ClaimUri
from steelyard.client.errors import RefusedError
from steelyard.client.fetching import _copy
from steelyard.client.logs import follow_log
from steelyard.client.patience import patiently
from steelyard.kube import ApiError, CommandError, ConnectionFailedError

LOST = ConnectionFailedError("lost")
BUSY = RefusedError(ApiError(429, "TooManyRequests", "slow down"))
FORBIDDEN = RefusedError(ApiError(400, "BadRequest", "no"))

Answer = list[str | Exception]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("patience", "logs"):
        monkeypatch.setattr(f"steelyard.client.{module}.POLL_SECONDS", 0.001)


def asked(*answers: Exception | str) -> Callable[[], str]:
    """Something that gives these answers, one after the other."""
    left = iter(answers)

    def ask() -> str:
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


def test_what_passes_is_waited_for_and_nothing_else() -> None:
    assert patiently(asked(LOST, BUSY, LOST, "here")) == "here"
    with pytest.raises(RefusedError, match="no"):
        patiently(asked(LOST, FORBIDDEN, "here"))
    with pytest.raises(ConnectionFailedError):
        patiently(asked(*[LOST] * 100_000), seconds=0.05)


class Pods:
    """One pod whose log comes over several connections; it ends when they are used up."""

    def __init__(self, *connections: Answer) -> None:
        self.connections = list(connections)
        self.queries: list[dict[str, str]] = []

    def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        phase = "Running" if self.connections[1:] else "Succeeded"
        pod = {
            "metadata": {"name": "p", "namespace": "x", "uid": "1", "labels": {}, "creationTimestamp": ""},
            "status": {"phase": phase},
        }
        assert method == "GET"
        return {"items": [pod]} if path.endswith("/pods") else pod

    def lines(self, _path: str, *, query: dict[str, str]) -> Iterator[str]:
        self.queries.append(query)
        for line in self.connections.pop(0) if self.connections else []:
            if isinstance(line, Exception):
                raise line
            yield line


def job(*conditions: str) -> dict[str, Any]:
    true = [
        {"type": type, "status": "True", "reason": "", "message": "", "lastTransitionTime": ""} for type in conditions
    ]
    return {"metadata": {"name": "a", "namespace": "x"}, "spec": {}, "status": {"conditions": true}}


def at(second: int, text: str) -> str:
    return f"2026-03-01T10:00:{second:02}.000000000Z {text}"


def test_a_followed_log_has_each_line_once_however_often_its_connection_is_lost() -> None:
    first, second, third = at(1, "one"), at(2, "two of  two"), at(3, "")
    pods = Pods(
        [ApiError(400, "BadRequest", "ContainerCreating")],
        [first, LOST],
        [first, second],
        [ApiError(502, "", "proxy")],
        [second, third, at(4, "four")],
    )
    heard = list(follow_log(pods, lambda: job("Complete"), None, 0))
    assert heard == ["one", "two of  two", "", "four"]
    assert [query.get("sinceTime", "")[17:19] for query in pods.queries] == ["", "", "01", "02", "02"]


def test_a_followed_log_does_not_hide_a_refusal() -> None:
    with pytest.raises(SteelyardError, match="may not get pods"):
        refusal = ApiError(403, "", 'User "a" cannot get resource "pods/log" in API group "" in the namespace "x"')
        list(follow_log(Pods([refusal], []), job, None, 0))


class Commands:
    """A pod whose commands write these, one after the other."""

    def __init__(self, *outputs: list[bytes | Exception]) -> None:
        self.outputs = list(outputs)

    def exec_output(self, _namespace: str, _pod: str, _container: str, command: Sequence[str]) -> Iterator[bytes]:
        assert "/steelyard/claim/a b" in command
        for chunk in self.outputs.pop(0):
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


def test_a_copy_that_broke_off_is_made_again_from_the_beginning(tmp_path: Path) -> None:
    place, archive = ClaimUri("models", "a b"), tmp_path / "archive"
    commands = Commands([b"part", LOST], [BUSY], [b"all ", b"of it"])
    _copy(commands, "x", "p", place, archive)
    assert archive.read_bytes() == b"all of it"
    with pytest.raises(ConnectionFailedError):
        _copy(Commands(*[[LOST]] * 3), "x", "p", place, archive)
    with pytest.raises(SteelyardError, match="pvc://models/a b can't be read: tar: gone"):
        _copy(Commands([CommandError("exit 2", "tar: gone")]), "x", "p", place, archive)


def test_a_job_of_another_version_can_be_followed() -> None:
    document = json.loads(json.dumps(job("Complete")))
    document["status"]["phase"] = "Blessing"
    assert list(follow_log(Pods([], []), lambda: document, None, 0)) == []
