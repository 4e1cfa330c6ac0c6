"""Children that are in the way, are removed, or outlive their job; and a spec that needs one more."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cluster.kubectl import Kubectl
from cluster.simulation import SimulatedCluster
from operator_support import (
    ONE_STAGE,
    PATIENCE_SECONDS,
    Operated,
    claim,
    condition,
    end_pods,
    ended,
    events_about,
    operated,
    simulated,
    training_job,
    unmanaged,
)

USER = "operator-of-children"
FOREVER = simulated("1h")
GARBAGE_COLLECTED_SECONDS = 180.0
"""The garbage collector may need a minute for a new CRD."""
TWO_WORKERS = {**ONE_STAGE, "training": {"workers": 2}}
TWO_STAGES: dict[str, Any] = {"publish": [], "training": {"workers": 1}}
LARGE = {
    **ONE_STAGE,
    "training": {
        "workers": 1,
        "classWeights": {"strategy": "Explicit", "weights": {f"{n:03}{'x' * 200}": 1.5 for n in range(340)}},
    },
}
"""A spec of more than 64 KiB."""
RUNS_LONG = {
    "loses-job": ONE_STAGE,
    "loses-service": TWO_WORKERS,
    "loses-claim": TWO_STAGES,
    "holds-claim": {**TWO_STAGES, "runPolicy": {"startTimeoutSeconds": 3}},
    "loses-result": ONE_STAGE,
    "is-deleted": TWO_WORKERS,
}


def users_job(name: str) -> dict[str, Any]:
    """A Job of a user's that looks much like the operator's own."""
    labels = {
        "app.kubernetes.io/managed-by": "steelyard",
        "steelyard.dev/job": name.removesuffix("-train"),
        "steelyard.dev/stage": "train",
    }
    pod = {"restartPolicy": "Never", "containers": [{"name": "trainer", "image": "user/own:1"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {"suspend": True, "template": {"spec": pod}},
    }


def users_service(name: str) -> dict[str, Any]:
    """A Service of a user's."""
    spec = {"clusterIP": "None", "selector": {"app": "own"}, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def users_config_map(name: str) -> dict[str, Any]:
    """A ConfigMap of a user's."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"own": "data"}}


TAKEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "takes-job": (ONE_STAGE, users_job("takes-job-train")),
    "takes-service": (TWO_WORKERS, users_service("takes-service-train")),
    "takes-claim": (ONE_STAGE, claim("takes-claim-workspace")),
    "takes-map": (LARGE, users_config_map("takes-map-spec")),
}
"""Jobs, and the user's objects that have the names of their children."""


@pytest.fixture(scope="module")
def operator(control_plane: SimulatedCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """An operator that all jobs were given to."""
    with operated(control_plane, tmp_path_factory.mktemp("operator"), USER) as operator:
        (namespace,) = operator.namespaces
        namespace.create(*(thing for _, thing in TAKEN.values()))
        namespace.create(
            *(training_job(name, template=simulated(), **spec) for name, (spec, _) in TAKEN.items()),
            *(training_job(name, template=FOREVER, **spec) for name, spec in RUNS_LONG.items()),
            training_job("again", template=simulated(), **ONE_STAGE),
            training_job("large", template=simulated(), **LARGE),
        )
        yield operator


@pytest.fixture(scope="module")
def namespace(operator: Operated) -> Kubectl:
    """kubectl where the jobs are."""
    (namespace,) = operator.namespaces
    return namespace


def is_active(job: dict[str, Any]) -> bool:
    """Whether a Job has pods."""
    return bool(job.get("status", {}).get("active"))


def is_not(uid: str) -> Any:
    """Whether an object is another one, and here to stay."""
    return lambda found: found["metadata"]["uid"] != uid and "deletionTimestamp" not in found["metadata"]


def completes(namespace: Kubectl, name: str) -> dict[str, Any]:
    """A job that is Complete in the end."""
    job = ended(namespace, name)
    assert condition(job, "Complete").get("status") == "True", job["status"]
    return job


# --- somebody else's object has the name ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TAKEN)
def test_a_users_object_of_a_childs_name_stays_as_it_is_and_the_job_fails(namespace: Kubectl, name: str) -> None:
    given = TAKEN[name][1]
    kind, child = given["kind"], given["metadata"]["name"]
    failed = condition(ended(namespace, name), "Failed")
    assert (failed["status"], failed["reason"]) == ("True", "ChildNameTaken")
    assert failed["message"] == (
        f"the job needs a {kind} named {child}, but one is there that is not its own; remove it, or rename the job"
    )
    found = unmanaged(namespace.get(kind, child))
    # Server-side defaults are added; nothing else is.
    assert "ownerReferences" not in found["metadata"]
    assert found["metadata"].get("labels") in (given["metadata"].get("labels"), None)
    assert_holds(found, given)


def assert_holds(found: Any, given: Any) -> None:
    """All that was given is there, unchanged."""
    if isinstance(given, dict):
        for field, value in given.items():
            assert_holds(found[field], value)
    elif isinstance(given, list):
        for one, other in zip(found, given, strict=True):
            assert_holds(one, other)
    else:
        assert found == given


# --- the user removes a child -----------------------------------------------------------------------------------------


def test_a_job_that_was_removed_is_made_again(namespace: Kubectl) -> None:
    old = namespace.wait_for("job", "loses-job-train", is_active)["metadata"]["uid"]
    namespace.delete("job", "loses-job-train", wait=False)
    namespace.wait_for("job", "loses-job-train", is_not(old))
    end_pods(namespace, "loses-job", "train")
    completes(namespace, "loses-job")


def test_a_service_that_was_removed_is_made_again_when_workers_lost_each_other(namespace: Kubectl) -> None:
    namespace.wait_for("job", "loses-service-train", lambda job: job.get("status", {}).get("ready") == 2)
    old = namespace.get("service", "loses-service-train")["metadata"]["uid"]
    namespace.delete("service", "loses-service-train")
    chief = namespace.list("pod", "steelyard.dev/job=loses-service,batch.kubernetes.io/job-completion-index=0")[0]
    namespace(
        "annotate",
        "pod",
        chief["metadata"]["name"],
        "--overwrite",
        "steelyard.test/exit-code=75",
        "steelyard.test/duration=10ms",
    )
    namespace.wait_for("service", "loses-service-train", is_not(old))
    end_pods(namespace, "loses-service", "train")
    assert completes(namespace, "loses-service")["status"]["disruptions"] == 1


def remove_workspace(namespace: Kubectl, name: str) -> str:
    """Has a user remove the workspace while prepare runs, and prepare end; gives the uid that the claim had."""
    namespace.wait_for("job", f"{name}-prepare", is_active)
    old: str = namespace.get("persistentvolumeclaim", f"{name}-workspace")["metadata"]["uid"]
    namespace.delete("persistentvolumeclaim", f"{name}-workspace", wait=False)
    end_pods(namespace, name, "prepare")
    namespace.wait_for("trainingjob", name, lambda job: condition(job, "Prepared"))
    return old


def test_a_workspace_that_is_removed_is_waited_for_in_vain_as_long_as_pods_hold_it(namespace: Kubectl) -> None:
    remove_workspace(namespace, "holds-claim")
    failed = condition(ended(namespace, "holds-claim"), "Failed")
    assert failed["reason"] == "StartTimeout"
    assert 'persistentvolumeclaim "holds-claim-workspace" is being deleted' in failed["message"]


def test_a_workspace_that_is_gone_is_made_again(namespace: Kubectl) -> None:
    old = remove_workspace(namespace, "loses-claim")
    namespace("delete", "pods", "--selector=steelyard.dev/job=loses-claim,steelyard.dev/stage=prepare")
    namespace.wait_for("persistentvolumeclaim", "loses-claim-workspace", is_not(old))
    end_pods(namespace, "loses-claim", "train")
    completes(namespace, "loses-claim")


# --- the next job of the same name ------------------------------------------------------------------------------------


def test_a_job_that_follows_one_of_its_name_at_once_has_its_own_result(namespace: Kubectl) -> None:
    old = completes(namespace, "again")
    old_child = namespace.get("job", "again-train")["metadata"]["uid"]
    namespace.delete("trainingjob", "again", wait=False)
    template = simulated(exit_code="65", message="not the old result")
    namespace.create(training_job("again", template=template, **ONE_STAGE))
    new = ended(namespace, "again")
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert condition(new, "Failed")["reason"] == "InvalidData"
    child = namespace.get("job", "again-train")["metadata"]
    assert child["uid"] != old_child
    assert [owner["uid"] for owner in child["ownerReferences"]] == [new["metadata"]["uid"]]


# --- a spec that is too large for an environment variable -------------------------------------------------------------


def test_a_large_spec_goes_by_a_config_map(namespace: Kubectl) -> None:
    job = completes(namespace, "large")
    config_map = namespace.get("configmap", "large-spec")
    assert config_map["immutable"]
    assert [owner["uid"] for owner in config_map["metadata"]["ownerReferences"]] == [job["metadata"]["uid"]]
    (text,) = config_map["data"].values()
    assert json.loads(text)["spec"]["training"]["classWeights"] == LARGE["training"]["classWeights"]
    (pod,) = namespace.list("pod", "steelyard.dev/job=large")
    names = {variable["name"] for variable in pod["spec"]["containers"][0]["env"]}
    assert "STEELYARD_SPEC_FILE" in names and "STEELYARD_SPEC" not in names


# --- while no operator runs -------------------------------------------------------------------------------------------


def test_children_go_with_their_job_when_no_operator_runs(operator: Operated, namespace: Kubectl) -> None:
    kinds = "jobs,services,persistentvolumeclaims,pods"
    selector = "--selector=steelyard.dev/job=is-deleted"
    namespace.wait_for("job", "is-deleted-train", is_active)
    assert operator.process.stop() == 0
    try:
        assert len(namespace("get", kinds, selector, "--output=name").splitlines()) == 5
        namespace.delete("trainingjob", "is-deleted")
        namespace("wait", kinds, selector, "--for=delete", f"--timeout={GARBAGE_COLLECTED_SECONDS:.0f}s")
    finally:
        operator.process.start()
    assert not namespace("get", kinds, selector, "--output=name")


def test_a_stage_whose_result_was_lost_meanwhile_runs_again(operator: Operated, namespace: Kubectl) -> None:
    namespace.wait_for("job", "loses-result-train", is_active)
    assert operator.process.stop() == 0
    try:
        end_pods(namespace, "loses-result", "train")
        done = namespace.wait_for("job", "loses-result-train", lambda job: job["status"].get("succeeded"))
        namespace("wait", "job", "loses-result-train", "--for=condition=Complete", f"--timeout={PATIENCE_SECONDS:.0f}s")
        namespace("delete", "pods", "--selector=steelyard.dev/job=loses-result")
    finally:
        operator.process.start()
    namespace.wait_for("job", "loses-result-train", is_not(done["metadata"]["uid"]))
    end_pods(namespace, "loses-result", "train")
    job = completes(namespace, "loses-result")
    assert ("Warning", "ResultLost") in events_about(namespace, job)


def test_nothing_of_this_was_an_error(operator: Operated, namespace: Kubectl) -> None:
    for name in TAKEN:
        ended(namespace, name)
    assert operator.complaints() == []
    assert operator.process.metric("steelyard_reconcile_errors_total") == 0
