"""The client and the commands of a cluster, on a real API server; a test writes the status as the operator would."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.control_plane import ControlPlane
from cluster.kubectl import Kubectl
from cluster.simulation import SimulatedCluster
from crd_support import install_crds

from steelyard.api.errors import ManifestError, SteelyardError
from steelyard.api.status import TrainingJobStatus
from steelyard.cli.main import main
from steelyard.client import Client, JobExistsError, JobFailedError, JobHandle, JobNotFoundError, NotAllowedError

MANIFEST = """
apiVersion: steelyard.dev/v1alpha1
kind: TrainingJob
metadata: {name: tiny, labels: {team: a}}
spec:
  dataset: {uri: pvc://data/table.csv, target: label}
  model: {linear: {}}
  training: {workers: 2}
  publish: [{uri: pvc://models/tiny}]
"""

AT = "2026-03-01T10:00:00Z"
LATER = "2026-03-01T10:01:30Z"
DIGEST = "sha256:" + "ab" * 32

COMPLETE: dict[str, Any] = {
    "phase": "Complete",
    "progress": "finish 2/2",
    "metric": "accuracy 0.972",
    "size": "94 kB",
    "startTime": AT,
    "completionTime": LATER,
    "stages": [
        {
            "name": "prepare",
            "key": "k1",
            "workers": 1,
            "startTime": AT,
            "completionTime": LATER,
            "message": "1,797 rows",
        },
        {"name": "train", "key": "k2", "workers": 2, "startTime": AT, "completionTime": LATER, "restarts": 1},
    ],
    "conditions": [
        {"type": "Complete", "status": "True", "reason": "Succeeded", "message": "published", "lastTransitionTime": AT}
    ],
    "model": {
        "chosen": "Int8",
        "bytes": 94208,
        "baselineBytes": 344064,
        "metric": "accuracy",
        "metricDrop": 0.001,
        "metrics": {"accuracy": {"value": 0.972, "standardError": 0.009}},
        "digest": DIGEST,
        "published": ["pvc://models/tiny"],
        "candidates": [
            {"name": "None", "bytes": 344064, "metric": 0.972, "drop": 0, "latencyMicroseconds": 12.5},
            {"name": "Int8", "bytes": 94208, "metric": 0.9, "latencyMicroseconds": 6.5, "withinBudget": False},
        ],
    },
}


def failed(reason: str, message: str = "because") -> dict[str, Any]:
    """The status of a job that has failed."""
    end = {"type": "Failed", "status": "True", "reason": reason, "message": message, "lastTransitionTime": AT}
    return {"phase": "Failed", "startTime": AT, "completionTime": LATER, "conditions": [end]}


Steelyard = Callable[..., tuple[int, str, str]]


@pytest.fixture
def jobs(control_plane: SimulatedCluster, namespace: Kubectl, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubectl]:
    """kubectl in a namespace of the test's own, which is the one of the KUBECONFIG in the environment too."""
    install_crds(control_plane.kubectl)
    kubeconfig = yaml.safe_load(control_plane.kubeconfig.read_text())
    kubeconfig["contexts"][0]["context"]["namespace"] = namespace.namespace
    file = control_plane.folder / f"{namespace.namespace}.kubeconfig"
    file.write_text(yaml.safe_dump(kubeconfig))
    monkeypatch.setenv("KUBECONFIG", str(file))
    yield namespace
    file.unlink()


@pytest.fixture
def client(jobs: Kubectl) -> Iterator[Client]:
    with Client.from_kubeconfig() as client:
        assert client.namespace == jobs.namespace
        yield client


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(MANIFEST)
    return path


@pytest.fixture
def steelyard(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Steelyard:
    """Runs a command; gives its exit code, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["steelyard", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        output, errors = capsys.readouterr()
        assert "Traceback" not in errors
        return int(ended.value.code or 0), output, errors

    return run


def write_status(kubectl: Kubectl, status: dict[str, Any], name: str = "tiny") -> None:
    """Writes a job's status, all of it, as the operator would."""
    job = kubectl.get("trainingjob", name)
    kubectl("replace", "--subresource=status", "--filename=-", stdin=json.dumps({**job, "status": status}))


def words(text: str) -> str:
    """A text whose columns may be as wide as they like."""
    return re.sub(r" +", " ", text)


# --- submit -----------------------------------------------------------------------------------------------------------


def test_a_manifest_is_submitted_once(jobs: Kubectl, steelyard: Steelyard, manifest: Path) -> None:
    code, output, _ = steelyard("submit", manifest, "--set", "training.epochs=3")
    assert code == 0 and output.startswith("trainingjob tiny created")
    made = jobs.get("trainingjob", "tiny")
    assert made["spec"]["training"]["epochs"] == 3 and made["spec"]["training"]["batchSize"] == 32
    assert made["metadata"]["labels"] == {"team": "a"}

    code, output, _ = steelyard("submit", manifest, "--set", "training.epochs=3")
    assert code == 0 and output.startswith("trainingjob tiny unchanged (Pending)")
    # What was left out, and what is spelled differently, is equal all the same.
    code, output, _ = steelyard("submit", manifest, "--set", "training={workers: 2, epochs: 3, batchSize: 32}")
    assert code == 0 and "unchanged" in output

    for other in ("training.epochs=4", "metadata.labels.team=b"):
        code, _, errors = steelyard("submit", manifest, "--set", other)
        assert code == 78 and f"steelyard delete tiny --namespace {jobs.namespace}" in errors, other
    assert jobs.get("trainingjob", "tiny")["metadata"]["uid"] == made["metadata"]["uid"]


def test_what_a_cluster_refuses_is_said_before_it_is_asked(jobs: Kubectl, steelyard: Steelyard, manifest: Path) -> None:
    changes = ["dataset.uri=table.csv", "publish=[{uri: models/tiny}]"]
    code, _, errors = steelyard("submit", manifest, *(word for change in changes for word in ("--set", change)))
    assert code == 78 and "spec.dataset.uri: 'table.csv' lies on no claim" in errors
    assert "spec.publish[0].uri: 'models/tiny' would be lost" in errors
    code, _, errors = steelyard("submit", manifest, "--set", "training.epoch=5")
    assert code == 78 and "did you mean epochs?" in errors
    assert jobs.list("trainingjobs") == []


def test_what_the_api_server_refuses_is_said_with_its_field(jobs: Kubectl, client: Client) -> None:
    document = yaml.safe_load(MANIFEST)
    document["metadata"]["labels"] = {"a b": "c"}
    with pytest.raises(ManifestError, match=r"metadata.labels: .*'MyName'") as refused:
        client.submit(document)
    assert [problem.path for problem in refused.value.problems] == ["metadata.labels"]
    assert jobs.list("trainingjobs") == []


def test_a_job_that_is_being_deleted_is_not_taken_for_an_equal_one(jobs: Kubectl, client: Client) -> None:
    client.submit(yaml.safe_load(MANIFEST))
    jobs("patch", "trainingjob", "tiny", "--type=merge", '--patch={"metadata":{"finalizers":["test/stays"]}}')
    client.delete("tiny")
    with pytest.raises(JobExistsError, match="is being deleted still"):
        client.submit(yaml.safe_load(MANIFEST))
    jobs("patch", "trainingjob", "tiny", "--type=merge", '--patch={"metadata":{"finalizers":null}}')


def test_the_namespace_is_that_of_the_option_or_of_the_manifest(
    jobs: Kubectl, steelyard: Steelyard, manifest: Path
) -> None:
    code, _, errors = steelyard("submit", manifest, "--namespace", "nowhere")
    assert code == 78 and "there is no namespace nowhere" in errors and "kubectl create namespace nowhere" in errors
    in_manifest = ["--set", f"metadata.namespace={jobs.namespace}"]
    code, _, errors = steelyard("submit", manifest, *in_manifest, "-n", "default")
    assert code == 78 and f"metadata.namespace: {jobs.namespace}" in errors
    assert steelyard("submit", manifest, *in_manifest)[0] == 0
    assert steelyard("submit", manifest, *in_manifest, "-n", jobs.namespace)[0] == 0
    code, _, errors = steelyard("status", "tiny", "-n", "nowhere")
    assert code == 78 and "there is no namespace nowhere" in errors


# --- list, status, delete ---------------------------------------------------------------------------------------------


def test_jobs_are_listed_with_how_they_stand(
    jobs: Kubectl, client: Client, steelyard: Steelyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert steelyard("list")[1] == f"There are no TrainingJobs in the namespace {jobs.namespace}.\n"
    monkeypatch.setattr("steelyard.client.jobs._PAGE", "2")
    for name in ("c", "a", "e", "b", "d"):
        client.submit(yaml.safe_load(MANIFEST) | {"metadata": {"name": name}})
    write_status(jobs, COMPLETE, "b")
    write_status(jobs, {"phase": "Training", "progress": "train 7/10", "stages": []}, "c")
    output = words(steelyard("list")[1])
    assert output.startswith("NAME PHASE PROGRESS METRIC SIZE AGE\na Pending ")
    assert re.search(r"^b Complete finish 2/2 accuracy 0.972 94 kB \d+s$", output, re.MULTILINE)
    assert re.search(r"^c Training train 7/10 \d+s$", output, re.MULTILINE)
    assert [line.split()[0] for line in output.splitlines()[1:]] == ["a", "b", "c", "d", "e"]
    assert f"{jobs.namespace} b Complete" in words(steelyard("list", "-A")[1])
    assert f"{jobs.namespace} b Complete" not in words(steelyard("list", "-A", "-n", "default")[1]).splitlines()[0]
    found = json.loads(steelyard("list", "-o", "json")[1])
    assert [item["metadata"]["name"] for item in found["items"]] == ["a", "b", "c", "d", "e"]
    assert all("managedFields" not in item["metadata"] for item in found["items"])
    assert yaml.safe_load(steelyard("list", "-o", "yaml")[1]) == found


def test_status_shows_stages_conditions_candidates_and_the_model(
    jobs: Kubectl, client: Client, steelyard: Steelyard
) -> None:
    client.submit(yaml.safe_load(MANIFEST))
    assert "is Steelyard's operator running?" in steelyard("status", "tiny")[1]
    write_status(jobs, COMPLETE)
    code, output, _ = steelyard("status", "tiny")
    output = words(output)
    assert code == 0
    for line in (
        "phase Complete",
        "published pvc://models/tiny",
        f"digest {DIGEST}",
        "chosen Int8, 94,208 bytes: 0.274 of float32 (344,064 bytes), 0.001 less accuracy on the validation part",
        "test accuracy 0.972 ± 0.009",
        "float32 344,064 0.972 12.5",
        "Int8 94,208 0.9 6.5 loses too much",
        "prepare done: 1,797 rows 1 90s",
        "train done, resumed 1 times 2 90s",
        f"steelyard fetch tiny DIR --namespace {jobs.namespace}",
    ):
        assert f"{line}\n" in output + "\n", line
    assert re.search(r"^Complete True Succeeded \S+ published$", output, re.MULTILINE)
    document = yaml.safe_load(steelyard("status", "tiny", "-o", "yaml")[1])
    assert document["status"] == COMPLETE == json.loads(steelyard("status", "tiny", "-o", "json")[1])["status"]


def test_a_name_that_is_not_there_is_answered_with_what_is(jobs: Kubectl, client: Client, steelyard: Steelyard) -> None:
    for command in ("status", "delete", "logs"):
        code, _, errors = steelyard(command, "tiny")
        assert code == 78 and f"no TrainingJob tiny in the namespace {jobs.namespace}; there is none" in errors
    client.submit(yaml.safe_load(MANIFEST))
    for command in ("status", "delete", "logs"):
        assert "did you mean tiny?" in steelyard(command, "tiney")[2]
    with pytest.raises(JobNotFoundError, match="there are: tiny"):
        client.get("quite-another")


def test_delete_takes_a_job_away(jobs: Kubectl, client: Client, steelyard: Steelyard) -> None:
    handle = client.submit(yaml.safe_load(MANIFEST))
    code, output, _ = steelyard("delete", "tiny")
    assert (code, output) == (0, "trainingjob tiny deleted\n") and jobs.list("trainingjobs") == []
    again = client.submit(yaml.safe_load(MANIFEST))
    assert again.is_new
    with pytest.raises(JobNotFoundError):
        handle.refresh()


# --- waiting ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks often: every state that a test writes for a second is seen."""
    monkeypatch.setattr("steelyard.client.handle.POLL_SECONDS", 0.1)
    monkeypatch.setattr("steelyard.client.patience.POLL_SECONDS", 0.1)


def in_background(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.usefixtures("quick")
def test_wait_tells_each_change_and_gives_the_end(jobs: Kubectl, client: Client) -> None:
    handle = client.submit(yaml.safe_load(MANIFEST))
    seen: list[str] = []
    reached = threading.Event()

    def write() -> None:
        for progress in ("train 1/2", "train 2/2"):
            reached.clear()
            write_status(jobs, {"phase": "Training", "progress": progress})
            assert reached.wait(60)
        write_status(jobs, COMPLETE)

    def note(status: TrainingJobStatus) -> None:
        seen.append(status.progress or "-")
        reached.set()

    writer = in_background(write)
    status = handle.wait(timeout=120, on_progress=note)
    writer.join()
    assert [each for each in seen if each != "-"] == ["train 1/2", "train 2/2", "finish 2/2"]
    assert status.model is not None and status.model.digest == DIGEST
    assert handle.job.spec.training.workers == 2 and repr(handle).endswith("tiny: Complete>")


@pytest.mark.usefixtures("quick")
def test_wait_ends_with_the_jobs_failure_with_the_time_or_with_its_removal(jobs: Kubectl, client: Client) -> None:
    handle = client.submit(yaml.safe_load(MANIFEST))
    with pytest.raises(TimeoutError, match="it runs on"):
        handle.wait(timeout=0.3)
    write_status(jobs, failed("GateFailed", "accuracy 0.5 is below 0.9"))
    with pytest.raises(JobFailedError, match=r"accuracy 0.5 is below") as error:
        handle.wait()
    assert (error.value.reason, error.value.exit_code) == ("GateFailed", 10)
    client.delete("tiny")
    client.submit(yaml.safe_load(MANIFEST))
    with pytest.raises(JobNotFoundError):
        handle.wait()


@pytest.mark.usefixtures("quick")
def test_wait_outlives_a_crash_of_the_api_server(
    control_plane: SimulatedCluster, jobs: Kubectl, client: Client
) -> None:
    handle = client.submit(yaml.safe_load(MANIFEST))
    waited: list[TrainingJobStatus] = []
    waiter = in_background(lambda: waited.append(handle.wait(timeout=300)))
    control_plane.restart(ControlPlane.API)
    write_status(jobs, COMPLETE)
    waiter.join()
    assert waited[0].phase == "Complete"


def test_submit_and_wait_looks_and_ends_like_run(jobs: Kubectl, steelyard: Steelyard, manifest: Path) -> None:
    assert steelyard("submit", manifest)[0] == 0
    write_status(jobs, COMPLETE)
    code, output, _ = steelyard("submit", manifest, "--wait")
    assert code == 0
    for line in ("prepare: done in 90.0 s: 1,797 rows", "train: started, 2 workers (Job tiny-train)", "candidate "):
        assert line in output
    assert output.rstrip().endswith(f"steelyard fetch tiny DIR --namespace {jobs.namespace}")
    code, output, _ = steelyard("submit", manifest, "--wait", "-o", "json")
    events = [json.loads(line) for line in output.splitlines()]
    assert events[-1]["event"] == "runEnded" and events[-1]["summary"]["digest"] == DIGEST
    assert [each["stage"] for each in events if each["event"] == "stageEnded"] == ["prepare", "train"]


@pytest.mark.parametrize(("reason", "code"), [("GateFailed", 10), ("InvalidData", 65), ("Crashed", 1)])
def test_submit_and_wait_ends_with_the_code_of_the_failure(
    reason: str, code: int, jobs: Kubectl, steelyard: Steelyard, manifest: Path
) -> None:
    assert steelyard("submit", manifest)[0] == 0
    write_status(jobs, failed(reason))
    ended, output, errors = steelyard("submit", manifest, "--wait", "-o", "json")
    assert ended == code and errors == "error: because\n"
    last = json.loads(output.splitlines()[-1])
    assert (last["event"], last["reason"], last["exitCode"]) == ("runEnded", reason, code)


def test_ctrl_c_ends_the_waiting_only(jobs: Kubectl, manifest: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "steelyard.cli.main", "submit", str(manifest), "--wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    jobs.wait_for("trainingjob", "tiny", lambda _: True)
    write_status(jobs, {"phase": "Training", "stages": [{"name": "train", "key": "k", "workers": 2, "startTime": AT}]})
    assert process.stdout is not None and "train: started" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "the TrainingJob tiny runs on" in errors and "Traceback" not in errors
    assert len(jobs.list("trainingjobs")) == 1


# --- who may what, and a cluster without Steelyard --------------------------------------------------------------------


def test_a_missing_permission_is_named(
    control_plane: SimulatedCluster,
    jobs: Kubectl,
    steelyard: Steelyard,
    manifest: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert steelyard("submit", manifest)[0] == 0
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig_of_user("jane")))
    for command, verb in ((["list"], "list"), (["status", "tiny"], "get"), (["delete", "tiny"], "delete")):
        code, _, errors = steelyard(*command, "-n", jobs.namespace)
        expected = f"the user jane may not {verb} trainingjobs.steelyard.dev in the namespace {jobs.namespace}"
        assert code == 78 and expected in errors and "`edit`" in errors
    code, _, errors = steelyard("list", "-A")
    assert code == 78 and "list trainingjobs.steelyard.dev in all namespaces" in errors
    # Who may read one job, but not list them, is told what is known.
    jobs("create", "role", "reader", "--verb=get", "--resource=trainingjobs.steelyard.dev")
    jobs("create", "rolebinding", "reader", "--role=reader", "--user=jane")
    deadline = time.monotonic() + 30
    while steelyard("status", "tiny", "-n", jobs.namespace)[0] != 0:
        assert time.monotonic() < deadline
    _, _, errors = steelyard("status", "other", "-n", jobs.namespace)
    assert errors == f"error: there is no TrainingJob other in the namespace {jobs.namespace}\n"
    code, _, errors = steelyard("logs", "tiny", "-n", jobs.namespace)
    assert code == 78 and "the user jane may not list pods in the namespace" in errors


def test_a_cluster_without_steelyard_and_no_cluster_at_all(
    tmp_path: Path, steelyard: Steelyard, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = (["list"], ["status", "a"], ["submit", manifest], ["delete", "a"], ["fetch", "a", tmp_path / "a"])
    with SimulatedCluster(tmp_path / "bare", nodes=1, die_with_parent=True) as bare:
        monkeypatch.setenv("KUBECONFIG", str(bare.kubeconfig))
        for command in commands:
            code, _, errors = steelyard(*command)
            assert code == 78 and "trainingjobs.steelyard.dev is not installed" in errors and "helm install" in errors
        code, _, errors = steelyard("list", "--context", "other")
        assert code == 78 and "other" in errors and "--context" in errors
    for command in commands:
        code, _, errors = steelyard(*command)
        assert code == 78 and f"the API server {bare.server} does not answer" in errors
    (tmp_path / "broken").write_text("a b: [")
    (tmp_path / "empty").touch()
    for name, expected in (("broken", "no cluster can be found"), ("empty", "no cluster"), ("none", "does not exist")):
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / name))
        code, _, errors = steelyard("list")
        assert code == 78 and expected in errors and "KUBECONFIG" in errors, name


# --- logs and fetch: what needs no container --------------------------------------------------------------------------


def test_logs_says_why_there_are_none(jobs: Kubectl, client: Client, steelyard: Steelyard) -> None:
    client.submit(yaml.safe_load(MANIFEST))
    waiting = {"type": "Waiting", "status": "True", "reason": "ClaimNotFound", "message": "claim data is not there"}
    write_status(jobs, {"phase": "Waiting", "conditions": [{**waiting, "lastTransitionTime": AT}]})
    code, _, errors = steelyard("logs", "tiny")
    assert code == 78 and "tiny has no pod, so there is no log; it is Waiting: claim data is not there" in errors
    assert "no pod of stage train" in steelyard("logs", "tiny", "--stage", "train")[2]
    code, _, errors = steelyard("logs", "tiny", "--worker", "2")
    assert code == 78 and "--worker 2" in errors and "allowed: 0 to 1" in errors
    assert "allowed: 0\n" in steelyard("logs", "tiny", "--stage", "finish", "--worker", "1", "-f")[2]
    assert steelyard("logs", "tiny", "--stage", "evaluate")[0] == 2


def finish_job(jobs: Kubectl, **pod_fields: Any) -> None:
    """The Job of the last stage; none of its pods is ever made."""
    container = {
        "name": "trainer",
        "image": "steelyard/trainer:test",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    pod = {"restartPolicy": "Never", "containers": [container], "securityContext": security, **pod_fields}
    job = {"suspend": True, "template": {"spec": pod}}
    jobs.create({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "tiny-finish"}, "spec": job})


def test_fetch_says_what_can_not_be_fetched(
    jobs: Kubectl, client: Client, steelyard: Steelyard, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    client.submit(yaml.safe_load(MANIFEST))
    write_status(jobs, {"phase": "Training", "progress": "train 7/10"})
    code, _, errors = steelyard("fetch", "tiny", folder)
    assert code == 78 and "tiny has no model yet: it is Training: train 7/10" in errors
    nowhere = {**COMPLETE, "model": {**COMPLETE["model"], "published": []}}
    write_status(jobs, nowhere)
    assert "published nowhere" in steelyard("fetch", "tiny", folder)[2]
    write_status(jobs, COMPLETE)
    assert "the Job tiny-finish" in steelyard("fetch", "tiny", folder)[2]
    folder.mkdir()
    (folder / "diary.txt").touch()
    code, _, errors = steelyard("fetch", "tiny", folder)
    assert code == 78 and f"{folder} is not empty and does not hold this model" in errors
    assert "is a file" in steelyard("fetch", "tiny", folder / "diary.txt")[2]
    assert (
        sorted(path.name for path in tmp_path.iterdir()) == ["job.yaml", "model"] or not folder.joinpath("x").exists()
    )
    assert jobs.list("pods") == []


def test_fetch_says_why_its_pod_does_not_start_and_removes_it(
    jobs: Kubectl, client: Client, steelyard: Steelyard, tmp_path: Path
) -> None:
    client.submit(yaml.safe_load(MANIFEST))
    write_status(jobs, COMPLETE)
    finish_job(jobs, nodeSelector={"disk": "none"})
    code, output, errors = steelyard("fetch", "tiny", tmp_path / "model", "--timeout", "3")
    assert code == 78 and "did not start within 3 s" in errors
    assert 'persistentvolumeclaim "models" not found' in errors and "waits: Unschedulable" in output
    jobs.create(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "models"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
    )
    code, _, errors = steelyard("fetch", "tiny", tmp_path / "model", "--timeout", "3")
    assert code == 78 and "node affinity/selector" in errors
    jobs("create", "quota", "none", "--hard=pods=0")
    jobs.wait_for("resourcequota", "none", lambda quota: "hard" in quota.get("status", {}))
    code, _, errors = steelyard("fetch", "tiny", tmp_path / "model", "--timeout", "3")
    assert code == 78 and "exceeded quota" in errors
    until = time.monotonic() + 60
    while jobs.list("pods"):
        assert time.monotonic() < until
    assert not (tmp_path / "model").exists() and not list(tmp_path.glob(".model.*"))


def test_fetch_names_the_permission_for_commands_in_pods(
    control_plane: SimulatedCluster,
    jobs: Kubectl,
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handle = client.submit(yaml.safe_load(MANIFEST))
    write_status(jobs, COMPLETE)
    finish_job(jobs)
    jobs.create(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "models"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
    )
    jobs(
        "create",
        "role",
        "few",
        "--verb=get,list,create,delete",
        "--resource=pods,jobs.batch,trainingjobs.steelyard.dev",
    )
    jobs("create", "rolebinding", "few", "--role=few", "--user=joe")
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig_of_user("joe")))
    with Client.from_kubeconfig(namespace=jobs.namespace) as joe:
        until = time.monotonic() + 30
        while True:
            try:
                own: JobHandle = joe.get(handle.name)
                break
            except NotAllowedError:
                assert time.monotonic() < until
        with pytest.raises(NotAllowedError, match=r"create pods/exec in the namespace \S+ are missing; .*`edit`"):
            own.fetch(tmp_path / "model")
    assert all("deletionTimestamp" in pod["metadata"] for pod in jobs.list("pods"))
    assert list(tmp_path.iterdir()) == []


def test_a_program_gets_errors_of_one_kind(jobs: Kubectl, client: Client, tmp_path: Path) -> None:
    assert os.environ["KUBECONFIG"].endswith(f"{jobs.namespace}.kubeconfig")
    for wrong in (tmp_path / "none.yaml", {"kind": "TrainingJob"}, {}):
        with pytest.raises(SteelyardError):
            client.submit(wrong)
