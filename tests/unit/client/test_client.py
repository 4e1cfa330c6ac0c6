"""The client's pure parts: statuses of other versions, exit codes, refusals in a user's words, archives, events."""

import io
import tarfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from steelyard.api.errors import DataError, ManifestError, SteelyardError
from steelyard.api.status import TrainingJobStatus
from steelyard.cli.watching import events_between
from steelyard.client.errors import JobNotFoundError, NotAllowedError, RefusedError, explain
from steelyard.client.fetching import _unpack
from steelyard.client.jobs import _is_equal, job_of
from steelyard.client.outcome import exit_code_of, is_final, read_status, standing
from steelyard.client.reader import Reader
from steelyard.client.waiting import waits_for
from steelyard.contract.events import StageEnded, StageStarted
from steelyard.contract.stages import Notice, Progress, Reason
from steelyard.kube import ApiError

AT = "2026-03-01T10:00:00Z"
LATER = "2026-03-01T10:00:30Z"


def condition(type: str, message: str = "words", status: str = "True", reason: str = "Because") -> dict[str, Any]:
    return {"type": type, "status": status, "reason": reason, "message": message, "lastTransitionTime": AT}


# --- a status ---------------------------------------------------------------------------------------------------------


def test_what_another_version_wrote_is_read_as_far_as_it_is_known() -> None:
    document = {
        "phase": "Warming",
        "progress": "train 7/10",
        "shards": {"done": 3},
        "stages": [
            {"name": "train", "key": "k", "workers": 2, "gpus": 4},
            {"name": "distill", "key": "k", "workers": 1},
            {"name": "prepare", "key": "k", "workers": 1, "done": -1},
        ],
        "conditions": [condition("Complete") | {"severity": "Info"}, condition("Blessed"), {"type": "Failed"}],
    }
    status = read_status(document)
    assert status.phase is None and status.progress == "train 7/10"
    assert [(stage.name, stage.workers, stage.done) for stage in status.stages] == [
        ("train", 2, None),
        ("prepare", 1, None),
    ]
    assert [each.type for each in status.conditions] == ["Complete"] and is_final(status)
    assert document["shards"] == {"done": 3}
    assert read_status(None) == read_status([]) == read_status({}) == TrainingJobStatus()


def test_how_a_job_stands_is_said_with_the_reason() -> None:
    assert "is Steelyard's operator running?" in standing(read_status({}))
    assert standing(read_status({"phase": "Training", "progress": "train 7/10"})) == "Training: train 7/10"
    waiting = {"phase": "Waiting", "conditions": [condition("Waiting", "no claim")]}
    assert standing(read_status(waiting)) == "Waiting: no claim"
    waiting["conditions"] = [condition("Waiting", "no claim", status="False")]
    assert standing(read_status(waiting)) == "Waiting"
    assert standing(read_status({"phase": "Complete", "progress": "finish 4/4"})) == "Complete"


def test_a_failure_ends_with_the_code_that_a_local_run_would_end_with() -> None:
    codes = {reason: exit_code_of(reason) for reason in Reason}
    assert codes[Reason.GATE_FAILED] == 10
    assert {reason for reason, code in codes.items() if code == 65} == {
        Reason.INVALID_DATA,
        Reason.CHECK_FAILED,
        Reason.SOURCE_NOT_FOUND,
    }
    assert codes[Reason.NOT_WRITABLE] == codes[Reason.START_TIMEOUT] == codes[Reason.CHILD_NAME_TAKEN] == 78
    assert codes[Reason.BACKOFF_LIMIT_EXCEEDED] == codes[Reason.DEADLINE_EXCEEDED] == codes[Reason.OUT_OF_MEMORY] == 1
    assert codes[Reason.RETRIES_EXHAUSTED] == 75 and exit_code_of("OfALaterVersion") == 1
    assert 0 not in codes.values()


# --- what the API server refuses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind", "code", "expected"),
    [
        (
            ApiError(403, "Forbidden", 'pods is forbidden: User "a" cannot list resource "pods" in API group "" at the '
                     "cluster scope"),
            NotAllowedError, 78, "the user a may not list pods in all namespaces",
        ),
        (ApiError(403, "Forbidden", "exceeded quota: none"), NotAllowedError, 78, "exceeded quota: none"),
        (ApiError(401, "Unauthorized", "Unauthorized"), NotAllowedError, 78, "log in again"),
        (ApiError(404, "NotFound", "the server could not find the requested resource"), SteelyardError, 78,
         "trainingjobs.steelyard.dev is not installed"),
        (ApiError(404, "", "404 page not found\n"), SteelyardError, 78, "is not installed"),
        (ApiError(404, "NotFound", 'namespaces "x" not found'), SteelyardError, 78, "there is no namespace x"),
        (ApiError(429, "TooManyRequests", "slow down"), RefusedError, 75, "slow down; try again"),
        (ApiError(500, "InternalError", "etcd is away"), RefusedError, 75, "etcd is away; try again"),
        (ApiError(409, "Conflict", "modified"), RefusedError, 78, "modified"),
        (ApiError(422, "Invalid", "without causes"), RefusedError, 78, "without causes"),
    ],
)  # fmt: skip
def test_a_refusal_is_said_in_a_users_words(error: ApiError, kind: type, code: int, expected: str) -> None:
    explained = explain(error, "x")
    assert isinstance(explained, kind) and explained.exit_code == code and expected in explained.message


