"""What becomes of jobs that go well, and of those whose stages end badly. All of them run side by side."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from cluster.audit import AuditLog
from cluster.kubectl import Kubectl
from cluster.simulation import SimulatedCluster
from operator_support import Operated, operated, simulated, training_job
from training_jobs import condition, is_over

from steelyard.api.status import TrainingJobStatus

PATIENCE_SECONDS = 300.0
USER = "operator-of-jobs"
ONE_STAGE: dict[str, Any] = {
    "dataset": {"uri": "pvc://data/digits", "target": "target", "format": "Prepared"},
    "training": {"workers": 1},
    "publish": [],
}
OWN_IMAGE: dict[str, Any] = {"image": "own:1", "model": {"format": "Skops"}}
GOOD = {
    "whole": {},
    "compressed": {"compression": {}},
    "two-stages": {"publish": [], "training": {"workers": 1}},
    "one-stage": ONE_STAGE,
    "prepared": {**ONE_STAGE, "publish": [{"uri": "pvc://models/prepared"}]},
    "elsewhere": {
        "model": None,
        "training": {},
        "trained": {"uri": "pvc://data/net.keras", "format": "Keras"},
        "compression": {},
    },
    "container": {"model": {"container": {**OWN_IMAGE, "command": ["/own"]}}, "training": {"workers": 2}},
    "entrypoint-of-an-image": {"model": {"container": OWN_IMAGE}, "training": {"workers": 2}},
}
"""Jobs that go well, by what their spec says."""

BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "bad-data": (simulated(exit_code="65", fail_stage="prepare"), "InvalidData", "Prepared"),
    "bad-set-up": (simulated(exit_code="78", fail_stage="train"), "InvalidConfiguration", "Trained"),
    "bad-model": (simulated(exit_code="10", fail_stage="finish"), "GateFailed", "Evaluated"),
    "no-document": (simulated(exit_code="65", message="killed"), "InvalidData", "Prepared"),
    "no-result": (simulated(message="all is well"), "Crashed", "Prepared"),
    "stalls": (simulated(exit_code="70", fail_stage="train"), "Stalled", "Trained"),
    "crashes": (simulated(exit_code="1", fail_stage="prepare"), "BackoffLimitExceeded", "Prepared"),
}
"""Jobs that fail: the template, the reason, and the condition that becomes False."""


@pytest.fixture(scope="module")
def operator(
    control_plane: SimulatedCluster, log: AuditLog, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operated]:
    """An operator that all jobs were given to."""
    assert log.path == control_plane.audit.path
    with operated(control_plane, tmp_path_factory.mktemp("operator"), USER) as operator:
        (namespace,) = operator.namespaces
        good = [training_job(name, **{"template": simulated(), **spec}) for name, spec in GOOD.items()]
        policy = {"backoffLimit": 1}
        bad = [training_job(name, template=template, runPolicy=policy) for name, (template, _, _) in BAD.items()]
        namespace.create(*good, *bad)
        yield operator


@pytest.fixture(scope="module")
def namespace(operator: Operated) -> Kubectl:
    """kubectl where the jobs are."""
    (namespace,) = operator.namespaces
    return namespace


def ended(namespace: Kubectl, name: str) -> dict[str, Any]:
    """A job that is over."""
    return namespace.wait_for("trainingjob", name, is_over, PATIENCE_SECONDS)


def stories(namespace: Kubectl, job: dict[str, Any]) -> list[tuple[str, str]]:
    """Type and reason of a job's Events, sorted."""
    uid = job["metadata"]["uid"]
    events = [event for event in namespace.list("events") if event["involvedObject"]["uid"] == uid]
    return sorted((event["type"], event["reason"]) for event in events)


