"""The children of a job: their names, owners and labels, and what a stage's Job asks of the Job controller."""

import json

import pytest
from controller_support import NAME, NAMESPACE, UID, context_with, long_labels, stage_of

from steelyard.api.loading import parse_training_job
from steelyard.contract.stages import EndKind, StageName
from steelyard.controller.training.children import stage_children, stage_job
from steelyard.controller.training.pods import JobContext

OWNER = {
    "apiVersion": "steelyard.dev/v1alpha1",
    "kind": "TrainingJob",
    "name": NAME,
    "uid": UID,
    "controller": True,
    "blockOwnerDeletion": True,
}
LARGE = long_labels(70000)


def names(stage: StageName, *overrides: str, **settings: bool) -> list[tuple[str, str]]:
    found = stage_children(context_with(*overrides, **settings), stage_of(stage, *overrides))
    return [(resource, body["metadata"]["name"]) for resource, body in found]


CLAIM = ("persistentvolumeclaims", "digits-workspace")


@pytest.mark.parametrize(
    ("stage", "overrides", "expected"),
    [
        ("prepare", [], [CLAIM, ("jobs", "digits-prepare")]),
        ("train", [], [CLAIM, ("services", "digits-train"), ("jobs", "digits-train")]),
        ("train", ["training.workers=1"], [CLAIM, ("jobs", "digits-train")]),
        ("finish", ["workspace.claimName=mine"], [("jobs", "digits-finish")]),
        ("prepare", [LARGE], [CLAIM, ("configmaps", "digits-spec"), ("jobs", "digits-prepare")]),
    ],
)
def test_a_stage_needs_these_and_its_job_comes_last(
    stage: StageName, overrides: list[str], expected: list[tuple[str, str]]
) -> None:
    assert names(stage, *overrides) == expected


def test_a_network_policy_is_the_settings() -> None:
    assert ("networkpolicies", "digits-train") in names("train", network_policy=True)
    assert ("networkpolicies", "digits-train") not in names("train", "training.workers=1", network_policy=True)
    assert names("prepare", network_policy=True) == names("prepare")


@pytest.mark.parametrize("stage", ["prepare", "train", "finish"])
def test_every_child_is_the_jobs_own(stage: StageName) -> None:
    found = stage_children(context_with(LARGE, network_policy=True), stage_of(stage, LARGE))
    for resource, body in found:
        metadata = body["metadata"]
        assert (metadata["namespace"], metadata["ownerReferences"]) == (NAMESPACE, [OWNER])
        component = {"persistentvolumeclaims": "workspace", "configmaps": "spec"}.get(resource, stage)
        assert (
            metadata["labels"].items()
            >= {
                "app.kubernetes.io/name": "steelyard",
                "app.kubernetes.io/managed-by": "steelyard",
                "app.kubernetes.io/component": component,
                "app.kubernetes.io/instance": NAME,
                "steelyard.dev/job": NAME,
            }.items()
        )


def test_names_stay_within_a_label_whatever_the_job_is_called() -> None:
    longest = context_with(f"metadata.name={'a' * 40}", LARGE, network_policy=True)
    for stage in ("prepare", "train", "finish"):
        for _, body in stage_children(longest, stage_of(stage, LARGE)):
            # A pod of the 256th worker adds its index, and the Job controller six letters of its own.
            assert len(body["metadata"]["name"]) <= 63 - len("-255-abcde")


def test_the_claim_asks_for_what_the_workspace_says() -> None:
    assert claim_spec(context_with()) == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "10Gi"}},
    }
    given = "workspace={storage: 3Gi, storageClassName: fast, accessMode: ReadWriteMany}"
    assert claim_spec(context_with(given)) == {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "3Gi"}},
        "storageClassName": "fast",
    }


def claim_spec(context: JobContext) -> dict[str, object]:
    (_, body), *_ = stage_children(context, stage_of("prepare"))
    assert body["kind"] == "PersistentVolumeClaim"
    spec: dict[str, object] = body["spec"]
    return spec


def test_the_config_map_holds_the_spec_and_never_changes() -> None:
    context = context_with(LARGE)
    body = dict(stage_children(context, stage_of("prepare", LARGE)))["configmaps"]
    assert body["immutable"] is True
    assert parse_training_job(json.loads(body["data"]["job.json"])).spec == context.job.spec


def test_workers_are_found_before_they_are_ready_and_by_nobody_else() -> None:
    children = dict(stage_children(context_with(network_policy=True), stage_of("train")))
    workers = {"steelyard.dev/job": NAME, "steelyard.dev/stage": "train"}
    service = children["services"]["spec"]
    assert (service["clusterIP"], service["publishNotReadyAddresses"]) == ("None", True)
    assert service["selector"] == workers
    policy = children["networkpolicies"]["spec"]
    (rule,) = policy["ingress"]
    assert policy["podSelector"] == {"matchLabels": workers} and rule["from"] == [
        {"podSelector": policy["podSelector"]}
    ]
    assert [port["port"] for port in rule["ports"]] == [port["port"] for port in service["ports"]] == [2222, 2223]
    template = children["jobs"]["spec"]["template"]
    assert workers.items() <= template["metadata"]["labels"].items()


@pytest.mark.parametrize(("workers", "mode"), [(1, "NonIndexed"), (2, "Indexed"), (256, "Indexed")])
def test_a_job_has_a_pod_per_worker(workers: int, mode: str) -> None:
    override = f"training.workers={workers}"
    body = stage_job(context_with(override, "runPolicy.backoffLimit=7"), stage_of("train", override))
    spec = body["spec"]
    assert (spec["completions"], spec["parallelism"], spec["completionMode"]) == (workers, workers, mode)
    assert (spec["backoffLimit"], spec["podReplacementPolicy"]) == (7, "Failed")
    assert body["metadata"]["annotations"]["steelyard.dev/stage-key"] == stage_of("train", override).key


def test_exit_codes_mean_to_the_job_controller_what_they_mean_to_the_contract() -> None:
    rules = stage_job(context_with(), stage_of("train"))["spec"]["podFailurePolicy"]["rules"]

    def action(code: int) -> str:
        """What the Job controller does with an exit code: the first rule that matches, else it counts."""
        for rule in rules:
            on = rule.get("onExitCodes", {"values": []})
            assert on.get("containerName", "trainer") == "trainer" and on.get("operator", "In") == "In"
            if code in on["values"]:
                return str(rule["action"])
        return "Count"

    for code in range(1, 256):
        expected = {EndKind.PERMANENT: "FailJob", EndKind.INTERRUPTED: "Ignore", EndKind.CRASHED: "Count"}
        assert action(code) == expected[EndKind.of(code)]
    disruption = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert rules[-1] == disruption
    # Kubernetes refuses a rule for 0, and lists that are out of order.
    for rule in rules[:-1]:
        values = rule["onExitCodes"]["values"]
        assert values == sorted(set(values)) and 0 not in values


def test_the_same_job_has_the_same_children() -> None:
    first, second = (stage_children(context_with(), stage_of("train")) for _ in range(2))
    assert json.dumps(first) == json.dumps(second)
