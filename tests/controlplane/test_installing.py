"""What docs/installing.md says, on a real API server: the chart's objects are taken, its roles do, its CRDs stay."""

import os
import re
import subprocess
import textwrap
from pathlib import Path

import pytest
import yaml
from cluster.binaries import binary
from cluster.kubectl import Kubectl, fresh_namespace
from cluster.simulation import SimulatedCluster
from crd_support import install_crds
from operator_support import OperatorProcess, condition, is_over, training_job

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "steelyard"
OPTIONS = ["networkPolicy", "podDisruptionBudget", "grafanaDashboard"]


def helm(kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs helm."""
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    return subprocess.run(
        [binary("helm"), *arguments], env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def install(kubeconfig: Path, namespace: Kubectl, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Installs the chart. Nothing is waited for: simulated nodes run no operator."""
    return helm(kubeconfig, "install", "steelyard", str(CHART), f"--namespace={namespace.namespace}", *arguments)


def rules_of_the_document() -> str:
    """The Role that docs/installing.md gives to who installs into a namespace."""
    text = (ROOT / "docs" / "installing.md").read_text()
    found = re.search(r"kubectl --namespace team-a apply -f - <<'END'\n(.*?)\n    END\n", text, re.DOTALL)
    assert found is not None
    return textwrap.dedent(found[1])


def test_who_has_admin_and_the_documents_role_installs_an_operator_that_can_do_its_work(
    control_plane: SimulatedCluster, namespace: Kubectl, tmp_path: Path
) -> None:
    install_crds(control_plane.kubectl)
    rendered = helm(
        control_plane.kubeconfig,
        "template",
        "steelyard",
        str(CHART),
        "--kube-version=1.34.4",
        "--show-only=templates/rbac-aggregate.yaml",
    )
    control_plane.kubectl.apply(rendered.stdout)
    jane = control_plane.kubeconfig_of_user("jane")
    namespace("create", "rolebinding", "jane", "--clusterrole=admin", "--user=jane")
    values = [f"--set=namespaces={{{namespace.namespace}}}", "--set=crds.enabled=false", "--set=rbac.aggregate=false"]

    refused = install(jane, namespace, *values)
    assert refused.returncode != 0 and "attempting to grant RBAC permissions not currently held" in refused.stderr
    helm(jane, "uninstall", "steelyard", f"--namespace={namespace.namespace}")

    namespace.apply(rules_of_the_document())
    role = yaml.safe_load(rules_of_the_document())["metadata"]["name"]
    namespace("create", "rolebinding", "jane-installs", f"--role={role}", "--user=jane")
    done = install(jane, namespace, *values)
    assert done.returncode == 0, done.stderr
    assert f"of namespace {namespace.namespace}." in done.stdout and "helm test steelyard" in done.stdout

    assert namespace.namespace is not None
    operator = OperatorProcess(
        control_plane.kubeconfig_of_service_account(namespace.namespace, "steelyard"),
        tmp_path,
        namespaces=namespace.namespace,
        leader_election="true",
        lease_namespace=namespace.namespace,
        lease_name="steelyard",
    )
    with operator:
        namespace.create(training_job("small", publish=[]))
        job = namespace.wait_for("trainingjob", "small", is_over, seconds=300)
    assert condition(job, "Complete").get("status") == "True", job["status"]
    user = f"system:serviceaccount:{namespace.namespace}:steelyard"
    assert [entry for entry in control_plane.audit.entries(user) if entry.code == 403] == []


def test_the_crds_and_jobs_outlive_a_release_and_another_takes_them_over(control_plane: SimulatedCluster) -> None:
    admin = control_plane.kubectl
    install_crds(admin)
    with fresh_namespace(admin) as one, fresh_namespace(admin) as other:
        options = [f"--set={option}.enabled=true" for option in OPTIONS]
        done = install(control_plane.kubeconfig, one, "--take-ownership", "--set=replicas=2", *options)
        assert done.returncode == 0, done.stderr
        try:
            (release,) = one.list("secrets", selector="owner=helm")
            assert sum(map(len, release["data"].values())) < 524_288, "half of what a Secret may hold"
            one.create(training_job("kept"))
            done = helm(control_plane.kubeconfig, "uninstall", "steelyard", f"--namespace={one.namespace}")
            assert done.returncode == 0, done.stderr
            assert one.find("trainingjob", "kept") is not None
            assert one.find("deployment", "steelyard") is None

            refused = install(control_plane.kubeconfig, other)
            assert refused.returncode != 0 and "trainingjobs.steelyard.dev" in refused.stderr, refused.stderr
            done = install(control_plane.kubeconfig, other, "--take-ownership")
            assert done.returncode == 0, done.stderr
            assert "--take-ownership" in done.stdout, "the notes say so"
        finally:
            for namespace in (one, other):
                helm(control_plane.kubeconfig, "uninstall", "steelyard", f"--namespace={namespace.namespace}")


@pytest.mark.parametrize("workers", [1, 2])
def test_the_workers_of_a_job_are_reached_by_each_other_only(
    control_plane: SimulatedCluster, namespace: Kubectl, tmp_path: Path, workers: int
) -> None:
    install_crds(control_plane.kubectl)
    assert namespace.namespace is not None
    with OperatorProcess(control_plane.kubeconfig, tmp_path, namespaces=namespace.namespace, network_policy="true"):
        namespace.create(training_job("closed", publish=[], training={"workers": workers, "epochs": 3}))
        job = namespace.wait_for("trainingjob", "closed", is_over, seconds=300)
    assert condition(job, "Complete").get("status") == "True", job["status"]
    policies = namespace.list("networkpolicy")
    assert len(policies) == (1 if workers > 1 else 0), "a single worker listens to nobody"
    for policy in policies:
        assert policy["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
        own = {"matchLabels": {"steelyard.dev/job": "closed", "steelyard.dev/stage": "train"}}
        assert policy["spec"]["podSelector"] == own
        assert policy["spec"]["ingress"][0]["from"] == [{"podSelector": own}]
        ports = {port.get("port") for port in policy["spec"]["ingress"][0]["ports"]}
        pod = namespace.list("pod", "steelyard.dev/stage=train")[0]
        assert ports == {port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]}
