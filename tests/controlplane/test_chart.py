"""The chart as Helm renders it: the rights it asks for, its options, and what it refuses."""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.binaries import binary

from steelyard.api.loading import parse_training_job
from steelyard.controller.settings import Settings

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "steelyard"
NAMESPACE = "steelyard-system"
Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def helm() -> str:
    """Helm, as the tests' cluster has it."""
    return str(binary("helm"))


def run(helm: str, *arguments: str, kubernetes: str = "1.34.4") -> subprocess.CompletedProcess[str]:
    """`helm template` with these arguments."""
    command = [helm, "template", "steelyard", str(CHART), f"--namespace={NAMESPACE}", f"--kube-version={kubernetes}"]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)


def render(helm: str, *arguments: str) -> list[Manifest]:
    """All objects of a release with these arguments, `helm test` included."""
    done = run(helm, *arguments)
    assert done.returncode == 0, done.stderr
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def refusal(helm: str, *arguments: str, kubernetes: str = "1.34.4") -> str:
    """What Helm says to these arguments, which must be refused."""
    done = run(helm, *arguments, kubernetes=kubernetes)
    assert done.returncode != 0, done.stdout
    return done.stderr


def find(manifests: Iterable[Manifest], kind: str, name: str | None = None) -> Manifest:
    """The one object of a kind that belongs to the release itself, not to its test."""
    found = [
        manifest
        for manifest in installed(manifests)
        if manifest["kind"] == kind and name in (None, manifest["metadata"]["name"])
    ]
    assert len(found) == 1, [manifest["metadata"]["name"] for manifest in found]
    return found[0]


def installed(manifests: Iterable[Manifest]) -> list[Manifest]:
    """What `helm install` makes: all but the hooks of `helm test`."""
    return [m for m in manifests if "helm.sh/hook" not in (m["metadata"].get("annotations") or {})]


