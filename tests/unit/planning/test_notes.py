"""What is to be known of a valid job before it runs."""

from typing import Any

import pytest

from steelyard.api.loading import parse_training_job
from steelyard.planning.notes import stall_notes


@pytest.mark.parametrize(
    ("model", "policy", "is_told"),
    [
        ({"randomForest": {}}, {"stallTimeoutSeconds": 600}, True),
        ({"mlp": {"hiddenUnits": [8]}}, {"stallTimeoutSeconds": 600}, False),
        ({"randomForest": {}}, {}, False),
    ],
)
def test_a_fit_that_has_no_steps_is_told_of(model: dict[str, Any], policy: dict[str, int], is_told: bool) -> None:
    job = parse_training_job(
        {
            "apiVersion": "steelyard.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {"name": "job"},
            "spec": {"dataset": {"uri": "t.csv", "target": "y"}, "model": model, "runPolicy": policy},
        }
    )
    said = (
        "runPolicy.stallTimeoutSeconds: scikit-learn's models are fitted in one step, which tells nothing before it "
        "ends: a fit that takes longer than 600 s counts as stalled"
    )
    assert stall_notes(job.spec) == ([said] if is_told else [])
