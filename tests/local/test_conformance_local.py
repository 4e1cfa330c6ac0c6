"""The local runner makes of each manifest what any runner must; tests/e2e/test_conformance.py is the cluster's side."""

from pathlib import Path

import pytest
from conformance import keep_outcome, run_locally
from conformance_cases import CASES, Case

from steelyard.client.outcome import exit_code_of
from steelyard.contract.stages import ExitCode


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_local_run_ends_as_any_must(case: Case, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    outcome, exit_code = run_locally(case, tmp_path)
    case.check(outcome)
    keep_outcome(case, outcome, request.config.cache)
    # What `steelyard submit --wait` ends with, which knows a job's conditions only.
    expected = exit_code_of(outcome.conditions["Failed"][1]) if "Failed" in outcome.conditions else ExitCode.DONE
    assert exit_code == expected
