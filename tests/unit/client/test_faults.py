"""Faults of a connection that a real API server does not produce on demand: lost in mid-answer, away, restarted."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from steelyard.api.errors import SteelyardError
from steelyard.api.places import Place
from steelyard.client.errors import RefusedError
from steelyard.client.fetching import _copy
from steelyard.client.logs import follow_log, read_log
from steelyard.client.patience import patiently
from steelyard.client.reader import Reader, template_like_a_stages
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


class NoPods:
    """A namespace without pods, and a search whose workspace was removed."""

    def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        assert method == "GET"
        if path.endswith("/pods"):
            return {"items": []}
        assert path.endswith("/tuningjobs/s"), path
        return {"status": {"conditions": [{**REMOVED, "message": "the search's was removed"}]}}


AT = "2026-03-01T10:00:00Z"
REMOVED = {
    "type": "WorkspaceRemoved",
    "status": "True",
    "reason": "Removed",
    "message": "it was removed",
    "lastTransitionTime": AT,
}
OF_A_SEARCH = {"ownerReferences": [{"kind": "TuningJob", "name": "s", "controller": True}]}


@pytest.mark.parametrize("read", [read_log, follow_log])
@pytest.mark.parametrize(
    ("more", "conditions", "said"),
    [
        ({}, [REMOVED], f"its logs went at {AT}: it was removed; it is Complete"),
        (OF_A_SEARCH, [], f"its logs went at {AT}: the search's was removed; it is Complete"),
    ],
)
def test_logs_that_are_gone_say_when_they_went_and_why(
    read: Any, more: dict[str, Any], conditions: list[dict[str, str]], said: str
) -> None:
    document = job("Complete")
    document["metadata"] |= more
    document["status"] |= {"phase": "Complete", "conditions": [*document["status"]["conditions"], *conditions]}
    with pytest.raises(SteelyardError) as caught:
        list(read(NoPods(), lambda: document, None, 0))
    assert said in caught.value.message


def test_logs_of_a_job_without_pods_say_no_more_than_that() -> None:
    with pytest.raises(SteelyardError, match="the TrainingJob a has no pod, so there is no log; it is Pending"):
        list(read_log(NoPods(), job, None, 0))
    assert list(follow_log(NoPods(), lambda: job("Complete"), None, 0)) == []


def test_a_model_can_be_read_when_the_job_that_wrote_it_was_removed() -> None:
    """Its pod is like those of the stages, as far as the manifest says it."""
    given = {
        "nodeSelector": {"disk": "fast"},
        "securityContext": {"runAsUser": 7},
        "env": [{"name": "A", "value": "b"}],
        "imagePullPolicy": "Never",
    }
    pod = Reader("a", "x", "models", template_like_a_stages(given, "trainer:1"), None).manifest()["spec"]
    assert pod["nodeSelector"] == {"disk": "fast"} and "env" not in pod["containers"][0]
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 7,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = pod["containers"][0]
    assert (container["image"], container["imagePullPolicy"]) == ("trainer:1", "Never")
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


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
    place, archive = Place.parse("pvc://models/a b"), tmp_path / "archive"
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
