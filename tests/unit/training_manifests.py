"""A manifest of a TrainingJob, and what is said of those that are not valid."""

from typing import Any

import pytest

from steelyard.api.compression.techniques import TECHNIQUES as ALL_TECHNIQUES
from steelyard.api.errors import ManifestError
from steelyard.api.loading import apply_overrides, parse_training_job
from steelyard.contract.stages import ExitCode, Reason


def manifest() -> dict[str, Any]:
    return {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "a"},
        "spec": {"dataset": {"uri": "a.csv", "target": "t"}, "model": {"mlp": {}}},
    }


def problems(*overrides: str) -> dict[str, str]:
    with pytest.raises(ManifestError) as caught:
        parse_training_job(apply_overrides(manifest(), overrides))
    assert caught.value.exit_code == ExitCode.CONFIGURATION
    assert caught.value.reason == Reason.INVALID_MANIFEST
    return {problem.path: problem.message for problem in caught.value.problems}


TECHNIQUES = ", ".join(sorted(ALL_TECHNIQUES))
