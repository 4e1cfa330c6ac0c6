"""A trial's report in a status."""

import json

import pytest

from steelyard.api.status import TrialStatus
from steelyard.contract.trial_report import TrialReport


@pytest.mark.parametrize(
    "report",
    [
        TrialReport(7, "Pruned", 0.1 + 0.2, ((1, 1 / 3), (3, 0.1 + 0.2)), None, None, 1.25),
        TrialReport(0, "Complete", 0.97, (), 94000.0, 12, 3.0),
        TrialReport(1, "Failed", reason="the data is bad"),
    ],
    ids=lambda report: report.state,
)
def test_a_report_passes_through_a_status_bit_for_bit(report: TrialReport) -> None:
    stored = json.loads(json.dumps(TrialStatus.of(report).model_dump(mode="json", by_alias=True, exclude_none=True)))
    assert TrialStatus.model_validate(stored).report == report
