"""A TuningJob as an object of Kubernetes: values of any type survive, and only what may change changes."""

import copy
import json
import re
from typing import Any

import pytest
from cluster.kubectl import Kubectl, KubectlError
from crd_parameters import ANYTHING
from crd_support import by_field, tuning_manifest

from steelyard.api.tuning_status import MOST_ENTRIES, TuningJobStatus
from steelyard.search.log import Entry
from steelyard.search.manifest import parse_tuning_job

Node = dict[str, Any]

BEGAN = "2026-01-02T03:04:05Z"

STATUS: Node = {
    "observedGeneration": 1,
    "phase": "Searching",
    "progress": "12/30",
    "metric": "accuracy 0.981",
    "size": "94 kB",
    "startTime": BEGAN,
    "secondsLeft": 12.5,
    "activeSince": BEGAN,
    "activeSeconds": 0.25,
    "trainerImage": "trainer",
    "packed": False,
    "trials": {"created": 14, "running": 2, "complete": 9, "pruned": 2, "failed": 1, "repeated": 0},
    "best": {"trial": 7, "value": 0.981, "epoch": 4, "parameters": {"model.mlp.dropout": "0.30000000000000004"}},
    "front": [7, 3],
    "exhaustedAt": 20,
    "prior": ['[0,"C",[0.25],0.9]'],
    "log": ['[0,"C",[0.25],0.9]', '[1,"F",[0.5],null,"",1.5,null,null,"out of memory"]'],
    "conditions": [
        {"type": kind, "status": "True", "reason": "Because", "message": "It is so.", "lastTransitionTime": BEGAN}
        for kind in ("Prepared", "Searched", "Published", "Suspended", "Complete", "Failed")
    ],
    "model": {"chosen": "Int8", "bytes": 94000, "published": ["pvc://models/a"]},
}


def patch(kubectl: Kubectl, name: str, change: Node, *arguments: str) -> None:
    kubectl("patch", "tuj", name, "--type=merge", f"--patch={json.dumps(change)}", *arguments)


def test_values_of_any_type_and_nulls_survive_and_defaults_change_nothing(kubectl: Kubectl) -> None:
    given = tuning_manifest("metadata.name=anything", *ANYTHING)
    kubectl.create(given)
    stored = kubectl.get("tuningjob", "anything")

    spec = stored["spec"]
    assert [one.get("values") for one in spec["parameters"]] == [
        one.get("values") for one in given["spec"]["parameters"]
    ]
    assert spec["parameters"][2]["values"][0] is None
    assert spec["initialTrials"] == given["spec"]["initialTrials"]
    assert spec["algorithm"] == {"name": "TPE", "seed": 0}
    assert parse_tuning_job({**stored, "metadata": {"name": "anything"}}) == parse_tuning_job(given)


def test_a_search_has_a_short_name_categories_and_columns(kubectl: Kubectl) -> None:
    kubectl.create(tuning_manifest("metadata.name=listed"))
    patch(kubectl, "listed", {"status": STATUS}, "--subresource=status")

    for name in ("tuj", "steelyard", "ml"):
        lines = kubectl("get", name).splitlines()
        assert any(line.split() == ["NAME", "PHASE", "PROGRESS", "BEST", "SIZE", "AGE"] for line in lines)
        (row,) = (line for line in lines if re.match(r"(tuningjob\.steelyard\.dev/)?listed ", line))
        assert re.search(r"listed +Searching +12/30 +accuracy 0\.981 +94 kB +\S+$", row)
    heading, wide = kubectl("get", "tuj", "listed", "--output=wide").splitlines()
    assert re.search(r"ALGORITHM +PARALLEL +BEST TRIAL +REASON$", heading)
    assert re.search(r" TPE +1 +7 +Because$", wide)


def test_a_full_status_is_kept_as_it_is_and_is_the_models(kubectl: Kubectl) -> None:
    kubectl.create(tuning_manifest("metadata.name=full"))
    patch(kubectl, "full", {"status": STATUS}, "--subresource=status")
    stored = kubectl.get("tuningjob", "full")["status"]
    assert stored == STATUS
    TuningJobStatus.model_validate(stored)


def test_a_log_of_256_kib_is_taken(kubectl: Kubectl) -> None:
    parameters = parse_tuning_job(tuning_manifest("metadata.name=long", "maxTrials=1000")).spec.parameters
    entries = [Entry(n, {parameters[0].path: 0.1 + n / 3000}, "Complete", n / 1001) for n in range(1000)]
    log = [entry.encode(parameters).ljust(262) for entry in entries]
    kubectl.create(tuning_manifest("metadata.name=long", "maxTrials=1000"))
    status = {**STATUS, "log": log, "front": list(range(1000))}
    kubectl(
        *("patch", "tuj", "long", "--type=merge", "--subresource=status", "--patch-file=/dev/stdin"),
        stdin=json.dumps({"status": status}),
    )
    stored = kubectl.get("tuningjob", "long")["status"]["log"]
    assert [Entry.decode(line, parameters) for line in stored] == entries
    assert len(log) < MOST_ENTRIES


