"""A cluster makes of each manifest what any runner must, and the same model and evidence as a run on this machine."""

import json
from pathlib import Path
from typing import Any

import pytest
from cluster.kubectl import Kubectl
from conformance import assert_equal_outcomes, conditions_of, digest_of_model, recall_outcome, run_locally
from conformance_cases import CASES, Case, Outcome
from test_digits import steelyard
from training_jobs import condition, is_over

from steelyard.contract.package import REPORT_FILE

GENEROUS_SECONDS = 1200


@pytest.fixture(scope="module")
def local_outcomes(
    conformance_jobs: Kubectl,  # noqa: ARG001
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
def test_a_job_ends_as_any_must(
    case: Case, conformance_jobs: Kubectl, local_outcomes: dict[str, Outcome], tmp_path: Path
) -> None:
    job = conformance_jobs.wait_for("trainingjob", case.name, is_over, seconds=GENEROUS_SECONDS)
    outcome = outcome_of(job, conformance_jobs, tmp_path / "model")
    case.check(outcome)
    if case.name in local_outcomes:
        assert_equal_outcomes(case, outcome, local_outcomes[case.name])


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
    return Outcome(conditions_of(status["conditions"]), message, model, report, digest_of_model(folder))