def test_the_fields_at_fault_are_named() -> None:
    strict = 'TrainingJob in version "v1alpha1" cannot be handled as a TrainingJob: strict decoding error: '
    error = explain(ApiError(400, "BadRequest", strict + 'unknown field "spec.a", unknown field "spec.b.c"'), "x")
    assert isinstance(error, ManifestError) and [each.path for each in error.problems] == ["spec.a", "spec.b.c"]
    causes = (
        {"field": "spec.publish", "message": 'Invalid value: "object": say where', "reason": "FieldValueInvalid"},
        {"field": "spec.training.epochs", "message": "Invalid value: 0: should be at least 1"},
        {"field": "<nil>", "message": "Invalid value: null: some validation rules were not checked"},
    )
    error = explain(ApiError(422, "Invalid", "all of it", causes), "x")
    assert isinstance(error, ManifestError)
    assert list(map(str, error.problems)) == [
        "spec.publish: say where",
        "spec.training.epochs: Invalid value: 0: should be at least 1",
    ]


def test_a_job_that_is_not_found_is_answered_with_what_there_is() -> None:
    assert str(JobNotFoundError("digit", "a", ["digits", "wine"])).endswith("; did you mean digits?")
    assert str(JobNotFoundError("x", "a", [f"job-{n}" for n in range(9)])).endswith("job-3, job-4 and 4 more")
    assert str(JobNotFoundError("x", "a")).endswith("no TrainingJob x in the namespace a")


# --- equal jobs -------------------------------------------------------------------------------------------------------


def test_a_job_is_equal_whatever_the_server_added() -> None:
    spec = {"dataset": {"uri": "pvc://data/a.csv", "target": "t"}, "model": {"linear": {}}, "publish": []}
    document = {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "a", "namespace": "x", "uid": "1", "resourceVersion": "2", "labels": {"a": "b", "c": "d"}},
        "spec": spec,
        "status": {"phase": "Training"},
    }
    asked = job_of({**document, "metadata": {"name": "a", "labels": {"a": "b"}}})
    assert _is_equal(document, asked)
    assert _is_equal(
        {**document, "spec": {**spec, "training": {"epochs": 10}, "runPolicy": {"backoffLimit": 3}}}, asked
    )
    assert not _is_equal({**document, "spec": {**spec, "training": {"epochs": 11}}}, asked)
    assert not _is_equal({**document, "spec": {**spec, "later": 1}}, asked)
    assert not _is_equal({**document, "metadata": {"name": "a", "labels": {"a": "c"}}}, asked)
    assert not _is_equal({**document, "metadata": {"name": "a"}}, asked)


# --- the reader pod ---------------------------------------------------------------------------------------------------


def test_the_reader_is_like_the_stages_pods_but_for_what_holds_them_together() -> None:
    security = {"runAsNonRoot": True, "runAsUser": 1000660000, "supplementalGroups": [5]}
    own = {"allowPrivilegeEscalation": False}
    template = {
        "securityContext": security,
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"zone": "a"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "affinity": {"podAffinity": {"of": "ours"}},
        "priorityClassName": "high",
        "containers": [
            {"name": "sidecar", "image": "other"},
            {"name": "trainer", "image": "trainer:1", "imagePullPolicy": "Never", "securityContext": own},
        ],
        "volumes": [{"name": "claim-0"}],
    }
    pod = Reader("digits", "x", "models", template, {"nodeAffinity": {}}).manifest()
    spec, (container,) = pod["spec"], pod["spec"]["containers"]
    assert spec["securityContext"] == security and container["securityContext"] == own
    assert spec["imagePullSecrets"] and spec["nodeSelector"] == {"zone": "a"} and spec["tolerations"]
    assert spec["affinity"] == {"nodeAffinity": {}} and "priorityClassName" not in spec
    assert spec["automountServiceAccountToken"] is False and spec["activeDeadlineSeconds"] == 3600
    assert (container["image"], container["imagePullPolicy"]) == ("trainer:1", "Never")
    assert spec["volumes"] == [{"name": "claim", "persistentVolumeClaim": {"claimName": "models"}}]
    assert [mount["readOnly"] for mount in container["volumeMounts"]] == [True]
    assert pod["metadata"]["generateName"] == "digits-fetch-" and "ownerReferences" not in pod["metadata"]
    assert pod["metadata"]["labels"]["app.kubernetes.io/component"] == "fetch"
    assert not any(key.startswith("steelyard.dev/") for key in pod["metadata"]["labels"])
    other = Reader("digits", "x", "models", template, None, image="busybox").manifest()["spec"]
    assert other["containers"][0]["image"] == "busybox" and "affinity" not in other


