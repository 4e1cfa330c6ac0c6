"""The pod templates: what every pod keeps, what a manifest may add, how the spec gets there."""

import json
import re
import subprocess
import sys

import pytest
from controller_support import context_with, long_labels, stage_of
from hypothesis import example, given
from hypothesis import strategies as st
from pod_templates import PREPARED, container, environment, template
from repository_support import ROOT

from steelyard.api.loading import parse_training_job
from steelyard.api.pods import ResourceRequirements, StageResources
from steelyard.contract.stages import Env, StageName
from steelyard.controller.training.pods import JobContext, pod_template


@pytest.mark.parametrize("stage", ["prepare", "train", "finish"])
def test_every_pod_is_restricted_and_has_no_token(stage: StageName) -> None:
    spec = template(stage)["spec"]
    assert spec["automountServiceAccountToken"] is False and spec["enableServiceLinks"] is False
    assert spec["restartPolicy"] == "Never" and spec["terminationGracePeriodSeconds"] == 60
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "fsGroupChangePolicy": "OnRootMismatch",
    }
    (trainer,) = spec["containers"]
    assert (trainer["name"], trainer["args"]) == ("trainer", [stage])
    assert trainer["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert trainer["terminationMessagePath"] == "/dev/termination-log"
    assert trainer["resources"]["requests"] and trainer["resources"]["limits"]
    folders = {"HOME": "/tmp/home", "KERAS_HOME": "/tmp/keras", "TMPDIR": "/tmp"}
    assert folders.items() <= environment(stage).items()
    scratch = next(volume for volume in spec["volumes"] if volume["name"] == "scratch")
    assert scratch["emptyDir"]["sizeLimit"] == "2Gi"


def test_labels_select_the_pods_of_a_stage_and_a_manifest_adds_its_own() -> None:
    metadata = template("train", "template.labels={team: vision}", "template.annotations={note: hello}")["metadata"]
    assert metadata["labels"] == {
        "team": "vision",
        "app.kubernetes.io/name": "steelyard",
        "app.kubernetes.io/managed-by": "steelyard",
        "app.kubernetes.io/component": "train",
        "app.kubernetes.io/instance": "digits",
        "steelyard.dev/job": "digits",
        "steelyard.dev/stage": "train",
    }
    assert metadata["annotations"] == {"note": "hello"}
    assert "annotations" not in template("train")["metadata"]


def test_lost_nodes_are_tolerated_for_the_time_of_the_setting_only() -> None:
    own = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
    found = template("train", f"template.tolerations=[{json.dumps(own)}]", node_lost_toleration_seconds=7)
    first, *others = found["spec"]["tolerations"]
    assert first == own
    assert [(each["key"], each["effect"], each["tolerationSeconds"]) for each in others] == [
        ("node.kubernetes.io/not-ready", "NoExecute", 7),
        ("node.kubernetes.io/unreachable", "NoExecute", 7),
    ]


def test_the_users_numbers_are_the_settings_unless_a_manifest_says_others() -> None:
    unset = template("train", run_as_user=None, run_as_group=None, fs_group=None)["spec"]["securityContext"]
    assert unset == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    given = "template.securityContext={runAsUser: 1000, runAsGroup: 0, fsGroup: 0, supplementalGroups: [5, 6]}"
    own = template("train", given, run_as_user=None, run_as_group=7, fs_group=None)["spec"]["securityContext"]
    assert own == {
        **unset,
        "runAsUser": 1000,
        "runAsGroup": 0,
        "fsGroup": 0,
        "supplementalGroups": [5, 6],
        "fsGroupChangePolicy": "OnRootMismatch",
    }


def test_the_template_goes_into_the_pod() -> None:
    found = template(
        "train",
        "template.serviceAccountName=trainer",
        "template.nodeSelector={gpu: a100}",
        "template.priorityClassName=high",
        "template.runtimeClassName=nvidia",
        "template.imagePullSecrets=[{name: pull}]",
        "template.terminationGracePeriodSeconds=5",
        "template.imagePullPolicy=Always",
    )["spec"]
    expected = {
        "serviceAccountName": "trainer",
        "nodeSelector": {"gpu": "a100"},
        "priorityClassName": "high",
        "runtimeClassName": "nvidia",
        "imagePullSecrets": [{"name": "pull"}],
        "terminationGracePeriodSeconds": 5,
    }
    assert expected.items() <= found.items()
    assert found["containers"][0]["imagePullPolicy"] == "Always"
    assert not expected.keys() - {"terminationGracePeriodSeconds"} & template("train")["spec"].keys()


def test_variables_of_a_manifest_come_before_ours() -> None:
    variables = container(
        "train",
        "template.env=[{name: A, value: b}, {name: S, valueFrom: {secretKeyRef: {name: s, key: k}}}]",
    )["env"]
    assert variables[:2] == [
        {"name": "A", "value": "b"},
        {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]


def test_resources_are_the_stages_own() -> None:
    settings = StageResources(finish=ResourceRequirements(limits={"memory": "8Gi"}))
    own = "template.resources={train: {limits: {cpu: '3', nvidia.com/gpu: '1'}}}"
    found = {
        stage: container(stage, own, stage_resources=settings)["resources"] for stage in ("train", "finish", "prepare")
    }
    assert found["train"] == {"limits": {"cpu": "3", "nvidia.com/gpu": "1"}}
    assert found["finish"] == {"limits": {"memory": "8Gi"}}
    assert {*found["prepare"]} == {"requests", "limits"}


@pytest.mark.parametrize(
    ("cpu", "threads"),
    [("3", "3"), ("2500m", "2"), ("2.5", "2"), ("100m", "1"), ("0.5m", "1"), ("1k", None), ("1Ki", None)],
)
def test_threads_are_the_whole_cpus_of_the_limit(cpu: str, threads: str | None) -> None:
    assert (
        environment("train", f"template.resources={{train: {{limits: {{cpu: '{cpu}'}}}}}}").get(Env.THREADS) == threads
    )
    assert Env.THREADS not in environment("train", "template.resources={train: {limits: {memory: 1Gi}}}")


def test_the_spec_reaches_the_stages_without_what_is_the_pods() -> None:
    overrides = ["template.serviceAccountName=trainer", "workspace.storage=1Gi", "training.epochs=7"]
    text = environment("train", *overrides)[Env.SPEC]
    job = parse_training_job(json.loads(text))
    assert job.spec.training.epochs == 7 and job.spec.publish == context_with().job.spec.publish
    assert "template" not in text and "workspace" not in text


@pytest.mark.parametrize(
    "overrides",
    [
        ["publish=[]", "compression=null"],
        ["training.workers=1"],
        [PREPARED],
        ["compression.candidates=[{name: a, steps: [{technique: Distill, width: 0.5}, {technique: Int8}]}]"],
    ],
)
def test_the_stages_read_the_job_that_was_planned(overrides: list[str]) -> None:
    """Left out defaults must not make another job: an empty list of targets is not the same as none."""
    context = context_with(*overrides)
    assert parse_training_job(json.loads(context.spec_json)).spec == context.job.spec


def expand(text: str, variables: dict[str, str]) -> str:
    """What a container gets of a variable's value: Kubernetes' Expand, in which $$ is a dollar."""
    return re.sub(r"\$(\$|\(([^)]*)\))", lambda found: variables.get(found[2], found[0]) if found[2] else "$", text)


@given(st.text(alphabet="$()AHOME x", min_size=1, max_size=20))
@example("$(HOME)")
@example("$$(HOME) costs $$5")
def test_dollars_in_a_spec_are_text(target: str) -> None:
    text = environment("prepare", f"dataset.target={json.dumps(target)}")[Env.SPEC]
    assert json.loads(expand(text, {"HOME": "/home", "A": "a"}))["spec"]["dataset"]["target"] == target


def spec_of(size: int) -> JobContext:
    """Of a job whose spec has so many bytes."""
    labels = long_labels(64200)
    rest = size - len(context_with(labels, "dataset.target=t").spec_json)
    return context_with(labels, f"dataset.target={'t' * (1 + rest)}")


@pytest.mark.parametrize(("size", "is_large"), [(64 * 1024, False), (64 * 1024 + 1, True)])
def test_a_spec_above_64_kib_goes_into_a_file(size: int, is_large: bool) -> None:
    context = spec_of(size)
    assert len(context.spec_json) == size
    made = pod_template(context, stage_of("prepare"))["spec"]
    variables = {variable["name"]: variable.get("value") for variable in made["containers"][0]["env"]}
    assert variables.get(Env.SPEC_FILE) == ("/steelyard/spec/job.json" if is_large else None)
    assert (Env.SPEC in variables) == (not is_large)
    mount = {"name": "spec", "mountPath": "/steelyard/spec", "readOnly": True}
    assert (mount in made["containers"][0]["volumeMounts"]) == is_large
    assert ({"name": "spec", "configMap": {"name": "digits-spec"}} in made["volumes"]) == is_large


OLD_TRAINER = """
import json, sys
sys.path.insert(0, sys.argv[1])
import steelyard
from steelyard.api.loading import parse_training_job
assert steelyard.__file__.startswith(sys.argv[1])
print(json.dumps(parse_training_job(json.load(sys.stdin)).to_manifest()["spec"]["training"]))
"""


def test_the_trainer_of_an_older_release_takes_the_spec_of_a_job_that_it_has_begun() -> None:
    """Whatever the newer CRD fills in, and a time to live that was set meanwhile."""
    workspace = {"retain": "Never", "retainSeconds": 3600}
    newer = (f"workspace={json.dumps(workspace)}", "runPolicy.ttlSecondsAfterFinished=60", "runPolicy.backoffLimit=2")
    text = environment("train", *newer)[Env.SPEC]
    assert json.loads(text)["spec"]["runPolicy"] == {"backoffLimit": 2}
    (wheel,) = (ROOT / "tests/controlplane/data/old-operator").glob("*.whl")
    command = [sys.executable, "-c", OLD_TRAINER, str(wheel)]
    taken = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert json.loads(taken.stdout) == json.loads(text)["spec"]["training"]


OWN_CODE = 'model={{entrypoint: {{function: "net:build", framework: Keras, code: {}}}}}'


@pytest.mark.parametrize("stage", ["prepare", "train", "finish"])
def test_own_code_is_mounted_read_only_in_every_stage(stage: StageName) -> None:
    own = OWN_CODE.format("{configMap: net}")
    mounts = {mount["name"]: mount for mount in container(stage, own)["volumeMounts"]}
    assert mounts["code"] == {"name": "code", "mountPath": "/steelyard/code", "readOnly": True}
    assert {"name": "code", "configMap": {"name": "net"}} in template(stage, own)["spec"]["volumes"]
    assert environment(stage, own)["STEELYARD_CODE"] == "/steelyard/code"
    on_claim = OWN_CODE.format('{uri: "pvc://shelf/net.zip"}')
    claims = json.loads(environment(stage, on_claim)["STEELYARD_CLAIMS"])
    assert claims["shelf"] == "/steelyard/claims/shelf"
    assert {mount["mountPath"]: mount.get("readOnly") for mount in container(stage, on_claim)["volumeMounts"]}[
        "/steelyard/claims/shelf"
    ]
    assert "STEELYARD_CODE" not in environment(stage) | environment(stage, on_claim)
