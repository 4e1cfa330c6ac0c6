"""The claims and files that each stage's pods see."""

import json
from typing import Any

import pytest
from pod_templates import PREPARED, environment, template

from steelyard.contract.stages import Env, StageName


def mounts(stage: StageName, *overrides: str) -> dict[str, tuple[str, bool]]:
    """What lies at each path: the claim (or the volume without one) and whether it is read-only."""
    made = template(stage, *overrides)["spec"]
    volumes = {volume["name"]: volume for volume in made["volumes"]}
    assert len(volumes) == len(made["volumes"])
    (trainer,) = made["containers"]
    claims = [volume["persistentVolumeClaim"]["claimName"] for volume in volumes.values() if is_claim(volume)]
    assert len(claims) == len(set(claims)), "one volume per claim"
    assert {mount["name"] for mount in trainer["volumeMounts"]} == set(volumes), "each volume is mounted"
    return {
        mount["mountPath"]: (
            volumes[mount["name"]].get("persistentVolumeClaim", {}).get("claimName") or mount["name"],
            mount.get("readOnly", False),
        )
        for mount in trainer["volumeMounts"]
    }


def is_claim(volume: dict[str, Any]) -> bool:
    return "persistentVolumeClaim" in volume


SCRATCH = {"/tmp": ("scratch", False)}
WORKSPACE = {"/steelyard/workspace": ("digits-workspace", False)}
DATA, MODELS, OTHERS = "/steelyard/claims/data", "/steelyard/claims/models", "/steelyard/claims/others"
TRAINED = "trained={uri: 'pvc://others/digits-3/trained'}"
ELSEWHERE = ["model=null", "training.workers=1", "trained={uri: 'pvc://others/net.keras', format: Keras}"]
REFIT = "trained={uri: 'pvc://others/digits-3/trained', refit: true}"


@pytest.mark.parametrize(
    ("stage", "overrides", "expected"),
    [
        ("prepare", [], {DATA: ("data", True), MODELS: ("models", False)}),
        ("train", [], {}),
        ("finish", [], {MODELS: ("models", False)}),
        ("train", [PREPARED], {DATA: ("data", True), MODELS: ("models", True)}),
        ("train", [PREPARED, "workspace.accessMode=ReadWriteMany"], {DATA: ("data", True)}),
        ("finish", [PREPARED], {DATA: ("data", True), MODELS: ("models", False)}),
        ("finish", [PREPARED, TRAINED], {DATA: ("data", True), OTHERS: ("others", True), MODELS: ("models", False)}),
        ("prepare", ELSEWHERE, {DATA: ("data", True), OTHERS: ("others", True), MODELS: ("models", False)}),
        ("finish", ELSEWHERE, {OTHERS: ("others", True), MODELS: ("models", False)}),
        (
            "train",
            [PREPARED, REFIT, "workspace.accessMode=ReadWriteMany"],
            {DATA: ("data", True)},
        ),
        ("train", ["publish=[]", "compression=null"], {}),
        ("prepare", ["publish=[]", "compression=null"], {DATA: ("data", True)}),
        (
            "prepare",
            ["dataset.testUri=pvc://others/b.csv"],
            {DATA: ("data", True), OTHERS: ("others", True), MODELS: ("models", False)},
        ),
        ("train", ["dataset.testUri=pvc://others/b.csv"], {}),
        ("prepare", ["dataset.uri=sklearn:digits"], {MODELS: ("models", False)}),
        ("prepare", ["publish=[{uri: 'pvc://data/models'}]"], {DATA: ("data", False)}),
        ("train", ["publish=[{uri: 'pvc://data/models'}]", PREPARED], {DATA: ("data", True)}),
    ],
)
def test_each_stage_sees_the_claims_that_it_needs(
    stage: StageName, overrides: list[str], expected: dict[str, tuple[str, bool]]
) -> None:
    assert mounts(stage, *overrides) == {**WORKSPACE, **SCRATCH, **expected}
    folders = {path.rpartition("/")[2]: path for path in expected}
    assert json.loads(environment(stage, *overrides)[Env.CLAIMS]) == folders


def test_a_workspace_of_the_users_is_used_in_a_folder_of_the_jobs() -> None:
    assert environment("train")[Env.WORKSPACE] == "/steelyard/workspace"
    overrides = ["workspace.claimName=models", "publish=[{uri: 'pvc://models/published'}]"]
    assert environment("train", *overrides)[Env.WORKSPACE] == "/steelyard/workspace/digits"
    assert mounts("finish", *overrides) == {
        **SCRATCH,
        "/steelyard/workspace": ("models", False),
        MODELS: ("models", False),
    }


def test_files_of_the_manifest_are_mounted_read_only() -> None:
    volumes = [
        {"mountPath": "/var/secret", "source": {"secret": "s"}},
        {"mountPath": "/var/config", "source": {"configMap": "c"}},
        {"mountPath": "/var/models", "source": {"claim": "models"}},
        {"mountPath": "/var/extra", "source": {"claim": "extra"}},
        {"mountPath": "/var/again", "source": {"claim": "extra"}},
    ]
    override = f"template.volumes={json.dumps(volumes)}"
    found = mounts("finish", override)
    assert {path: found[path] for path in found if path.startswith("/var/")} == {
        "/var/secret": ("volume-0", True),
        "/var/config": ("volume-1", True),
        "/var/models": ("models", True),
        "/var/extra": ("extra", True),
        "/var/again": ("extra", True),
    }
    assert found[MODELS] == ("models", False)
    made = template("finish", override)["spec"]["volumes"]
    assert {"name": "volume-0", "secret": {"secretName": "s"}} in made
    assert {"name": "volume-1", "configMap": {"name": "c"}} in made
