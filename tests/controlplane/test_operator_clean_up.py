"""What becomes of jobs after their end: edits are answered, times to live and retention are kept across the
operator's death, and nothing goes that somebody else needs. All jobs run side by side."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from client_support import Steelyard, in_namespace
from cluster.audit import AuditLog
from cluster.kubectl import Kubectl, KubectlError
from cluster.simulation import SimulatedCluster
from operator_support import ONE_STAGE, Operated, condition, end_pods, ended, operated, simulated, training_job
from training_jobs import is_over
from tuning_support import tuning_job

PATIENCE_SECONDS = 300.0
USER = "operator-of-clean-up"
CHILDREN = "jobs,services,persistentvolumeclaims,pods"
SHARED = {"accessMode": "ReadWriteMany", "storageClassName": "shared"}
TTL_SECONDS = 60
HELD = "steelyard.test/held"

JOBS: dict[str, dict[str, Any]] = {
    "is-edited": {},
    "changes-retain": {"workspace": {"retain": "Always"}},
    "gets-ttl": {},
    "is-held": {"runPolicy": {"ttlSecondsAfterFinished": 1}},
    "stays": {"runPolicy": {"ttlSecondsAfterFinished": 100_000}},
    "releases": {"workspace": {**SHARED, "retainSeconds": 3}},
    "fails": {
        "workspace": {"retainSeconds": 0},
        "template": simulated(exit_code="65", fail_stage="finish"),
    },
    "fails-and-releases": {
        "workspace": {"retain": "Never", "retainSeconds": 0},
        "template": simulated(exit_code="65", fail_stage="finish"),
    },
    "lends": {"workspace": {**SHARED, "retain": "Never", "retainSeconds": 5}, "template": simulated("3s")},
}


@pytest.fixture(scope="module")
def operator(
    control_plane: SimulatedCluster, log: AuditLog, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operated]:
    """An operator that all jobs were given to."""
    assert log.path == control_plane.audit.path
    with operated(control_plane, tmp_path_factory.mktemp("operator"), USER) as operator:
        (namespace,) = operator.namespaces
        jobs = [training_job(name, **{"template": simulated(), **spec}) for name, spec in JOBS.items()]
        for job in jobs:
            if job["metadata"]["name"] == "is-held":
                job["metadata"]["finalizers"] = [HELD]
        workspace = {"workspace": {**SHARED, "retain": "Never", "retainSeconds": 2}}
        namespace.create(*jobs, tuning_job("search", template=workspace, maxTrials=2))
        namespace.wait_for("pvc", "lends-workspace", bool, PATIENCE_SECONDS)
        borrowed = {**ONE_STAGE, "dataset": {**ONE_STAGE["dataset"], "uri": "pvc://lends-workspace/prepared"}}
        namespace.create(training_job("borrows", **borrowed, template=simulated("1h")))
        yield operator


@pytest.fixture(scope="module")
def namespace(operator: Operated) -> Kubectl:
    """kubectl where the jobs are."""
    (namespace,) = operator.namespaces
    return namespace


def children(namespace: Kubectl, name: str) -> list[str]:
    """What is there of a job."""
    return namespace("get", CHILDREN, f"--selector=steelyard.dev/job={name}", "--output=name").splitlines()


def patch(namespace: Kubectl, kind: str, name: str, spec: dict[str, Any]) -> None:
    namespace("patch", kind, name, "--type=merge", f"--patch={json.dumps({'spec': spec})}")


def wait_until_gone(namespace: Kubectl, kind: str, name: str) -> None:
    namespace("wait", kind, name, "--for=delete", f"--timeout={PATIENCE_SECONDS:.0f}s")


def wait_until_children_are_gone(namespace: Kubectl, name: str, *left: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while children(namespace, name) != [*left]:
        assert time.monotonic() < until, children(namespace, name)
        time.sleep(0.5)


def released(namespace: Kubectl, name: str, kind: str = "trainingjob") -> dict[str, Any]:
    """A job whose workspace was removed."""

    def is_released(job: dict[str, Any]) -> bool:
        return condition(job, "WorkspaceRemoved").get("status") == "True"

    return namespace.wait_for(kind, name, is_released, PATIENCE_SECONDS)


# --- edits ------------------------------------------------------------------------------------------------------------


def test_an_edit_after_the_end_is_answered(namespace: Kubectl) -> None:
    before = ended(namespace, "is-edited")
    patch(namespace, "trainingjob", "is-edited", {"runPolicy": {"activeDeadlineSeconds": 9999}})
    namespace("wait", "trainingjob", "is-edited", "--for=condition=Complete", "--timeout=60s")
    after = namespace.get("trainingjob", "is-edited")
    assert after["metadata"]["generation"] == after["status"]["observedGeneration"] == 2
    assert {**after["status"], "observedGeneration": 1} == before["status"]


def test_what_is_retained_may_be_changed_after_the_end(namespace: Kubectl) -> None:
    before = ended(namespace, "changes-retain")
    assert condition(before, "WorkspaceRemoved") == {}
    patch(namespace, "trainingjob", "changes-retain", {"workspace": {"retain": "Never", "retainSeconds": 1}})
    after = released(namespace, "changes-retain")
    assert after["metadata"]["generation"] == after["status"]["observedGeneration"] == 2
    wait_until_gone(namespace, "pvc", "changes-retain-workspace")
    wait_until_children_are_gone(namespace, "changes-retain", "service/changes-retain-train")
    message = condition(after, "WorkspaceRemoved")["message"]
    assert "were removed 1 s after the end, as spec.workspace.retain is Never" in message


# --- the time to live -------------------------------------------------------------------------------------------------


def test_a_time_to_live_may_be_set_after_the_end_and_all_goes_but_what_was_published(
    namespace: Kubectl, steelyard: Steelyard, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(namespace, "gets-ttl")
    assert len(children(namespace, "gets-ttl")) == 3 + 1 + 1 + 4
    patch(namespace, "trainingjob", "gets-ttl", {"runPolicy": {"ttlSecondsAfterFinished": 1}})
    wait_until_gone(namespace, "trainingjob", "gets-ttl")
    wait_until_children_are_gone(namespace, "gets-ttl")
    assert namespace.find("pvc", "models") is not None and namespace.find("pvc", "data") is not None
    monkeypatch.setenv("KUBECONFIG", str(in_namespace(namespace, tmp_path_factory.mktemp("client") / "kubeconfig")))
    code, _, errors = steelyard("logs", "gets-ttl")
    removed = "the job was removed 1 s after its end, as spec.runPolicy.ttlSecondsAfterFinished says, at 20"
    assert code == 78 and removed in errors and "leave that field out, or raise it, to keep the next one" in errors


def test_what_somebody_elses_finalizer_holds_is_removed_once(
    operator: Operated, namespace: Kubectl, log: AuditLog
) -> None:
    namespace.wait_for("trainingjob", "is-held", lambda job: "deletionTimestamp" in job["metadata"], PATIENCE_SECONDS)
    namespace("annotate", "trainingjob", "is-held", "steelyard.test/touched=yes")
    assert operator.process.stop() == 0
    operator.process.start()
    time.sleep(5)  # It would be due in each of these seconds.
    removals = [entry for entry in log.entries(USER, writes=True) if entry.verb == "delete"]
    assert [entry.code for entry in removals if entry.name == "is-held"] == [200]
    namespace("patch", "trainingjob", "is-held", "--type=merge", '--patch={"metadata": {"finalizers": null}}')
    wait_until_gone(namespace, "trainingjob", "is-held")


def test_the_time_to_live_goes_on_while_no_operator_runs(operator: Operated, namespace: Kubectl) -> None:
    policy = {"ttlSecondsAfterFinished": TTL_SECONDS}
    namespace.create(training_job("outlives-operator", **ONE_STAGE, template=simulated(), runPolicy=policy))
    job = ended(namespace, "outlives-operator")
    operator.process.kill()
    due = datetime.fromisoformat(job["status"]["completionTime"]) + timedelta(seconds=TTL_SECONDS)
    time.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
    assert namespace.find("trainingjob", "outlives-operator") is not None
    began = datetime.now(UTC)
    operator.process.start()
    wait_until_gone(namespace, "trainingjob", "outlives-operator")
    assert (datetime.now(UTC) - began).total_seconds() < TTL_SECONDS, "it counts from the job's end"
    ended(namespace, "stays")


# --- the workspace ----------------------------------------------------------------------------------------------------


def test_the_workspace_goes_after_the_end_and_the_job_stays(
    namespace: Kubectl, steelyard: Steelyard, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = released(namespace, "releases")
    wait_until_gone(namespace, "pvc", "releases-workspace")
    wait_until_children_are_gone(namespace, "releases", "service/releases-train")
    assert condition(job, "Complete") and job["status"]["phase"] == "Complete"
    said = condition(job, "WorkspaceRemoved")
    assert said["message"].startswith("the claim releases-workspace and the pods of all stages")
    assert (datetime.fromisoformat(said["lastTransitionTime"])) >= datetime.fromisoformat(
        job["status"]["completionTime"]
    ) + timedelta(seconds=3)
    kubeconfig = in_namespace(namespace, tmp_path_factory.mktemp("client") / "kubeconfig")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    for arguments in (["logs", "releases"], ["logs", "releases", "-f"], ["logs", "releases", "--stage", "train"]):
        code, _, errors = steelyard(*arguments)
        assert code == 78 and f"its logs went at {said['lastTransitionTime']}: {said['message']}" in errors
        assert "spec.workspace.retain is OnFailure, the default; with Always they stay" in errors


def test_a_failed_jobs_workspace_stays_but_where_it_never_does(namespace: Kubectl) -> None:
    released(namespace, "fails-and-releases")
    wait_until_gone(namespace, "pvc", "fails-and-releases-workspace")
    job = ended(namespace, "fails")
    assert condition(job, "WorkspaceRemoved") == {}
    assert {"persistentvolumeclaim/fails-workspace", "job.batch/fails-finish"} <= {*children(namespace, "fails")}


def test_a_claim_that_another_jobs_pod_mounts_stays_until_that_is_gone(namespace: Kubectl) -> None:
    def is_said(job: dict[str, Any]) -> bool:
        return condition(job, "WorkspaceRemoved").get("reason") == "InUse"

    job = namespace.wait_for("trainingjob", "lends", is_said, PATIENCE_SECONDS)
    message = condition(job, "WorkspaceRemoved")["message"]
    assert message.startswith("the claim lends-workspace stays as long as the pod borrows-train-")
    assert message.endswith(" of the TrainingJob borrows needs it")
    # A pod that has ended keeps a claim as well, as long as it is there.
    end_pods(namespace, "borrows", "train")
    ended(namespace, "borrows")
    claim = namespace.get("pvc", "lends-workspace")
    assert "deletionTimestamp" not in claim["metadata"] and claim["status"]["phase"] == "Bound"
    namespace.delete("trainingjob", "borrows")
    released(namespace, "lends")
    wait_until_gone(namespace, "pvc", "lends-workspace")


def test_a_search_is_cleaned_up_but_for_its_trials_and_can_not_go_on_then(
    namespace: Kubectl, steelyard: Steelyard, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace.wait_for("tuningjob", "search", is_over, PATIENCE_SECONDS)
    job = released(namespace, "search", "tuningjob")
    assert condition(job, "Complete").get("status") == "True"
    wait_until_gone(namespace, "pvc", "search-workspace")
    for name in ("search-data", "search-0", "search-1", "search-best"):
        wait_until_children_are_gone(namespace, name)
        assert is_over(namespace.get("trainingjob", name))
    monkeypatch.setenv("KUBECONFIG", str(in_namespace(namespace, tmp_path_factory.mktemp("client") / "kubeconfig")))
    code, _, errors = steelyard("logs", "search-0")
    assert code == 78 and "spec.template.workspace.retain is Never; with Always they stay" in errors
    with pytest.raises(KubectlError, match=r"its workspace was removed .* whose warmStart.tuningJob is search"):
        patch(namespace, "tuningjob", "search", {"maxTrials": 9})
    patch(namespace, "tuningjob", "search", {"runPolicy": {"ttlSecondsAfterFinished": 0}})
    wait_until_gone(namespace, "tuningjob", "search")
    until = time.monotonic() + PATIENCE_SECONDS
    while namespace.list("trainingjob", "steelyard.dev/tuning-job=search"):
        assert time.monotonic() < until
        time.sleep(0.5)


# --- afterwards -------------------------------------------------------------------------------------------------------


def test_what_stays_costs_a_restarted_operator_nothing(operator: Operated, namespace: Kubectl) -> None:
    assert operator.process.stop() == 0
    log = operator.cluster.audit.since()
    operator.process.start()
    time.sleep(5)
    about = [entry for entry in log.entries(USER) if entry.verb in ("get", "delete", "patch") and entry.name]
    assert about == [] and namespace.find("trainingjob", "stays") is not None
    assert operator.complaints() == []
    assert operator.process.metric("steelyard_reconcile_errors_total") == 0
