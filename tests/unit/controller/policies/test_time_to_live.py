"""`runPolicy.ttlSecondsAfterFinished`: from the end that the status tells, whatever an older CRD let in."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from controller_support import NOW

from steelyard.controller.policies.base import EndedJob
from steelyard.controller.policies.time_to_live import due


def removal_time(spec: dict[str, Any], end: datetime | None) -> datetime | None:
    """When a job of nobody's is removed."""
    return due(EndedJob(spec=spec, job_spec=spec, status={}, ended=end, claim="a-workspace", is_owned=False))


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