def waiting(reason: str, message: str = "words") -> dict[str, Any]:
    return {"containerStatuses": [{"state": {"waiting": {"reason": reason, "message": message}}}]}


@pytest.mark.parametrize(
    ("status", "node", "words", "is_hopeless"),
    [
        ({}, None, "a node is looked for", False),
        ({}, "a", "its node mounts its volumes and starts it", False),
        (waiting("ContainerCreating"), "a", "its node mounts its volumes and starts it", False),
        (waiting("ImagePullBackOff"), "a", "ImagePullBackOff: words", False),
        (waiting("CreateContainerConfigError"), "a", "CreateContainerConfigError: words", True),
        ({"phase": "Failed", "reason": "Evicted", "message": "disk"}, "a", "Evicted: disk", True),
        ({"containerStatuses": [{"state": {"terminated": {"exitCode": 128, "message": "no sleep"}}}]}, "a",
         "it ended with exit code 128 no sleep", True),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room"}]},
         None, "Unschedulable: no room", False),
    ],
)  # fmt: skip
def test_what_a_pod_waits_for(status: dict[str, Any], node: str | None, words: str, is_hopeless: bool) -> None:
    assert waits_for({"spec": {"nodeName": node} if node else {}, "status": status}) == (words, is_hopeless)


def archive_of(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def member(name: str, type: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type, target
    return info


def test_plain_files_are_unpacked(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a", (member("./", tarfile.DIRTYPE), b""), (member("./model.tflite"), b"\x00\xff"))
    _unpack(archive, tmp_path / "model")
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "model").iterdir()] == [
        ("model.tflite", b"\x00\xff")
    ]


@pytest.mark.parametrize(
    "bad",
    [
        member("../escaped"),
        member("/tmp/escaped"),
        member("./sub/file"),
        member("./sub", tarfile.DIRTYPE),
        member("./link", tarfile.SYMTYPE, "/etc/passwd"),
        member("./hard", tarfile.LNKTYPE, "../../escaped"),
        member("./pipe", tarfile.FIFOTYPE),
        member(".."),
    ],
)
def test_nothing_else_is(bad: tarfile.TarInfo, tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a", (bad, b""))
    with pytest.raises(DataError, match="no plain file"):
        _unpack(archive, tmp_path / "model")
    assert list((tmp_path / "model").iterdir()) == [] and not (tmp_path / "escaped").exists()


def test_half_an_archive_is_none(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a", (member("./model.tflite"), b"x" * 100_000))
    for size in (0, 100, 60_000):
        short = tmp_path / f"short-{size}"
        short.write_bytes(archive.read_bytes()[:size])
        with pytest.raises(SteelyardError, match="in part only") as error:
            _unpack(short, tmp_path / f"model-{size}")
        assert error.value.exit_code == 75


# --- events -----------------------------------------------------------------------------------------------------------


def test_readings_of_a_status_become_the_events_of_a_run() -> None:
    def stage(name: str, **fields: Any) -> dict[str, Any]:
        return {"name": name, "key": "k", "workers": 2 if name == "train" else 1, "startTime": AT, **fields}

    done = stage("prepare", completionTime=LATER, message="100 rows")
    readings = [
        {},
        {"conditions": [condition("Waiting", "no claim")]},
        {"conditions": [condition("Waiting", "no claim")], "stages": [stage("prepare")]},
        {"stages": [stage("prepare", done=50, total=100, unit="rows")]},
        {"stages": [done, stage("train")]},
        {"stages": [done, stage("train", done=1, total=2, unit="epochs", values={"loss": 0.5}, restarts=1)]},
        {
            "stages": [done, stage("train")],
            "completionTime": LATER,
            "conditions": [condition("Failed", "bad", reason="GateFailed")],
        },
    ]
    statuses = [read_status(each) for each in readings]
    found = [events_between(before, after, "tiny") for before, after in pairwise(statuses)]
    assert found == [
        [Notice("prepare", "no claim", "Because")],
        [StageStarted("prepare", 1, 1, "Job tiny-prepare")],
        [Progress("prepare", 50, 100, "rows")],
        [StageEnded("prepare", "Succeeded", "100 rows", 0, 30.0), StageStarted("train", 1, 2, "Job tiny-train")],
        [
            Notice("train", "went on from a checkpoint, for the 1. time"),
            Progress("train", 1, 2, "epochs", {"loss": 0.5}),
        ],
        [StageEnded("train", "GateFailed", "bad", 10, 30.0)],
    ]
    assert events_between(statuses[-1], statuses[-1], "tiny") == []
