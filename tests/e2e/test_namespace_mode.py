"""Installed for some namespaces only, by a user without rights outside them; jobs whose operator is uninstalled."""

import json
import time

import pytest
import yaml
from cluster.kubectl import Kubectl, KubectlError, fresh_namespace
from cluster.real import RealCluster
from release import CHART, installed
from test_faults import wait_until, workers
from training_jobs import condition, is_over
from under_way import long_job


@pytest.fixture(autouse=True)
def crds(own_cluster: RealCluster) -> None:
    """An admin has installed the CRDs before."""
    for crd in sorted((CHART.parents[1] / "crds").glob("*.yaml")):
        own_cluster.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={crd}")


def test_a_user_without_rights_outside_a_namespace_installs_and_runs_jobs_in_it(own_cluster: RealCluster) -> None:
    admin = own_cluster.kubectl
    with fresh_namespace(admin, **{"pod-security.kubernetes.io/enforce": "restricted"}) as namespace:
        assert namespace.namespace is not None
        namespace("create", "serviceaccount", "jane")
        admin.within(namespace.namespace)(
            "create", "rolebinding", "jane", "--clusterrole=admin", f"--serviceaccount={namespace.namespace}:jane"
        )
        # What the chart's aggregated roles give to every admin of a namespace, without that chart.
        namespace.apply(_rights_to_training_jobs(namespace.namespace))
        kubeconfig = own_cluster.control_plane.kubeconfig_of_service_account(namespace.namespace, "jane")
        jane = Kubectl(kubeconfig, namespace.namespace)
        with pytest.raises(KubectlError, match="no"):
            jane("auth", "can-i", "list", "nodes")
        values = {
            "namespaces": [namespace.namespace],
            "crds__enabled": False,
            "rbac__aggregate": False,
        }
        with installed(kubeconfig, namespace.namespace, **values):
            jane.create(long_job("janes", training={"workers": 1, "epochs": 3}))
            job = jane.wait_for("trainingjob", "janes", is_over, seconds=600)
            assert condition(job, "Complete").get("status") == "True", json.dumps(job["status"])


def _rights_to_training_jobs(namespace: str) -> str:
    kinds = ("trainingjobs", "tuningjobs")
    statuses, finalizers = [f"{kind}/status" for kind in kinds], [f"{kind}/finalizers" for kind in kinds]
    rules = [
        {"apiGroups": ["steelyard.dev"], "resources": list(kinds), "verbs": ["*"]},
        {"apiGroups": ["steelyard.dev"], "resources": statuses, "verbs": ["get", "patch"]},
        {"apiGroups": ["steelyard.dev"], "resources": finalizers, "verbs": ["update"]},
        # A role can't give what its giver has not: `admin` lacks these.
        {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    ]
    subject = {"kind": "ServiceAccount", "name": "jane", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "training-jobs"}
    api = "rbac.authorization.k8s.io/v1"
    return yaml.safe_dump_all(
        [
            {"apiVersion": api, "kind": "Role", "metadata": {"name": "training-jobs"}, "rules": rules},
            {
                "apiVersion": api,
                "kind": "RoleBinding",
                "metadata": {"name": "training-jobs"},
                "roleRef": role,
                "subjects": [subject],
            },
        ]
    )


def test_deleting_a_job_removes_its_children_with_no_operator_running(own_cluster: RealCluster) -> None:
    with fresh_namespace(own_cluster.kubectl) as namespace:
        with installed(
            own_cluster.kubeconfig,
            "steelyard-passing",
            namespaces=[namespace.namespace],
            crds__enabled=False,
            rbac__aggregate=False,
        ):
            namespace.create(long_job("orphan"))
            wait_until("both workers run", lambda: len(workers(namespace, "orphan")) == 2)
        assert len(workers(namespace, "orphan")) == 2, "a job runs on when the operator is uninstalled"
        namespace.delete("trainingjob", "orphan")
        began = time.monotonic()
        kinds = "jobs,pods,services,persistentvolumeclaims"
        wait_until(
            "all children are gone",
            lambda: not [item for item in namespace.list(kinds) if item["metadata"]["name"] != "kubernetes"],
            seconds=300,
        )
        print(f"gone after {time.monotonic() - began:.0f} s")
