"""`fetch` and `logs` on real containers, without the operator: a job here is what the client reads of one.

The Job tiny-finish is real: its pod writes a folder as the trainer publishes one, and is what the reader pod is made
like. The namespace enforces the restricted Pod Security level.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster.kubectl import Kubectl, KubectlError
from under_way import claim, pod_spec

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.client.connection import Connection
from steelyard.client.fetching import Fetched, fetch_model
from steelyard.client.logs import follow_log, read_log
from steelyard.contract.stages import Reason
from steelyard.stores.integrity import verify

MODEL_BYTES = 20_000_000

# Bytes that are no text, and more of them than one message of any protocol takes.
_PUBLISH = f"""
import hashlib, pathlib, random
folder = pathlib.Path("/claims/models/models/tiny")
folder.mkdir(parents=True)
(folder / "model.tflite").write_bytes(random.Random(7).randbytes({MODEL_BYTES}))
for name in ("README.md", "model.keras", "preprocessing.json", "steelyard.json"):
    (folder / name).write_bytes(b"\\x00\\xff" + name.encode())
files = sorted(folder.iterdir())
lines = [f"{{hashlib.sha256(file.read_bytes()).hexdigest()}}  {{file.name}}\\n".encode() for file in files]
(folder / "SHA256SUMS").write_bytes(b"".join(lines))
pathlib.Path("/dev/termination-log").write_text("sha256:" + hashlib.sha256(b"".join(lines)).hexdigest())
"""

Document = dict[str, Any]


@pytest.fixture
def connection(
    namespace: Kubectl, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Connection]:
    """Of a user with the role `edit`, of which the documents say that it is enough."""
    name = str(namespace.namespace)
    namespace("create", "serviceaccount", "jane")
    namespace("create", "rolebinding", "jane", "--clusterrole=edit", f"--serviceaccount={name}:jane")
    jane = namespace.as_service_account(name, "jane", tmp_path_factory.mktemp("jane") / "kubeconfig")
    until = time.monotonic() + 60
    while not is_allowed(jane):
        assert time.monotonic() < until
    monkeypatch.setenv("KUBECONFIG", str(jane.kubeconfig))
    connection = Connection()
    yield connection
    connection.close()


def is_allowed(user: Kubectl) -> bool:
    """Whether the role has reached the API server's authorizer."""
    try:
        return "yes" in user("auth", "can-i", "create", "pods/exec")
    except KubectlError:  # It ends with 1 where the answer is no.
        return False


def finish(kubectl: Kubectl, program: str) -> str:
    """Runs the Job tiny-finish with the claim `models`; gives what its pod said in the end."""
    kubectl.create(
        claim("models"),
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "tiny-finish"},
            "spec": {"backoffLimit": 0, "template": {"spec": pod_spec(program, "models")}},
        },
    )
    kubectl.wait_for("job", "tiny-finish", lambda job: job["status"].get("succeeded"))
    pod = kubectl.list("pods", "job-name=tiny-finish")[0]
    return str(pod["status"]["containerStatuses"][0]["state"]["terminated"].get("message", ""))


def complete_job(kubectl: Kubectl, digest: str, path: str = "models/tiny") -> Document:
    """A TrainingJob that has published."""
    end = {"type": "Complete", "status": "True", "reason": "Succeeded", "message": "", "lastTransitionTime": ""}
    return {
        "kind": "TrainingJob",
        "metadata": {"name": "tiny", "namespace": kubectl.namespace},
        "spec": {"training": {"workers": 2}},
        "status": {
            "phase": "Complete",
            "conditions": [end],
            "model": {"digest": digest, "published": ["models/elsewhere", f"pvc://models/{path}"]},
        },
    }


def fetch(connection: Connection, job: Document, folder: Path) -> Fetched:
    return fetch_model(connection, job, folder, image=None, timeout=300, on_waiting=None)


def readers(kubectl: Kubectl) -> list[Document]:
    """The reader pods that nobody has removed."""
    pods = kubectl.list("pods", "app.kubernetes.io/component=fetch")
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def test_a_model_comes_byte_for_byte_and_once(namespace: Kubectl, connection: Connection, tmp_path: Path) -> None:
    digest = finish(namespace, _PUBLISH)
    job = complete_job(namespace, digest)
    folder = tmp_path / "new" / "model"
    fetched = fetch(connection, job, folder)
    assert fetched == Fetched(folder, "pvc://models/models/tiny", digest, is_new=True)
    assert verify(folder, digest) == []
    assert (folder / "model.tflite").stat().st_size == MODEL_BYTES
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    assert readers(namespace) == []

    before = (folder / "model.tflite").stat()
    assert fetch(connection, job, folder) == Fetched(folder, fetched.uri, digest, is_new=False)
    assert (folder / "model.tflite").stat() == before
    (folder / "model.tflite").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="does not hold this model"):
        fetch(connection, job, folder)
    (tmp_path / "empty").mkdir()
    assert fetch(connection, job, tmp_path / "empty").is_new


