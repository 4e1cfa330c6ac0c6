"""A cluster makes of each manifest what any runner must, and the same model and evidence as a run on this machine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cluster.kubectl import Kubectl, fresh_namespace
from conformance import assert_equal_outcomes, conditions_of, recall_outcome, run_locally
from conformance_cases import CASES, CLAIM_FILES, Case, Outcome
from test_digits import steelyard
from training_jobs import condition, is_over

from steelyard import __version__
from steelyard.contract.package import REPORT_FILE

if TYPE_CHECKING:
    from conftest import Cluster

GENEROUS_SECONDS = 1200

# The files come by an environment variable: the restricted level has no other simple way onto a claim.
_WRITE_FILES = """
import json, os, pathlib
for claim, files in json.loads(os.environ["FILES"]).items():
    for name, text in files.items():
        path = pathlib.Path("/claims", claim, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
"""


@pytest.fixture(scope="module")
def jobs(cluster: "Cluster", operator: str) -> Iterator[Kubectl]:  # noqa: ARG001
    """A namespace where all cases run side by side."""
    with fresh_namespace(cluster.kubectl, **{"pod-security.kubernetes.io/enforce": "restricted"}) as namespace:
        namespace.create(*map(_claim, CLAIM_FILES), _writer())
        namespace.wait_for("pod", "writer", lambda pod: pod["status"]["phase"] == "Succeeded", seconds=300)
        namespace.create(*(case.manifest for case in CASES))
        yield namespace


@pytest.fixture(scope="module")
def local_outcomes(
    jobs: Kubectl,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> dict[str, Outcome]:
    """What this machine makes of those cases that give a model, by name: as tests/local has seen it, or found out
    while the cluster is at work."""
    return {
        case.name: recall_outcome(case, request.config.cache)
        or run_locally(case, tmp_path_factory.mktemp(case.name))[0]
        for case in CASES
        if "Complete" in case.conditions
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_job_ends_as_any_must(case: Case, jobs: Kubectl, local_outcomes: dict[str, Outcome], tmp_path: Path) -> None:
    job = jobs.wait_for("trainingjob", case.name, is_over, seconds=GENEROUS_SECONDS)
    outcome = outcome_of(job, jobs, tmp_path / "model")
    case.check(outcome)
    if case.name in local_outcomes:
        assert_equal_outcomes(outcome, local_outcomes[case.name])


def outcome_of(job: dict[str, Any], namespace: Kubectl, folder: Path) -> Outcome:
    """A job's end; what it published is fetched into a folder."""
    status = job["status"]
    model = status.get("model", {})
    end = condition(job, "Complete") or condition(job, "Failed")
    report = None
    if model.get("published"):
        name, where = job["metadata"]["name"], f"--namespace={namespace.namespace}"
        steelyard("fetch", name, str(folder), where, KUBECONFIG=str(namespace.kubeconfig))
        report = json.loads((folder / REPORT_FILE).read_bytes())
    message = end["message"].replace("/steelyard/claims/", "pvc://")
    return Outcome(conditions_of(status["conditions"]), message, model, report)


def _claim(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Mi"}}},
    }


def _writer() -> dict[str, Any]:
    """A pod that writes the files of all claims, as the user whom the jobs run as."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "writer"},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "writer",
                    "image": f"steelyard.dev/trainer:{__version__}",
                    "command": ["python3", "-c", _WRITE_FILES],
                    "env": [{"name": "FILES", "value": json.dumps(CLAIM_FILES)}],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    "volumeMounts": [{"name": claim, "mountPath": f"/claims/{claim}"} for claim in CLAIM_FILES],
                }
            ],
            "volumes": [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in CLAIM_FILES],
        },
    }
