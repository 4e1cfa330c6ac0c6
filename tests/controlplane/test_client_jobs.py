"""The client and the commands of a cluster, on a real API server; a test writes the status as the operator would."""

import json
import re
import time
from pathlib import Path

import pytest
import yaml
from client_support import COMPLETE, DIGEST, MANIFEST, Steelyard, words, write_status
from cluster.kubectl import Kubectl
from cluster.simulation import SimulatedCluster

from steelyard.api.errors import ManifestError, SteelyardError
from steelyard.api.training_job import TrainingJob
from steelyard.client import Client, JobExistsError, JobNotFoundError
from steelyard.contract.code_digest import code_digest

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


def test_own_code_goes_with_the_job_and_belongs_to_it(
    jobs: Kubectl, steelyard: Steelyard, manifest: Path, tmp_path: Path
) -> None:
    own = 'model={entrypoint: {function: "net:build", framework: Keras, code: {path: code}}}'
    code, _, errors = steelyard("submit", manifest, "--set", own)
    assert code == 78 and "code.path: code does not exist" in errors
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "net.py").write_text("def build(data): ...")
    code, _, errors = steelyard("submit", manifest, "--set", own.replace("net:build", "net:biuld"))
    assert code == 78 and "has no function 'biuld'; did you mean build?" in errors
    assert jobs.list("trainingjobs") == [] and jobs.list("configmaps", "steelyard.dev/job") == []

    assert steelyard("submit", manifest, "--set", own)[0] == 0
    job, (config_map,) = jobs.get("trainingjob", "tiny"), jobs.list("configmaps", "steelyard.dev/job")
    digest = code_digest(tmp_path / "code")
    name = f"tiny-code-{digest[:16]}"
    assert job["spec"]["model"]["entrypoint"]["code"] == {"configMap": name, "sha256": digest}
    assert config_map["metadata"]["name"] == name and list(config_map["binaryData"]) == ["code.zip"]
    (owner,) = config_map["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("TrainingJob", job["metadata"]["uid"])
    # Killed between the two, it is made by the next; of a job of the name that is gone it is made anew.
    jobs.delete("configmap", name)
    code, output, _ = steelyard("submit", manifest, "--set", own)
    assert code == 0 and "unchanged" in output and jobs.get("configmap", name)["immutable"] is True
    (tmp_path / "code" / "net.py").write_text("def build(data): return 1")
    code, _, errors = steelyard("submit", manifest, "--set", own)
    assert code == 78 and "it is not this one" in errors and len(jobs.list("configmaps", "steelyard.dev/job")) == 1


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


def test_a_field_that_the_clusters_crd_does_not_have_is_not_dropped_in_silence(
    jobs: Kubectl, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = {**yaml.safe_load(MANIFEST)["spec"], "later": 1}
    newer = {**yaml.safe_load(MANIFEST), "spec": spec}
    monkeypatch.setattr(TrainingJob, "to_manifest", lambda _: newer)
    with pytest.raises(ManifestError, match=r"spec.later: .*is another version of Steelyard installed\?"):
        client.submit(yaml.safe_load(MANIFEST))
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
    monkeypatch.setattr("steelyard.kube.lists.PAGE_SIZE", 2)
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
        "chosen Int8, 94,208 bytes, 6.5 us a row: 0.274 of float32 (344,064 bytes), "
        "0.001 less accuracy on the "
        "validation set",
        "test accuracy 0.972 ± 0.009",
        "float32 344,064 0.972 12 us",
        "Int8 94,208 0.9 6.5 us loses too much",
        "prepare done: 1,797 rows 1 90s",
        "train done, resumed once 2 90s",
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


def test_a_program_gets_errors_of_one_kind(jobs: Kubectl, client: Client, tmp_path: Path) -> None:
    assert client.namespace == jobs.namespace
    for wrong in (tmp_path / "none.yaml", {"kind": "TrainingJob"}, {}):
        with pytest.raises(SteelyardError):
            client.submit(wrong)
