"""A TrainingJob as an object of Kubernetes: explained, defaulted, listed; its spec stays once begun; a typed status."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster.api import Api
from cluster.kubectl import Kubectl, KubectlError
from cluster.simulation import SimulatedCluster
from crd_support import ROOT, by_field, manifest, wait_until

from steelyard.api.loading import parse_training_job
from steelyard.api.status import TrainingJobStatus
from steelyard.schema.crd import training_job_crd

Node = dict[str, Any]

BEGAN = "2026-01-02T03:04:05Z"

STATUS: Node = {
    "observedGeneration": 1,
    "phase": "Training",
    "progress": "train 7/10",
    "metric": "accuracy 0.972",
    "size": "94 kB",
    "startTime": BEGAN,
    "stages": [
        {
            "name": "train",
            "key": "sha256:abc",
            "workers": 2,
            "startTime": BEGAN,
            "done": 7,
            "total": 10,
            "unit": "epochs",
            "values": {"loss": 0.5, "val_accuracy": 1},
        }
    ],
    "conditions": [
        {"type": kind, "status": "True", "reason": "Because", "message": "It is so.", "lastTransitionTime": BEGAN}
        for kind in (
            "Waiting",
            "Prepared",
            "Trained",
            "Evaluated",
            "Compressed",
            "Published",
            "Suspended",
            "Complete",
            "Failed",
        )
    ],
    "model": {
        "chosen": "Int8",
        "bytes": 94000,
        "metric": "accuracy",
        "metrics": {"accuracy": {"value": 0.972, "standardError": 0.008}},
        "published": ["pvc://models/a"],
        "candidates": [{"name": "Int8", "bytes": 94000, "metric": 0.97, "drop": -0.001, "withinBudget": True}],
    },
}


def make(kubectl: Kubectl, name: str, *overrides: str, status: Node | None = None) -> None:
    """Creates a job and, where one is given, writes its status as the operator does."""
    kubectl.create(manifest(f"metadata.name={name}", *overrides))
    if status is not None:
        patch(kubectl, name, {"status": status}, "--subresource=status")


def patch(kubectl: Kubectl, name: str, change: Node, *arguments: str) -> None:
    kubectl("patch", "tj", name, "--type=merge", f"--patch={json.dumps(change)}", *arguments)


def fields(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    """Every field of a served schema, with its path."""
    for name, field in node.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from fields(field, f"{path}.{name}")
        for inner in ("items", "additionalProperties"):
            if isinstance(field.get(inner), dict):
                yield from fields(field[inner], f"{path}.{name}[]")


# --- size and cost ----------------------------------------------------------------------------------------------------


def _is_established(crd: Node) -> bool:
    said = (crd.get("status") or {}).get("conditions") or []
    return any(each["type"] == "Established" and each["status"] == "True" for each in said)


@pytest.mark.parametrize("way", ["--server-side=false", "--server-side"])
@pytest.mark.parametrize("kind", ["trainingjobs", "tuningjobs"])
def test_a_crd_is_applied_from_nothing_in_both_ways(
    control_plane: SimulatedCluster, tmp_path: Path, kind: str, way: str
) -> None:
    """kubectl keeps what it applied in an annotation, and the API server reckons what the rules may cost."""
    admin, group = control_plane.kubectl, "new.example"
    text = (ROOT / "crds" / f"{kind}.steelyard.dev.yaml").read_text(encoding="utf-8")
    file = tmp_path / "crd.yaml"
    file.write_text(
        text.replace(f"{kind}.steelyard.dev", f"{kind}.{group}").replace("group: steelyard.dev", f"group: {group}")
    )
    admin("apply", way, f"--filename={file}")
    try:
        found = admin.wait_for("crd", f"{kind}.{group}", _is_established)
        kept = found["metadata"].get("annotations", {}).get("kubectl.kubernetes.io/last-applied-configuration", "")
        assert len(kept.encode()) < 225_000
        assert bool(kept) is (way == "--server-side=false")
        reasons = {each["type"]: each["status"] for each in found["status"]["conditions"]}
        assert reasons.get("NonStructuralSchema", "False") == "False"
    finally:
        admin.delete("crd", f"{kind}.{group}")


# --- explain ----------------------------------------------------------------------------------------------------------


def test_every_field_is_explained(control_plane: SimulatedCluster, kubectl: Kubectl) -> None:
    document = Api(control_plane.kubeconfig).get("/openapi/v3/apis/steelyard.dev/v1alpha1")
    job = document["components"]["schemas"]["dev.steelyard.v1alpha1.TrainingJob"]
    found = {
        path: field.get("description", "")
        for part in ("spec", "status")
        for path, field in fields(job["properties"][part], part)
    }

    assert [path for path, text in found.items() if not text] == []
    assert len(found) > 150
    told = set(re.findall(r"^ +(\w+)\t<", kubectl("explain", "trainingjob.spec", "--recursive"), re.MULTILINE))
    assert {path.rpartition(".")[2] for path in found if path.startswith("spec")} <= told


def test_explain_says_what_is_allowed_and_what_is_the_default(kubectl: Kubectl) -> None:
    text = " ".join(kubectl("explain", "tj.spec.training").split())
    assert "Allowed: a whole number from 1 to 256. Default: 1." in text
    assert "the global batch is workers x batchSize." in text


# --- what is stored ---------------------------------------------------------------------------------------------------


def test_defaults_are_written_out_and_change_nothing(kubectl: Kubectl) -> None:
    make(kubectl, "defaults")
    stored = kubectl.get("trainingjob", "defaults")

    # Kubernetes adds to metadata, which is not ours.
    plain = {**stored, "metadata": {"name": "defaults"}}
    assert stored["spec"]["training"]["optimizer"] == {"name": "Adam", "learningRate": 0.001}
    assert parse_training_job(plain) == parse_training_job(manifest("metadata.name=defaults"))


def test_a_job_has_a_short_name_categories_and_columns(kubectl: Kubectl) -> None:
    make(kubectl, "listed", "training.workers=3", status=STATUS)

    for name in ("tj", "steelyard", "ml"):
        heading, *rows = kubectl("get", name).splitlines()
        assert heading.split() == ["NAME", "PHASE", "PROGRESS", "METRIC", "SIZE", "AGE"]
        # In a category of several kinds each name says its own.
        (row,) = (row for row in rows if re.match(r"(trainingjob\.steelyard\.dev/)?listed ", row))
        assert re.search(r"listed +Training +train 7/10 +accuracy 0\.972 +94 kB +\S+$", row)
    wide = kubectl("get", "tj", "listed", "--output=wide").splitlines()[1]
    assert re.search(r" 3 +Int8 +pvc://models/a +Because$", wide)


# --- what can't change ------------------------------------------------------------------------------------------------

# A change of every part that stays, and the field that the refusal names.
CHANGES = [
    ({"task": "Classification"}, "spec.task"),
    ({"dataset": {"split": {"seed": 7}}}, "spec.dataset"),
    ({"model": {"mlp": None, "linear": {}}}, "spec.model"),
    ({"training": {"epochs": 11}}, "spec.training"),
    ({"evaluation": {"maxGeneralizationGap": 0.1}}, "spec.evaluation"),
    ({"compression": {}}, "spec.compression"),
    ({"publish": [{"uri": "pvc://models/b"}]}, "spec.publish"),
    ({"workspace": {"storage": "1Gi"}}, "spec.workspace.storage"),
    ({"workspace": {"storageClassName": "fast"}}, "spec.workspace.storageClassName"),
    ({"workspace": {"accessMode": "ReadWriteMany"}}, "spec.workspace.accessMode"),
    ({"workspace": {"claimName": "mine"}}, "spec.workspace.claimName"),
    ({"template": {"image": "other"}}, "spec.template"),
    ({"template": {"affinity": {"podAffinity": {"b": [2]}}}}, "spec.template"),
    ({"runPolicy": {"backoffLimit": 4}}, "spec.runPolicy.backoffLimit"),
    ({"runPolicy": {"disruptionLimit": 4}}, "spec.runPolicy.disruptionLimit"),
    ({"runPolicy": {"gangTimeoutSeconds": 4}}, "spec.runPolicy.gangTimeoutSeconds"),
    ({"runPolicy": {"startTimeoutSeconds": 4}}, "spec.runPolicy.startTimeoutSeconds"),
]
AFFINITY = "template.affinity={podAffinity: {b: [1]}}"


@pytest.fixture(scope="module")
def begun(kubectl: Kubectl) -> str:
    """A job that has begun."""
    make(kubectl, "begun", AFFINITY, status=STATUS)
    return "begun"


@pytest.mark.parametrize(("change", "field"), CHANGES, ids=[f"{field}-{change}" for change, field in CHANGES])
def test_the_spec_stays_once_the_job_has_begun(kubectl: Kubectl, begun: str, change: Node, field: str) -> None:
    with pytest.raises(KubectlError) as caught:
        patch(kubectl, begun, {"spec": change}, "--dry-run=server")
    said = f"{field} can't change once the job has begun; delete the job and make a new one"
    assert by_field(str(caught.value)) == {field: said}


def test_what_was_left_out_can_not_be_taken_out_either(kubectl: Kubectl) -> None:
    make(kubectl, "takes-out", "compression={}", "task=Classification", status=STATUS)
    with pytest.raises(KubectlError, match=r"spec\.compression can't change"):
        patch(kubectl, "takes-out", {"spec": {"compression": None}})
    with pytest.raises(KubectlError, match=r"spec\.task can't change"):
        patch(kubectl, "takes-out", {"spec": {"task": None}})


def test_the_deadline_labels_and_what_is_retained_may_change_while_a_job_runs(kubectl: Kubectl, begun: str) -> None:
    patch(kubectl, begun, {"spec": {"runPolicy": {"activeDeadlineSeconds": 60}}})
    patch(kubectl, begun, {"spec": {"runPolicy": {"activeDeadlineSeconds": None}}})
    patch(kubectl, begun, {"metadata": {"labels": {"team": "a"}}})
    patch(kubectl, begun, {"spec": {"workspace": {"retain": "Never", "retainSeconds": 0}}})
    patch(kubectl, begun, {"spec": {"workspace": {"retain": None, "retainSeconds": None}}})
    kubectl.apply(manifest(f"metadata.name={begun}", AFFINITY))


def test_a_result_in_the_workspace_is_not_removed_by_a_later_change_either(kubectl: Kubectl) -> None:
    make(kubectl, "keeps-result", "publish=[]", status=STATUS)
    said = "Never would remove the result, which lies in the workspace as nothing is published; allowed: Always"
    with pytest.raises(KubectlError) as caught:
        patch(kubectl, "keeps-result", {"spec": {"workspace": {"retain": "Never"}}})
    assert by_field(str(caught.value)) == {"spec.workspace.retain": said}
    patch(kubectl, "keeps-result", {"spec": {"workspace": {"retain": "Always"}}})


def test_before_a_job_began_everything_may_change(kubectl: Kubectl) -> None:
    make(kubectl, "waits", AFFINITY, status={"phase": "Pending"})
    for change, _ in CHANGES:
        patch(kubectl, "waits", {"spec": change}, "--dry-run=server")


def test_the_largest_manifest_stays_within_what_the_rules_may_cost(kubectl: Kubectl) -> None:
    """The API server bounds the cost of each rule as it runs; a small object would not show it."""
    largest = manifest("metadata.name=largest")
    largest["spec"] |= {
        "publish": [{"uri": "pvc://a/" + "b" * 2000 + str(index)} for index in range(8)],
        "training": {
            "classWeights": {"strategy": "Explicit", "weights": {f"class-{index}": 1.5 for index in range(4096)}}
        },
        "template": {
            "env": [{"name": f"E{index:03}{'X' * 124}", "value": "v" * 4096} for index in range(64)],
            "volumes": [{"mountPath": f"/{index:02}{'m' * 1000}", "source": {"claim": "c"}} for index in range(16)],
            "labels": {f"{index:02}{'l' * 50}": "v" * 63 for index in range(32)},
        },
    }
    for columns in (500, 1024):
        largest["spec"]["dataset"] |= {
            kind: [f"{kind}-{index:04}".ljust(256, "x") for index in range(columns)]
            for kind in ("exclude", "categorical")
        }
        kubectl("create", "--dry-run=server", "--filename=-", stdin=json.dumps(largest))
    kubectl.create(largest)
    for phase in ("Pending", "Training"):
        patch(kubectl, "largest", {"status": {"phase": phase, "startTime": BEGAN}}, "--subresource=status")
    with pytest.raises(KubectlError, match=r"spec\.publish can't change"):
        patch(kubectl, "largest", {"spec": {"publish": []}})


# --- the status -------------------------------------------------------------------------------------------------------


def test_a_full_status_is_kept_as_it_is_and_is_the_models(kubectl: Kubectl) -> None:
    make(kubectl, "full", status=STATUS)
    stored = kubectl.get("trainingjob", "full")["status"]
    assert stored == STATUS
    TrainingJobStatus.model_validate(stored)


def test_a_condition_is_found_by_its_type(kubectl: Kubectl) -> None:
    """Server-side apply merges the lists of conditions and stages by their keys."""
    make(kubectl, "merged", status=STATUS)
    part = {
        **{key: manifest("metadata.name=merged")[key] for key in ("apiVersion", "kind", "metadata")},
        "status": {"conditions": [{**STATUS["conditions"][0], "reason": "Other"}]},
    }
    kubectl(
        "apply",
        *("--server-side", "--force-conflicts", "--subresource=status", "--field-manager=x", "--filename=-"),
        stdin=json.dumps(part),
    )
    conditions = kubectl.get("trainingjob", "merged")["status"]["conditions"]
    assert [condition["reason"] for condition in conditions] == ["Other"] + ["Because"] * 8


WRONG_STATUS = [
    ({"phase": "Sleeping"}, "status.phase", "supported values"),
    ({"progress": 7}, "status.progress", "must be of type string"),
    ({"startTime": "yesterday"}, "status.startTime", "must be of type date-time"),
    ({"observedGeneration": "1"}, "status.observedGeneration", "must be of type integer"),
    ({"disruptions": -1}, "status.disruptions", "greater than or equal to 0"),
    ({"conditions": [{"type": "Complete"}]}, "status.conditions[0].status", "Required value"),
    ({"conditions": [{**STATUS["conditions"][0], "type": "Done"}]}, "status.conditions[0].type", "supported values"),
    ({"conditions": STATUS["conditions"][:1] * 2}, "status.conditions[1]", "Duplicate value"),
    ({"model": {"bytes": "94 kB"}}, "status.model.bytes", "must be of type integer"),
    ({"model": {"metrics": {"accuracy": 0.9}}}, "status.model.metrics.accuracy", "must be of type object"),
    ({"stages": [{"name": "deploy", "key": "k", "workers": 1}]}, "status.stages[0].name", "supported values"),
    ({"metric": "m" * 257}, "status.metric", "Too long"),
]


@pytest.mark.parametrize(("status", "field", "essence"), WRONG_STATUS, ids=[row[1] for row in WRONG_STATUS])
def test_a_wrong_status_is_refused(kubectl: Kubectl, begun: str, status: Node, field: str, essence: str) -> None:
    with pytest.raises(KubectlError) as caught:
        patch(kubectl, begun, {"status": status}, "--subresource=status", "--dry-run=server")
    said = by_field(str(caught.value))
    assert essence in said[field]


# Specs that an older CRD let in.
OF_OLD = {
    "7.of.old": {},
    "of-another-kind": {"model": {"forest": {}}, "dataset": {"exclude": "t"}, "training": {"workers": "2"}},
    "without-a-target": {**manifest("task=Regression")["spec"], "dataset": {"uri": "pvc://data/a"}, "publish": [{}]},
    "without-names": {
        **manifest("task=Regression", "model={}")["spec"],
        "evaluation": {"require": [{}, {"minimum": 90}]},
        "template": {"env": [{}, {"value": "a"}], "volumes": [{"source": {}}, {"mountPath": "/m"}]},
        "training": {"earlyStopping": {}, "classWeights": {"weights": {}}},
    },
}


def test_the_operator_can_say_what_is_wrong_with_a_job_of_an_older_crd(
    control_plane: SimulatedCluster, kubectl: Kubectl
) -> None:
    """Under a name of its own, so that no other test meets it. Without a startTime: such a job never begins."""
    crd = training_job_crd()
    crd["spec"]["group"] = "older.test"
    crd["spec"]["names"] = {"kind": "OlderJob", "plural": "olderjobs"}
    crd["metadata"]["name"] = "olderjobs.older.test"
    older = copy.deepcopy(crd)
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    older["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = {
        "type": "object",
        "properties": {"spec": anything, "status": anything},
    }
    try:
        control_plane.kubectl.apply(older, server_side=True)
        wait_until(lambda: kubectl("get", "olderjobs"))
        older_job = {"apiVersion": "older.test/v1alpha1", "kind": "OlderJob"}
        kubectl.create(*({**older_job, "metadata": {"name": name}, "spec": spec} for name, spec in OF_OLD.items()))
        control_plane.kubectl.apply(crd, server_side=True)
        wait_until(lambda: is_refused(kubectl, "Sleeping"))
        for name in OF_OLD:
            write_phase(kubectl, name, "Pending")
            write_phase(kubectl, name, "Failed")
            assert kubectl.get("olderjob", name)["status"]["phase"] == "Failed"
    finally:
        control_plane.kubectl.delete("crd", "olderjobs.older.test", wait=False)


def is_refused(kubectl: Kubectl, phase: str) -> None:
    """Fails as long as the API server takes any phase, as the older schema lets it."""
    with pytest.raises(KubectlError, match="Unsupported value"):
        write_phase(kubectl, "7.of.old", phase, "--dry-run=server")


def write_phase(kubectl: Kubectl, name: str, phase: str, *arguments: str) -> None:
    change = json.dumps({"status": {"phase": phase}})
    kubectl("patch", "olderjob", name, "--type=merge", f"--patch={change}", "--subresource=status", *arguments)


def test_a_user_does_not_write_the_status(kubectl: Kubectl, begun: str) -> None:
    patch(kubectl, begun, {"status": {"phase": "Complete"}})
    assert kubectl.get("trainingjob", begun)["status"]["phase"] == "Training"