def children(namespace: Kubectl, job: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The objects of a kind that a job controls."""
    uid = job["metadata"]["uid"]
    found = namespace.list(kind, f"steelyard.dev/job={job['metadata']['name']}")
    return [each for each in found if any(owner["uid"] == uid for owner in each["metadata"]["ownerReferences"])]


# --- jobs that go well ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stages", "kinds"),
    [
        ("whole", ["prepare", "train", "finish"], ["Prepared", "Trained", "Evaluated", "Published"]),
        ("compressed", ["prepare", "train", "finish"], ["Prepared", "Trained", "Evaluated", "Compressed", "Published"]),
        ("two-stages", ["prepare", "train"], ["Prepared", "Trained", "Evaluated"]),
        ("one-stage", ["train"], ["Trained", "Evaluated"]),
        ("prepared", ["train", "finish"], ["Trained", "Evaluated", "Published"]),
        ("elsewhere", ["prepare", "finish"], ["Prepared", "Evaluated", "Compressed", "Published"]),
        ("container", ["prepare", "train", "finish"], ["Prepared", "Trained", "Evaluated", "Published"]),
        ("entrypoint-of-an-image", ["prepare", "train", "finish"], ["Prepared", "Trained", "Evaluated", "Published"]),
    ],
)
def test_a_job_completes_with_the_stages_that_it_needs(
    namespace: Kubectl, name: str, stages: list[str], kinds: list[str]
) -> None:
    job = ended(namespace, name)
    status = job["status"]
    true = [each["type"] for each in status["conditions"] if each["status"] == "True"]
    assert true == [*kinds, "Complete"], status["conditions"]
    assert condition(job, "Complete")["reason"] == "Succeeded"
    assert [stage["name"] for stage in status["stages"]] == stages
    assert all(stage["completionTime"] >= stage["startTime"] for stage in status["stages"])
    assert (status["phase"], status["progress"], status["observedGeneration"]) == ("Complete", "done", 1)
    assert status["trainerImage"] == "steelyard/trainer:test"
    TrainingJobStatus.model_validate(status)
    made = {each["metadata"]["name"] for each in children(namespace, job, "job")}
    assert made == {f"{name}-{stage}" for stage in stages}


def test_the_model_and_its_evidence_are_in_the_status(namespace: Kubectl) -> None:
    model = ended(namespace, "whole")["status"]["model"]
    assert (model["chosen"], model["bytes"], model["metric"]) == ("Int8", 94208, "accuracy")
    assert model["metrics"]["accuracy"] == {"value": 0.972, "standardError": 0.009}
    assert [candidate["name"] for candidate in model["candidates"]] == ["Float32", "Int8"]


def test_the_columns_tell_it_at_a_glance(namespace: Kubectl) -> None:
    ended(namespace, "whole")
    header, line = namespace("get", "tj", "whole").splitlines()
    assert header.split()[:5] == ["NAME", "PHASE", "PROGRESS", "METRIC", "SIZE"]
    assert re.fullmatch(r"whole\s+Complete\s+done\s+accuracy 0\.972\s+94 kB\s+\S+\s*", line)


def test_children_are_made_once_with_owner_and_labels(namespace: Kubectl, log: AuditLog) -> None:
    job = ended(namespace, "whole")
    made = Counter(
        (entry.resource, entry.name)
        for entry in log.entries(USER, namespace=namespace.namespace, writes=True)
        if entry.verb == "create" and entry.name.startswith("whole-")
    )
    expected = {
        ("persistentvolumeclaims", "whole-workspace"): "workspace",
        ("jobs", "whole-prepare"): "prepare",
        ("services", "whole-train"): "train",
        ("jobs", "whole-train"): "train",
        ("jobs", "whole-finish"): "finish",
    }
    assert made == Counter(expected.keys())
    for (kind, name), component in expected.items():
        metadata = namespace.get(kind, name)["metadata"]
        (owner,) = metadata["ownerReferences"]
        assert (owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == (job["metadata"]["uid"], True, True)
        assert metadata["labels"] == {
            "app.kubernetes.io/name": "steelyard",
            "app.kubernetes.io/managed-by": "steelyard",
            "app.kubernetes.io/component": component,
            "app.kubernetes.io/instance": "whole",
            "steelyard.dev/job": "whole",
            **({"steelyard.dev/stage": component} if kind == "jobs" else {}),
        }


def test_pods_have_no_token_and_know_their_place(namespace: Kubectl) -> None:
    """The namespace itself lets none in that is not restricted."""
    job = ended(namespace, "whole")
    pods = namespace.list("pod", f"steelyard.dev/job={job['metadata']['name']}")
    stages = sorted(pod["metadata"]["labels"]["steelyard.dev/stage"] for pod in pods)
    assert stages == ["finish", "prepare", "train", "train"]
    for pod in pods:
        assert not [volume for volume in pod["spec"]["volumes"] if "projected" in volume]
        assert pod["spec"]["nodeName"]
    # A workspace of one node holds all workers there.
    workers = [pod for pod in pods if pod["metadata"]["labels"]["steelyard.dev/stage"] == "train"]
    assert len({pod["spec"]["nodeName"] for pod in workers}) == 1
    assert {pod["spec"]["hostname"] for pod in workers} == {"whole-train-0", "whole-train-1"}
    assert {pod["spec"]["subdomain"] for pod in workers} == {"whole-train"}


def test_a_job_tells_its_story_in_events_and_costs_few_writes(namespace: Kubectl, log: AuditLog) -> None:
    job = ended(namespace, "one-stage")
    assert stories(namespace, job) == [("Normal", "Complete"), ("Normal", "StageStarted")]
    entries = log.entries(USER, namespace=namespace.namespace, writes=True)
    own = [entry for entry in entries if entry.name.startswith("one-stage")]
    counts = Counter((entry.verb, entry.resource) for entry in own)
    assert counts == {
        ("create", "persistentvolumeclaims"): 1,
        ("create", "jobs"): 1,
        ("create", "events"): 2,
        ("patch", "trainingjobs/status"): 2,
    }
    # An Event's name is in its body only where a request is not yet answered.
    assert all(entry.code in (200, 201) for entry in own)


# --- jobs that fail ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BAD)
def test_a_job_fails_with_the_reason_that_its_stage_gave(namespace: Kubectl, name: str) -> None:
    _, reason, kind = BAD[name]
    job = ended(namespace, name)
    failed = condition(job, "Failed")
    assert (failed["status"], failed["reason"]) == ("True", reason)
    assert condition(job, kind)["status"] == "False"
    assert job["status"]["phase"] == "Failed" and not condition(job, "Complete")
    assert ("Warning", reason) in stories(namespace, job)
    TrainingJobStatus.model_validate(job["status"])


@pytest.mark.parametrize(
    ("name", "pods"), [("bad-data", 1), ("bad-model", 4), ("no-result", 1), ("stalls", 3), ("crashes", 2)]
)
def test_only_a_crash_is_tried_again(namespace: Kubectl, name: str, pods: int) -> None:
    ended(namespace, name)
    found = namespace.list("pod", f"steelyard.dev/job={name}")
    assert len(found) == pods, [pod["metadata"]["name"] for pod in found]


def test_the_words_of_a_failure_are_those_of_who_knows(namespace: Kubectl) -> None:
    messages = {name: condition(ended(namespace, name), "Failed")["message"] for name in BAD}
    assert messages["bad-data"] == "simulated"
    assert messages["no-document"] == "prepare ended with exit code 65 and left no result; its last words: killed"
    assert messages["no-result"].startswith("prepare ended with exit code 0, but left no result of this stage")
    assert messages["crashes"].startswith("prepare crashed, the last of 2 crashes (spec.runPolicy.backoffLimit)")


def test_pods_of_failed_stages_are_left_for_their_logs(namespace: Kubectl) -> None:
    job = ended(namespace, "bad-set-up")
    assert {each["metadata"]["name"] for each in children(namespace, job, "job")} == {
        "bad-set-up-prepare",
        "bad-set-up-train",
    }


# --- afterwards -------------------------------------------------------------------------------------------------------


def test_the_operator_complained_of_nothing_and_its_metrics_agree(operator: Operated, namespace: Kubectl) -> None:
    for name in (*GOOD, *BAD):
        ended(namespace, name)
    assert operator.complaints() == []
    assert operator.process.metric("steelyard_reconcile_errors_total") == 0
    assert operator.process.metric("steelyard_jobs_finished_total") == len(GOOD) + len(BAD)
    assert operator.process.metric("steelyard_jobs_finished_total", reason="Succeeded") == len(GOOD)
    assert operator.process.metric("steelyard_queue_depth") == 0


def test_jobs_that_are_over_cost_a_restarted_operator_nothing(operator: Operated, namespace: Kubectl) -> None:
    for name in (*GOOD, *BAD):
        ended(namespace, name)
    before = json.dumps([job["status"] for job in namespace.list("trainingjob")])
    assert operator.process.stop() == 0
    log = operator.cluster.audit.since()
    operator.process.start()
    namespace.create(training_job("afterwards", template=simulated(), **ONE_STAGE))
    assert condition(ended(namespace, "afterwards"), "Complete")

    entries = [entry for entry in log.entries(USER) if not entry.name.startswith("afterwards")]
    others = Counter((entry.verb, entry.resource) for entry in entries)
    del others["list", "pods"], others["create", "events"]
    kinds = ("trainingjobs", "tuningjobs", "jobs")
    assert {*others} <= {(verb, kind) for verb in ("list", "watch") for kind in kinds}
    # One to see whether the CRD is served, one for the cache, one to watch from.
    assert all(count <= 2 for count in others.values()), others
    assert json.dumps([job["status"] for job in namespace.list("trainingjob")][: len(GOOD) + len(BAD)]) != ""
    after = [job["status"] for job in namespace.list("trainingjob") if job["metadata"]["name"] != "afterwards"]
    assert json.dumps(after) == before
