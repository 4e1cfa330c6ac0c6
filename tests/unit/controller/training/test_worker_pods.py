"""How the pods of workers find each other, and which nodes they are on."""

import json

import pytest
from pod_templates import environment, template

from steelyard.contract.stages import Env


def test_workers_find_each_other_by_name() -> None:
    made = template("train")["spec"]
    assert made["subdomain"] == "digits-train"
    assert [port["containerPort"] for port in made["containers"][0]["ports"]] == [2222, 2223]
    found = environment("train")
    assert (
        found[Env.SUPERVISORS] == "digits-train-0.digits-train.team.svc:2223,digits-train-1.digits-train.team.svc:2223"
    )
    field = {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
    assert found[Env.WORKER_INDEX] == field
    assert found[Env.WORKERS] == found[Env.SUPERVISORS].replace(":2223", ":2222")
    # As TensorFlow reads it, and the trainer of an older release.
    config = json.loads(found["TF_CONFIG"].replace(f"$({Env.WORKER_INDEX})", "1"))
    assert config["cluster"] == {"worker": found[Env.WORKERS].split(",")}
    assert config["task"] == {"type": "worker", "index": 1}


def test_a_worker_alone_needs_no_other() -> None:
    made = template("train", "training.workers=1")["spec"]
    assert "subdomain" not in made and "ports" not in made["containers"][0]
    of_many = {Env.SUPERVISORS, Env.WORKERS, Env.WORKER_INDEX, "TF_CONFIG"}
    assert not of_many & environment("train", "training.workers=1").keys()


TOGETHER = {"labelSelector": {"matchLabels": {"steelyard.dev/job": "digits"}}, "topologyKey": "kubernetes.io/hostname"}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def test_a_workspace_of_one_node_holds_all_pods_there() -> None:
    found = template("prepare")["spec"]
    assert found["affinity"] == {"podAffinity": {REQUIRED: [TOGETHER]}}
    assert "topologySpreadConstraints" not in found


def test_the_users_affinity_is_kept_beside_ours() -> None:
    own = {"nodeAffinity": {"a": 1}, "podAffinity": {REQUIRED: [{"topologyKey": "zone"}], "preferred": []}}
    found = template("train", f"template.affinity={json.dumps(own)}")["spec"]["affinity"]
    assert found["nodeAffinity"] == {"a": 1}
    assert found["podAffinity"] == {REQUIRED: [{"topologyKey": "zone"}, TOGETHER], "preferred": []}
    shared = template("train", f"template.affinity={json.dumps(own)}", "workspace.accessMode=ReadWriteMany")["spec"]
    assert shared["affinity"] == own


def test_a_shared_workspace_lets_pods_spread_where_they_can() -> None:
    found = template("train", "workspace.accessMode=ReadWriteMany")["spec"]
    assert "affinity" not in found
    (spread,) = found["topologySpreadConstraints"]
    assert spread["whenUnsatisfiable"] == "ScheduleAnyway" and spread["labelSelector"] == TOGETHER["labelSelector"]


@pytest.mark.parametrize(
    "affinity",
    [
        '{"podAffinity": []}',
        '{"podAffinity": "near"}',
        '{"podAffinity": ["near"]}',
        f'{{"podAffinity": {{"{REQUIRED}": {{}}}}}}',
        f'{{"podAffinity": {{"{REQUIRED}": 1}}}}',
        '{"x": 1}',
    ],
)
def test_an_affinity_that_is_none_is_left_to_kubernetes_to_refuse(affinity: str) -> None:
    made = template("train", f"template.affinity={affinity}")["spec"]
    assert made["affinity"].keys() >= json.loads(affinity).keys()