def test_what_is_not_the_published_model_does_not_come(
    namespace: Kubectl, connection: Connection, tmp_path: Path
) -> None:
    linked = "linked = folder.with_name('linked'); linked.mkdir(); (linked / 'model.tflite').symlink_to('/etc/passwd')"
    digest = finish(namespace, _PUBLISH + linked)
    folder = tmp_path / "model"
    with pytest.raises(DataError, match="SHA256SUMS has another digest") as error:
        fetch(connection, complete_job(namespace, "sha256:" + "0" * 64), folder)
    assert error.value.reason == Reason.MODEL_NOT_INTACT
    with pytest.raises(DataError, match=r"pvc://models/gone/tiny can't be read: tar: .*No such file or directory"):
        fetch(connection, complete_job(namespace, digest, "gone/tiny"), folder)
    with pytest.raises(DataError, match=r"model\.tflite, which is no plain file"):
        fetch(connection, complete_job(namespace, digest, "models/linked"), folder)
    with pytest.raises(DataError, match="which is no plain file"):
        fetch(connection, complete_job(namespace, digest, "models"), folder)
    assert list(tmp_path.iterdir()) == [] and readers(namespace) == []


def test_an_image_that_can_not_be_had_is_said_at_once(
    namespace: Kubectl, connection: Connection, tmp_path: Path
) -> None:
    digest = finish(namespace, _PUBLISH)
    job = complete_job(namespace, digest)
    heard: list[str] = []
    template = namespace.get("job", "tiny-finish")["spec"]["template"]["spec"]
    template["containers"][0]["imagePullPolicy"] = "Never"
    namespace.delete("job", "tiny-finish")
    namespace.create(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "tiny-finish"},
            "spec": {"suspend": True, "template": {"spec": template}},
        }
    )
    with pytest.raises(ConfigurationError, match=r"did not start: ErrImageNeverPull: .*steelyard.test/none:1"):
        fetch_model(
            connection, job, tmp_path / "model", image="steelyard.test/none:1", timeout=3000, on_waiting=heard.append
        )
    assert readers(namespace) == [] and heard


def worker(kubectl: Kubectl, name: str, program: str, index: int = 0) -> None:
    """A pod as the Job controller makes one for a worker of the stage train."""
    labels = {
        "steelyard.dev/job": "tiny",
        "steelyard.dev/stage": "train",
        "batch.kubernetes.io/job-completion-index": str(index),
    }
    kubectl.create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": pod_spec(program)}
    )


def test_logs_are_read_and_followed_over_the_pods_of_a_worker(namespace: Kubectl, connection: Connection) -> None:
    job = complete_job(namespace, "sha256:0")
    running = {**job, "status": {"phase": "Training"}}
    state = [running]
    worker(namespace, "other", "print('not this one')", index=1)
    heard: list[str] = []
    # It is followed before its first pod is there.
    follower = threading.Thread(
        target=lambda: heard.extend(follow_log(connection, lambda: state[0], "train", 0)), daemon=True
    )
    follower.start()
    worker(
        namespace,
        "first",
        """
        import time
        for line in range(40):
            print(f"first {line}" + "é" * 20_000)
            time.sleep(0.1)
        raise SystemExit(75)
        """,
    )
    namespace.wait_for("pod", "first", lambda pod: pod["status"].get("phase") == "Failed")
    worker(namespace, "second", "print('second')")
    namespace.wait_for("pod", "second", lambda pod: pod["status"].get("phase") == "Succeeded")
    assert list(read_log(connection, lambda: running, None, 0)) == ["second"]
    assert list(read_log(connection, lambda: running, "train", 1)) == ["not this one"]
    state[0] = job
    follower.join(120)
    assert heard == [*(f"first {line}" + "é" * 20_000 for line in range(40)), "second"]


def test_a_container_that_does_not_run_has_no_log_yet(namespace: Kubectl, connection: Connection) -> None:
    spec = pod_spec("print(1)", "none")
    labels = {"steelyard.dev/job": "tiny", "steelyard.dev/stage": "train"}
    namespace.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "waits", "labels": labels}, "spec": spec})
    namespace.wait_for("pod", "waits", lambda pod: pod["status"].get("conditions"))
    job = complete_job(namespace, "sha256:0")
    with pytest.raises(ConfigurationError, match=r'waits does not run yet: .*"none" not found') as error:
        list(read_log(connection, lambda: job, None, 0))
    assert error.value.reason == "NoLog"