def changed(path: str, value: Any) -> Node:
    """The field of the begun search's spec that a path lies in, with another value there."""
    spec = copy.deepcopy(tuning_manifest(*ANYTHING)["spec"])
    *holders, last = [int(name) if name.isdigit() else name for name in path.split("/")]
    holder: Any = spec
    for name in holders:
        holder = holder[name]
    holder[last] = value
    first = path.partition("/")[0]
    return {first: spec[first]}


CHANGES = [
    ("objective", {"metric": "macroF1"}, "spec.objective"),
    ("parameters/0/values/1", "RMSprop", "spec.parameters"),
    ("parameters/2/values/0", {"cosine": {}}, "spec.parameters"),
    ("parameters/1/when/values/0", "Adam", "spec.parameters"),
    ("parameters/4/max", 48, "spec.parameters"),
    ("initialTrials/1", {"training.batchSize": 16}, "spec.initialTrials"),
    ("initialTrials/0/training.learningRateSchedule", {"cosine": {}}, "spec.initialTrials"),
    ("algorithm", {"name": "Random"}, "spec.algorithm"),
    ("pruning", {"name": "Median"}, "spec.pruning"),
    ("parallelTrials", 2, "spec.parallelTrials"),
    ("asynchronous", True, "spec.asynchronous"),
    ("template/training", {"epochs": 11}, "spec.template.training"),
    ("template/publish", [{"uri": "pvc://models/other"}], "spec.template.publish"),
    ("template/workspace", {"storage": "1Gi"}, "spec.template.workspace.storage"),
    ("best", {"fit": "TrainAndValidation"}, "spec.best"),
    ("maxMinutes", 5, "spec.maxMinutes"),
]


@pytest.fixture(scope="module")
def begun(kubectl: Kubectl) -> str:
    """A search that has begun."""
    kubectl.create(tuning_manifest("metadata.name=begun", *ANYTHING))
    patch(kubectl, "begun", {"status": STATUS}, "--subresource=status")
    return "begun"


@pytest.mark.parametrize(("path", "value", "field"), CHANGES, ids=[row[0] for row in CHANGES])
def test_the_spec_stays_once_the_search_has_begun(
    kubectl: Kubectl, begun: str, path: str, value: Any, field: str
) -> None:
    with pytest.raises(KubectlError) as caught:
        patch(kubectl, begun, {"spec": changed(path, value)}, "--dry-run=server")
    said = f"{field} can't change once the search has begun; delete it and make a new one"
    assert by_field(str(caught.value)) == {field: said}


def test_more_trials_another_policy_and_what_is_retained_may_be_asked_for_at_any_time(
    kubectl: Kubectl, begun: str
) -> None:
    kubectl.apply(tuning_manifest("metadata.name=begun", *ANYTHING))
    patch(kubectl, begun, {"spec": {"maxTrials": 31}}, "--dry-run=server")
    policy = {"suspend": True, "activeDeadlineSeconds": 60, "ttlSecondsAfterFinished": 0}
    patch(kubectl, begun, {"spec": {"runPolicy": policy}}, "--dry-run=server")
    workspace = {"workspace": {"retain": "Never", "retainSeconds": 0}}
    patch(kubectl, begun, {"spec": {"template": workspace}}, "--dry-run=server")
    kubectl.create(tuning_manifest("metadata.name=keeps-result", "template.publish=[]"))
    patch(kubectl, "keeps-result", {"status": STATUS}, "--subresource=status")
    with pytest.raises(KubectlError, match="Never would remove the result, which lies in the workspace"):
        patch(kubectl, "keeps-result", {"spec": {"template": workspace}}, "--dry-run=server")
    with pytest.raises(KubectlError) as caught:
        patch(kubectl, begun, {"spec": {"maxTrials": 29}}, "--dry-run=server")
    said = "29 is less than it was, 30, and the search has begun; allowed: as many or more"
    assert by_field(str(caught.value)) == {"spec.maxTrials": said}


def test_the_largest_search_stays_within_what_the_rules_may_cost(kubectl: Kubectl) -> None:
    """The API server bounds the cost of each rule as it runs; a small object would not show it."""
    largest = tuning_manifest("metadata.name=largest", "maxTrials=100")
    holder = f"training.classWeights.weights.{'x' * 200}"
    largest["spec"]["parameters"] = [
        {"path": f"{holder}{index:03}", "type": "Categorical", "values": [1 + n for n in range(256)]}
        for index in range(64)
    ]
    for index, parameter in enumerate(largest["spec"]["parameters"][1:]):
        when = largest["spec"]["parameters"][index]["path"]
        parameter["when"] = {"path": when, "values": list(range(1, 257))}
    largest["spec"]["initialTrials"] = [
        {parameter["path"]: 1 for parameter in largest["spec"]["parameters"]} for _ in range(20)
    ]
    kubectl.create(largest)
    status = {"status": {"phase": "Searching", "startTime": BEGAN}}
    patch(kubectl, "largest", status, "--subresource=status")
    with pytest.raises(KubectlError, match=r"spec\.initialTrials can't change"):
        patch(kubectl, "largest", {"spec": {"initialTrials": []}})
