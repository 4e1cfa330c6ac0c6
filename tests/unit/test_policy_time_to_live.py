"""`runPolicy.ttlSecondsAfterFinished`: from the end that the status tells, whatever an older CRD let in."""

from datetime import timedelta
from typing import Any

import pytest
from controller_support import NOW

from steelyard.controller.policies.time_to_live import removal_time


def with_ttl(seconds: Any) -> dict[str, Any]:
    return {"runPolicy": {"ttlSecondsAfterFinished": seconds}}


@pytest.mark.parametrize("seconds", [0, 1, 86400])
def test_a_job_goes_so_long_after_its_end(seconds: int) -> None:
    assert removal_time(with_ttl(seconds), NOW) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("spec", [{}, {"runPolicy": {}}, {"runPolicy": "short"}, with_ttl(None), with_ttl("9")])
def test_a_job_without_a_time_to_live_stays(spec: dict[str, Any]) -> None:
    assert removal_time(spec, NOW) is None


def test_a_job_that_is_not_over_stays() -> None:
    assert removal_time(with_ttl(0), None) is None


def test_a_time_before_the_end_is_none_that_would_remove_it_early() -> None:
    assert removal_time(with_ttl(-3600), NOW) is None
