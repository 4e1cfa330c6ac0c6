"""Objects and settings that no operator can work with: it says so, and goes on with the others.

On a cluster of its own, whose CRD is absent at first, then an older one that takes anything, then today's."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.audit import AuditLog
from cluster.kubectl import Kubectl
from cluster.simulation import SimulatedCluster
from crd_support import ROOT, install_crds, wait_until
from operator_support import (
    ONE_STAGE,
    PATIENCE_SECONDS,
    OperatorProcess,
    claim,
    condition,
    ended,
    events_about,
    is_over,
    simulated,
    training_job,
)
from tuning_support import UNITS, tuning_job

USER = "operator-of-objects"
CONFIGURATION = 78
ENDS_WITHIN_SECONDS = 60.0


def training_job_with(name: str, template: dict[str, Any]) -> dict[str, Any]:
    """A job of one stage with more in its template."""
    return training_job(name, **ONE_STAGE, template={**simulated(), **template})


REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "affinity-of-nonsense": (
        {
            "affinity": {
                "nodeAffinity": {
                    REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Nonsense"}]}]}
                }
            }
        },
        "not a valid selector operator",
    ),
    "affinity-of-text": ({"affinity": {"nodeAffinity": "near"}}, "cannot unmarshal string"),
    "pods-of-text": ({"affinity": {"podAffinity": "near"}}, "cannot unmarshal string"),
    "terms-of-text": ({"affinity": {"podAffinity": {REQUIRED: "near"}}}, "cannot unmarshal string"),
    "label-of-words": ({"labels": {"team": "a b"}}, "a valid label must be"),
    "key-of-words": ({"annotations": {"a b": "c"}}, "name part must consist of"),
    "more-than-limit": (
        {"resources": {"train": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}},
        "must be less than or equal to cpu limit",
    ),
    "toleration-of-all": (
        {"tolerations": [{"operator": "Exists", "key": "a", "value": "b"}]},
        "value must be empty when `operator` is 'Exists'",
    ),
}
"""Templates that pass our schema and that Kubernetes refuses, with its words."""

MALFORMED: dict[str, tuple[Any, str]] = {
    "no-spec": (None, "spec"),
    "wrong-type": (
        training_job("a", **{**ONE_STAGE, "training": {"workers": "many"}})["spec"],
        "spec.training.workers",
    ),
    "wrong-number": (training_job("a", **{**ONE_STAGE, "training": {"workers": -1}})["spec"], "spec.training.workers"),
    "local-file": (training_job("a", publish=[{"uri": "file:models/a"}])["spec"], "spec.publish[0].uri"),
    "a-name-that-is-longer-than-forty-characters": (training_job("a", **ONE_STAGE)["spec"], "metadata.name"),
}
"""Specs that an older CRD let in, and the field that is named."""
SEARCHES: dict[str, tuple[Any, str]] = {
    "search-without-spec": (None, "spec"),
    "search-of-nothing": ({**tuning_job("a")["spec"], "parameters": []}, "spec.parameters"),
    "search-of-a-wrong-path": (
        {**tuning_job("a")["spec"], "parameters": [{**UNITS, "path": "model.mlp.hidenUnits.0"}]},
        "spec.parameters[0].path",
    ),
}
"""Specs of searches that an older CRD let in, and the field that is named."""
HOPELESS: dict[str, Any] = {"spec-of-text": "train, please", "spec-of-list": [1, 2]}
"""Specs of which today's API server takes no status."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCluster]:
    """A cluster that has never heard of us."""
    with SimulatedCluster(tmp_path_factory.mktemp("cluster"), nodes=2, die_with_parent=True) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def words_without_crds(cluster: SimulatedCluster, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What an operator says that finds no CRD."""
    return last_words(OperatorProcess(cluster.kubeconfig, tmp_path_factory.mktemp("without-crds")))


@pytest.fixture(scope="module")
def namespace(cluster: SimulatedCluster, words_without_crds: list[dict[str, Any]]) -> Kubectl:
    """kubectl where objects lie that an older CRD let in. Today's CRD is there by now."""
    assert words_without_crds
    namespace = cluster.kubectl.within("default")
    namespace.create(older_crd("trainingjobs"), older_crd("tuningjobs"))
    wait_until(lambda: namespace.create(claim("data"), bare("status-of-text", ONE_STAGE)))
    namespace.create(*(bare(name, spec) for name, (spec, _) in MALFORMED.items()))
    namespace.create(*(bare(name, spec) for name, spec in HOPELESS.items()))
    wait_until(lambda: namespace.create(*(bare(name, spec, "TuningJob") for name, (spec, _) in SEARCHES.items())))
    nonsense = json.dumps({"status": {"phase": 7, "conditions": "none", "stages": {}, "startTime": "long ago"}})
    namespace("patch", "trainingjob", "status-of-text", "--subresource=status", "--type=merge", f"--patch={nonsense}")
    install_crds(namespace)
    wait_until(lambda: refuses_nonsense(namespace))
    return namespace


@pytest.fixture(scope="module")
def log(cluster: SimulatedCluster) -> AuditLog:
    """All requests of this module."""
    return cluster.audit


@pytest.fixture(scope="module")
def operator(
    cluster: SimulatedCluster, namespace: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """An operator of the whole cluster that finds the malformed objects, and is given the impossible ones."""
    kubeconfig = cluster.kubeconfig_of_user(USER, "system:masters")
    folder = tmp_path_factory.mktemp("operator")
    with OperatorProcess(kubeconfig, folder, allowed_claims="data,models") as operator:
        namespace.create(*(training_job_with(name, template) for name, (template, _) in IMPOSSIBLE.items()))
        private = {"dataset": {**ONE_STAGE["dataset"], "uri": "pvc://private/digits"}}
        namespace.create(training_job("not-allowed", **{**ONE_STAGE, **private}))
        namespace.create(training_job("good", **ONE_STAGE, template=simulated()))
        yield operator


def older_crd(kind: str) -> dict[str, Any]:
    """Today's CRD of a kind, as it would be if it said nothing of spec and status."""
    crd: dict[str, Any] = yaml.safe_load((ROOT / "crds" / f"{kind}.steelyard.dev.yaml").read_text())
    anything = {"x-kubernetes-preserve-unknown-fields": True}
    for version in crd["spec"]["versions"]:
        properties = {"spec": anything, "status": anything}
        version["schema"]["openAPIV3Schema"] = {"type": "object", "properties": properties}
        version["additionalPrinterColumns"] = []
    return crd


def bare(name: str, spec: Any, kind: str = "TrainingJob") -> dict[str, Any]:
    """A job of which only the spec's presence is certain."""
    job = {"apiVersion": "steelyard.dev/v1alpha1", "kind": kind, "metadata": {"name": name}}
    return job if spec is None else {**job, "spec": spec}


def refuses_nonsense(namespace: Kubectl) -> None:
    """Fails as long as the API server takes what today's CRD forbids."""
    with pytest.raises(Exception, match="spec"):
        namespace("create", "--dry-run=server", "--filename=-", stdin=json.dumps(bare("nonsense", {"a": 1})))


def last_words(operator: OperatorProcess) -> list[dict[str, Any]]:
    """The log of an operator that ends by itself, as for a mistake in its configuration."""
    operator.start(wait=False)
    assert operator.process is not None
    try:
        assert operator.process.wait(ENDS_WITHIN_SECONDS) == CONFIGURATION
    finally:
        operator.kill()
    return lines_of(operator)


# --- an operator that can't begin -------------------------------------------------------------------------------------


def test_an_operator_without_crds_says_what_to_install(words_without_crds: list[dict[str, Any]]) -> None:
    (line,) = words_without_crds
    assert line["level"] == "critical"
    assert line["message"] == (
        "the cluster serves no trainingjobs.steelyard.dev (v1alpha1); install the CRDs, for instance by the chart's "
        "value crds.enabled=true, or kubectl apply -f crds/"
    )


def test_an_operator_with_wrong_settings_names_them_all(cluster: SimulatedCluster, tmp_path: Path) -> None:
    wrong = {"progress_seconds": "often", "namespaces": "A_B", "alowed_claims": "data"}
    (line,) = last_words(OperatorProcess(cluster.kubeconfig, tmp_path, **wrong))
    assert line["level"] == "critical"
    assert line["message"].startswith("the operator's settings are not valid:")
    for name in wrong:
        assert f"STEELYARD_{name.upper()}" in line["message"]
    assert "exception" not in line


def test_an_operator_without_rights_says_what_it_may_not(namespace: Kubectl, tmp_path: Path) -> None:
    kubeconfig = namespace.as_service_account("default", "default", tmp_path / "kubeconfig").kubeconfig
    (line,) = last_words(OperatorProcess(kubeconfig, tmp_path))
    assert line["level"] == "critical"
    assert line["message"].startswith("the operator may not list trainingjobs in all namespaces: ")


def test_an_operator_whose_port_is_taken_says_so(cluster: SimulatedCluster, tmp_path: Path) -> None:
    operator = OperatorProcess(cluster.kubeconfig, tmp_path)
    with socket.create_server(("", operator.port)):
        (line,) = last_words(operator)
    assert line["message"] == f"port {operator.port} can't be listened on: Address already in use"


# --- jobs that can't be run -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_kubernetes_refuses_fails_in_its_words_at_the_first_try(
    namespace: Kubectl, log: AuditLog, name: str
) -> None:
    job = ended(namespace, name)
    failed = condition(job, "Failed")
    assert (failed["status"], failed["reason"]) == ("True", "ChildRefused")
    assert failed["message"].startswith(f"Job {name}-train is refused: ")
    assert IMPOSSIBLE[name][1] in failed["message"]
    assert ("Warning", "ChildRefused") in events_about(namespace, job)
    made = [entry for entry in log.entries(USER, writes=True) if entry.name == f"{name}-train"]
    assert len(made) <= 1, made


@pytest.mark.usefixtures("operator")
def test_what_the_administrator_does_not_allow_fails(namespace: Kubectl) -> None:
    failed = condition(ended(namespace, "not-allowed"), "Failed")
    assert failed["reason"] == "NotAllowed"
    assert (
        failed["message"]
        == "spec.dataset.uri, publish: the claim 'private' may not be used here; allowed: data, models"
    )


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("name", MALFORMED)
def test_what_an_older_crd_let_in_fails_with_the_field(namespace: Kubectl, name: str) -> None:
    job = ended(namespace, name)
    failed = condition(job, "Failed")
    assert (failed["status"], failed["reason"]) == ("True", "InvalidManifest")
    assert MALFORMED[name][1] in failed["message"]
    assert job["status"]["phase"] == "Failed"


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_that_an_older_crd_let_in_fails_with_the_field(namespace: Kubectl, name: str) -> None:
    job = namespace.wait_for("tuningjob", name, is_over, PATIENCE_SECONDS)
    failed = condition(job, "Failed")
    assert (failed["status"], failed["reason"]) == ("True", "InvalidManifest")
    assert SEARCHES[name][1] in failed["message"]
    assert events_about(namespace, job) == [("Warning", "InvalidManifest")]


@pytest.mark.parametrize("name", HOPELESS)
def test_what_can_have_no_status_is_told_by_an_event_and_left(
    operator: OperatorProcess, namespace: Kubectl, name: str
) -> None:
    ended(namespace, "good")
    job = namespace.get("trainingjob", name)
    assert "status" not in job
    assert events_about(namespace, job) == [("Warning", "InvalidManifest")]
    (line,) = [line for line in lines_of(operator) if line.get("job") == f"default/{name}" and is_trouble(line)]
    assert line["message"].startswith("the job can't be run, nor its status be written: spec: ")


def test_the_others_go_on_and_nothing_is_repeated(operator: OperatorProcess, namespace: Kubectl) -> None:
    assert condition(ended(namespace, "good"), "Complete")
    for name in (*IMPOSSIBLE, *MALFORMED):
        ended(namespace, name)
    assert operator.metric("steelyard_reconcile_errors_total") == 0
    # Nobody but the operator writes a status; what else may be in one is passed over.
    others = {f"default/{name}" for name in (*HOPELESS, "status-of-text")}
    assert [line for line in lines_of(operator) if is_trouble(line) and line.get("job") not in others] == []


def lines_of(operator: OperatorProcess) -> list[dict[str, Any]]:
    """Its log."""
    return [json.loads(line) for line in operator.log.read_text().splitlines()]


def is_trouble(line: dict[str, Any]) -> bool:
    """Whether a line is worse than information; that it is not yet ready is the answer to our own question."""
    return line["level"] not in ("debug", "info") and not line["message"].startswith("/readyz fails")