def pairs(rules: list[Manifest]) -> set[tuple[str, str]]:
    """(verb, group/resource) of RBAC rules."""
    return {
        (verb, f"{group}/{resource}")
        for rule in rules
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def settings_of(manifests: Iterable[Manifest]) -> Settings:
    """The settings that the operator reads from its environment."""
    container = find(manifests, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    return Settings.from_environment({variable["name"]: variable.get("value", "x") for variable in container["env"]})


OPERATOR_RIGHTS = {
    "steelyard.dev/trainingjobs": "get list watch create patch delete",
    "steelyard.dev/tuningjobs": "get list watch delete",
    "steelyard.dev/trainingjobs/status": "patch",
    "steelyard.dev/tuningjobs/status": "patch",
    "steelyard.dev/trainingjobs/finalizers": "update",
    "steelyard.dev/tuningjobs/finalizers": "update",
    "batch/jobs": "get list watch create patch delete",
    "/services": "get create",
    "/persistentvolumeclaims": "get create delete",
    "/configmaps": "get create",
    "/pods": "list delete",
    "/pods/status": "patch",
    "/pods/log": "get",
    "/events": "create list",
}


def expected(rights: dict[str, str]) -> set[tuple[str, str]]:
    return {(verb, resource) for resource, verbs in rights.items() for verb in verbs.split()}


def test_the_chart_passes_helms_own_checks(helm: str) -> None:
    done = subprocess.run([helm, "lint", "--strict", str(CHART)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_chart_and_program_are_released_together() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert chart["version"] == chart["appVersion"] == project["version"]


@pytest.mark.parametrize("kubernetes", ["1.30.9", "1.20.0"])
def test_an_old_kubernetes_is_refused(helm: str, kubernetes: str) -> None:
    assert ">=1.31.0-0" in refusal(helm, kubernetes=kubernetes)


@pytest.mark.parametrize("kubernetes", ["1.31.0", "1.34.4-gke.100", "1.36.1"])
def test_kubernetes_1_31_and_later_are_taken(helm: str, kubernetes: str) -> None:
    assert run(helm, kubernetes=kubernetes).returncode == 0


def test_the_operators_rights_are_these_and_no_others(helm: str) -> None:
    manifests = render(helm)
    assert pairs(find(manifests, "ClusterRole", "steelyard")["rules"]) == expected(OPERATOR_RIGHTS)
    role = find(manifests, "Role")
    assert role["metadata"]["namespace"] == NAMESPACE
    assert pairs(role["rules"]) == expected({"coordination.k8s.io/leases": "create get update"})
    # Only what is created has no name yet.
    assert next(rule for rule in role["rules"] if rule["verbs"] != ["create"])["resourceNames"] == ["steelyard"]
    binding = find(manifests, "ClusterRoleBinding")
    account = find(manifests, "ServiceAccount")["metadata"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account["name"], "namespace": NAMESPACE}]


@pytest.mark.parametrize("values", [[], ["--set=namespaces={a,b}", "--set=networkPolicy.enabled=true"]])
def test_no_rule_has_a_wildcard_or_names_secrets(helm: str, values: list[str]) -> None:
    rules = [rule for manifest in render(helm, *values) for rule in manifest.get("rules") or ()]
    assert rules
    assert not [rule for rule in rules if "*" in rule["verbs"] + rule["resources"] + rule["apiGroups"]]
    assert not [rule for rule in rules if {"secrets", "pods/exec"} & set(rule["resources"])]


def test_in_namespace_mode_there_are_roles_in_the_namespaces_and_nothing_clusterwide(helm: str) -> None:
    values = ["--set=namespaces={team-a,team-b}", "--set=crds.enabled=false", "--set=rbac.aggregate=false"]
    manifests = render(helm, *values)
    assert [m["kind"] for m in manifests if "namespace" not in m["metadata"]] == []
    assert {m["metadata"]["namespace"] for m in manifests} == {NAMESPACE, "team-a", "team-b"}
    operators = [m for m in installed(manifests) if m["kind"] == "Role" and m["metadata"]["name"] == "steelyard"]
    assert [role["metadata"]["namespace"] for role in operators] == ["team-a", "team-b"]
    assert all(pairs(role["rules"]) == expected(OPERATOR_RIGHTS) for role in operators)
    bindings = [m for m in installed(manifests) if m["kind"] == "RoleBinding"]
    assert {m["metadata"]["namespace"] for m in bindings} == {"team-a", "team-b", NAMESPACE}
    assert all(subject["namespace"] == NAMESPACE for m in bindings for subject in m["subjects"])
    assert settings_of(manifests).namespaces == ("team-a", "team-b")


def test_without_rbac_create_nothing_is_granted(helm: str) -> None:
    manifests = render(helm, "--set=rbac.create=false", "--set=rbac.aggregate=false")
    assert {m["kind"] for m in manifests} & {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"} == set()


def test_the_clusters_own_roles_get_both_kinds_of_jobs(helm: str) -> None:
    manifests = render(helm)
    viewer, editor = (find(manifests, "ClusterRole", f"steelyard-{name}") for name in ("viewer", "editor"))
    assert viewer["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    assert pairs(viewer["rules"]) == expected(
        {f"steelyard.dev/{kind}": "get list watch" for kind in ("trainingjobs", "tuningjobs")}
    )
    assert {label for label in editor["metadata"]["labels"] if "aggregate" in label} == {
        "rbac.authorization.k8s.io/aggregate-to-edit",
        "rbac.authorization.k8s.io/aggregate-to-admin",
    }
    for kind in ("trainingjobs", "tuningjobs"):
        assert ("create", f"steelyard.dev/{kind}") in pairs(editor["rules"])


def test_the_crds_are_the_generated_ones_and_are_kept(helm: str) -> None:
    crds = [m for m in render(helm) if m["kind"] == "CustomResourceDefinition"]
    generated = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
    assert len(crds) == len(generated) > 0
    for crd, original in zip(crds, generated, strict=True):
        assert crd["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert crd == original
    assert not [m for m in render(helm, "--set=crds.enabled=false") if m["kind"] == "CustomResourceDefinition"]


@pytest.mark.parametrize("kind", ["Deployment", "Pod"])
def test_every_pod_of_the_chart_keeps_the_restricted_level_and_asks_for_room(helm: str, kind: str) -> None:
    manifest = next(m for m in render(helm) if m["kind"] == kind)
    pod = manifest["spec"]["template"]["spec"] if kind == "Deployment" else manifest["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert pod["enableServiceLinks"] is False
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        for kind_of_room in ("requests", "limits"):
            assert set(container["resources"][kind_of_room]) == {"cpu", "memory"}


def test_the_probes_ask_what_the_operator_answers(helm: str) -> None:
    container = find(render(helm), "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert container["startupProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["ports"] == [{"name": "http", "containerPort": Settings(trainer_image="x").port}]


def test_no_value_set_gives_the_operators_own_defaults(helm: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    settings = settings_of(render(helm))
    built_in = Settings(trainer_image=f"steelyard.dev/trainer:{version}")
    own = {"pod_name", "lease_namespace", "lease_name", "stage_resources"}
    assert settings.model_dump(exclude=own) == built_in.model_dump(exclude=own)
    assert settings.lease_name == "steelyard"
    for stage in ("prepare", "train", "finish"):
        assert settings.resources_of(stage) == built_in.resources_of(stage)


def test_every_value_reaches_the_operator(helm: str) -> None:
    values = {
        "leaderElection": False,
        "log": {"level": "debug", "format": "text"},
        "reconcilers": 16,
        "trainer": {
            "image": {"repository": "registry.example:5000/trainer", "tag": "2", "pullPolicy": "Always"},
            "runAsUser": 1000700000,
            "runAsGroup": None,
            "fsGroup": None,
            "resources": {"train": {"limits": {"cpu": 1.5, "memory": 4294967296, "nvidia.com/gpu": 1}}},
            "nodeLostTolerationSeconds": 10,
            "deadPodSeconds": 20,
            "progressSeconds": 7,
        },
        "allowed": {"serviceAccounts": ["trainer"], "claims": ["data", "models"], "secrets": ["bucket"]},
        "networkPolicy": {"enabled": True},
    }
    settings = settings_of(render(helm, *(f"--set-json={name}={json.dumps(value)}" for name, value in values.items())))
    assert settings.leader_election is False
    assert (settings.log_level, settings.log_format, settings.reconcilers) == ("debug", "text", 16)
    assert settings.trainer_image == "registry.example:5000/trainer:2"
    assert settings.trainer_image_pull_policy == "Always"
    assert (settings.run_as_user, settings.run_as_group, settings.fs_group) == (1000700000, None, None)
    limits = settings.resources_of("train").limits
    assert limits == {"cpu": "1.5", "memory": "4294967296", "nvidia.com/gpu": "1"}
    assert settings.node_lost_toleration_seconds == 10
    assert (settings.dead_pod_seconds, settings.progress_seconds) == (20, 7)
    assert settings.allowed_service_accounts == ("trainer",)
    assert (settings.allowed_claims, settings.allowed_secrets) == (("data", "models"), ("bucket",))
    assert settings.network_policy is True


def test_an_image_can_be_pinned_by_its_digest(helm: str) -> None:
    digest = "sha256:" + "ab" * 32
    pod = find(render(helm, f"--set=image.digest={digest}"), "Deployment")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == f"steelyard.dev/operator@{digest}"


def test_options_are_off_and_work_when_on(helm: str) -> None:
    options = ("networkPolicy", "podDisruptionBudget", "serviceMonitor", "grafanaDashboard")
    kinds = {"NetworkPolicy", "PodDisruptionBudget", "ServiceMonitor", "ConfigMap"}
    assert not {m["kind"] for m in render(helm)} & kinds
    manifests = render(helm, *(f"--set={option}.enabled=true" for option in options))
    operator = {
        "app.kubernetes.io/name": "steelyard",
        "app.kubernetes.io/instance": "steelyard",
        "app.kubernetes.io/component": "operator",
    }
    labels = find(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert operator.items() <= labels.items()
    assert find(manifests, "Service")["spec"]["selector"] == operator
    budget = find(manifests, "PodDisruptionBudget")["spec"]
    assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": operator}}
    policy = find(manifests, "NetworkPolicy")["spec"]
    assert policy["podSelector"] == {"matchLabels": operator} and policy["policyTypes"] == ["Ingress"]
    assert find(manifests, "ServiceMonitor")["spec"]["endpoints"][0]["path"] == "/metrics"
    rights = OPERATOR_RIGHTS | {"networking.k8s.io/networkpolicies": "get create"}
    assert pairs(find(manifests, "ClusterRole", "steelyard")["rules"]) == expected(rights)


def test_the_dashboard_shows_metrics_that_the_operator_has(helm: str) -> None:
    config_map = find(render(helm, "--set=grafanaDashboard.enabled=true"), "ConfigMap")
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    dashboard = json.loads(config_map["data"]["steelyard.json"])
    shown = {
        re.sub(r"_bucket$", "", metric)
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for metric in re.findall(r"\bsteelyard_\w+", target["expr"])
    }
    source = (ROOT / "operator" / "steelyard" / "controller" / "runtime" / "prometheus.py").read_text()
    assert shown == set(re.findall(r'"(steelyard_\w+)"', source))


def test_one_release_of_two_replicas_needs_leader_election(helm: str) -> None:
    assert "replicas is 2" in refusal(helm, "--set=replicas=2", "--set=leaderElection=false")
    deployment = find(render(helm, "--set=replicas=2"), "Deployment")["spec"]
    assert (deployment["replicas"], deployment["strategy"]["type"]) == (2, "RollingUpdate")
    alone = find(render(helm, "--set=leaderElection=false"), "Deployment")["spec"]
    assert alone["strategy"]["type"] == "Recreate", "two would write while one replaces the other"


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--set=replica=2", ["'replica'"]),
        ("--set=image.pullPolicy=Sometimes", ["/image/pullPolicy", "'IfNotPresent'"]),
        ("--set=image.tag=1", ["/image/tag", "string"]),
        ("--set=namespaces=team-a", ["/namespaces", "array"]),
        ("--set=namespaces={Team_A}", ["/namespaces/0", "pattern"]),
        ("--set=namespaces={a,a}", ["/namespaces", "equal"]),
        ("--set=trainer.runAsUser=0", ["/trainer/runAsUser", "minimum"]),
        ("--set=trainer.resources.training.limits.cpu=1", ["/trainer/resources", "'training'"]),
        ("--set=trainer.resources.train.limits.memory=4GB", ["/trainer/resources/train/limits/memory"]),
        ("--set=log.level=verbose", ["/log/level", "'debug'"]),
        ("--set=reconcilers=0", ["/reconcilers", "minimum"]),
        ("--set=allowed.claim={a}", ["/allowed", "'claim'"]),
        ("--set=crds.enabled=maybe", ["/crds/enabled", "boolean"]),
    ],
)
def test_a_wrong_value_is_refused_with_its_place_and_what_is_allowed(
    helm: str, argument: str, words: list[str]
) -> None:
    said = refusal(helm, argument)
    assert [word for word in words if word not in said] == [], said


def test_the_schema_knows_every_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def compare(schema: Manifest, values: Manifest, path: str) -> None:
        assert schema["additionalProperties"] is False, path
        assert set(schema["properties"]) - {"global"} == set(values), path
        for name, value in values.items():
            if "properties" in schema["properties"][name]:
                compare(schema["properties"][name], value, f"{path}.{name}")

    compare(schema, values, "values")


def test_helm_test_asks_for_readiness_and_for_a_job_that_is_valid(helm: str) -> None:
    manifests = [m for m in render(helm, "--set=namespaces={team-a}") if "test" in m["metadata"]["name"]]
    assert {m["kind"] for m in manifests} == {"Pod", "ServiceAccount", "Role", "RoleBinding"}
    assert all(m["metadata"]["annotations"]["helm.sh/hook"] == "test" for m in manifests)
    role = next(m for m in manifests if m["kind"] == "Role")
    assert pairs(role["rules"]) == expected({"steelyard.dev/trainingjobs": "create"})
    assert role["metadata"]["namespace"] == "team-a"
    container = next(m for m in manifests if m["kind"] == "Pod")["spec"]["containers"][0]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    assert environment == {"OPERATOR": f"http://steelyard.{NAMESPACE}:8080", "NAMESPACE": "team-a"}
    program = container["args"][0]
    assert "$(" not in program, "Kubernetes would take it for a variable"
    scope: Manifest = {"__name__": "test"}
    exec(compile(program, "installation_check.py", "exec"), scope)
    assert parse_training_job(scope["JOB"], source="helm test").metadata.name == "helm-test"
