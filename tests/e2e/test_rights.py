"""What the operator and the workers may do: nothing more than they need, on the real API server."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.cache import KUBERNETES
from cluster.kubectl import Kubectl, KubectlError
from cluster.real import RealCluster
from release import CHART, helm
from test_faults import epochs_done, wait_until, workers
from training_jobs import condition, is_over
from under_way import long_job

OPERATOR = "system:serviceaccount:steelyard-system:steelyard"


def granted(kubeconfig: Path, *values: str) -> set[tuple[str, str]]:
    """The (verb, resource) pairs that the chart's roles for the operator hold."""
    rendered = helm(kubeconfig, "template", "steelyard", str(CHART), f"--kube-version={KUBERNETES}", *values)
    documents = [document for document in yaml.safe_load_all(rendered) if document]
    rules = [
        rule
        for document in documents
        if document["kind"] in ("Role", "ClusterRole") and "aggregationRule" not in document
        if not any("aggregate-to" in label for label in document["metadata"].get("labels", {}))
        for rule in document.get("rules", ())
    ]
    return {(verb, resource) for rule in rules for verb in rule["verbs"] for resource in rule["resources"]}


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize(
    ("verb", "resource"),
    [
        ("get", "secrets"),
        ("list", "secrets"),
        ("create", "pods/exec"),
        ("create", "pods"),
        ("update", "trainingjobs"),
        # TrainingJobs it makes as trials; searches are the user's alone, but for their time to live.
        ("create", "tuningjobs"),
        ("patch", "tuningjobs"),
        ("deletecollection", "tuningjobs"),
        ("deletecollection", "persistentvolumeclaims"),
        ("patch", "persistentvolumeclaims"),
        ("create", "serviceaccounts"),
        ("patch", "deployments"),
        ("list", "configmaps"),
        ("escalate", "clusterroles"),
    ],
)
def test_the_operator_may_not(cluster: Any, verb: str, resource: str) -> None:
    with pytest.raises(KubectlError, match="no"):
        cluster.kubectl("auth", "can-i", verb, resource, "--namespace=default", f"--as={OPERATOR}")


@pytest.mark.usefixtures("operator")
def test_the_operator_is_refused_nothing_and_does_nothing_that_it_was_not_granted(
    own_cluster: RealCluster, namespace: Kubectl
) -> None:
    job = long_job("short", training={"workers": 2, "epochs": 3})
    namespace.create(job)
    over = namespace.wait_for("trainingjob", "short", is_over, seconds=600)
    assert condition(over, "Complete").get("status") == "True", json.dumps(over["status"])
    # Everything since the cluster began, by the operators of all modules before.
    used = set(own_cluster.audit.counts(OPERATOR))
    assert used <= granted(own_cluster.kubeconfig)
    # That it needs all the rest is shown on simulated nodes: tests/controlplane/test_operator_rights.py.
    assert {(verb, "leases") for verb in ("get", "create", "update")} <= used
    own = own_cluster.audit.entries(OPERATOR, namespace=namespace.namespace)
    assert [entry for entry in own if entry.code == 403] == []


@pytest.mark.usefixtures("operator")
def test_a_worker_has_no_token_and_writes_nowhere_but_where_it_may(namespace: Kubectl) -> None:
    namespace.create(long_job("watched"))
    wait_until("both workers run", lambda: len(workers(namespace, "watched")) == 2)
    wait_until("it trains", lambda: epochs_done(namespace, "watched") > 0)
    pod = workers(namespace, "watched")[0]
    name = pod["metadata"]["name"]
    program = (
        "import os, json\n"
        "def may(path):\n"
        "    try:\n"
        "        open(path + '/probe', 'w').close(); return True\n"
        "    except OSError:\n"
        "        return False\n"
        "print(json.dumps({'token': os.path.exists('/var/run/secrets/kubernetes.io'), 'uid': os.getuid(),\n"
        "    'writable': [p for p in ('/', '/etc', '/opt', '/usr', '/tmp', '/steelyard/workspace') if may(p)]}))\n"
    )
    seen = json.loads(namespace("exec", name, "--", "python3", "-c", program))
    assert seen == {"token": False, "uid": 65532, "writable": ["/tmp", "/steelyard/workspace"]}
    namespace.delete("trainingjob", "watched")
