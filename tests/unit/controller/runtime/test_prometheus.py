"""The operator's metrics, and how a request is named in them."""

import asyncio
import re
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from repository_support import ROOT

from steelyard.controller.runtime.prometheus import Counted, Metrics, verb_and_resource
from steelyard.kube import ApiError, ConnectionFailedError

DOCUMENT = ROOT / "docs" / "operator.md"


def families(metrics: Metrics) -> dict[str, str]:
    """The type of each metric of ours, by its name as Prometheus has it; without the times at which they began."""
    text = generate_latest(metrics.registry).decode()
    found = re.findall(r"^# TYPE (steelyard_\w+?) (counter|gauge|histogram)$", text, re.MULTILINE)
    return {name: kind for name, kind in found if not name.endswith("_created")}


def test_what_is_counted_comes_out() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.reconciles.inc()
    metrics.api_requests.labels("patch", "trainingjobs/status", "200").inc(2)
    metrics.job_phase_seconds.labels("train").observe(45)
    metrics.jobs_finished.labels("Succeeded").inc()
    lines = generate_latest(metrics.registry).decode().splitlines()
    assert "steelyard_reconciles_total 1.0" in lines
    assert 'steelyard_api_requests_total{code="200",resource="trainingjobs/status",verb="patch"} 2.0' in lines
    assert 'steelyard_job_phase_seconds_bucket{le="30.0",phase="train"} 0.0' in lines
    assert 'steelyard_job_phase_seconds_bucket{le="60.0",phase="train"} 1.0' in lines
    assert 'steelyard_jobs_finished_total{reason="Succeeded"} 1.0' in lines
    assert any(line.startswith("process_cpu_seconds_total ") for line in lines)


def test_two_operators_in_one_process_count_apart() -> None:
    one, other = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    one.reconciles.inc()
    assert other.registry.get_sample_value("steelyard_reconciles_total") == 0


def test_the_document_names_every_metric_and_no_other() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(steelyard_\w+)", text, re.MULTILINE))
    assert named == {*families(Metrics(CollectorRegistry()))}


class Server:
    """Answers with what it is given."""

    def __init__(self, *answers: Exception | dict[str, Any]) -> None:
        self._answers = [*answers]

    async def request(self, *_: object, **__: object) -> dict[str, Any]:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_requests_are_counted_by_what_came_of_them() -> None:
    metrics = Metrics(CollectorRegistry())
    refusal, silence = ApiError(409, "Conflict", "changed"), ConnectionFailedError("no answer")
    api = Counted(Server({"kind": "Job"}, refusal, silence, {"kind": "Job"}), metrics)
    path = "/apis/batch/v1/namespaces/a/jobs"
    assert asyncio.run(api.request("POST", path, {})) == {"kind": "Job"}
    for error in (refusal, silence):
        with pytest.raises(type(error)):
            asyncio.run(api.request("POST", path, {}))
    asyncio.run(api.request("POST", path, {}))
    counted = {
        code: metrics.registry.get_sample_value(
            "steelyard_api_requests_total", {"verb": "create", "resource": "jobs", "code": code}
        )
        for code in ("2xx", "409", "NoAnswer")
    }
    assert counted == {"2xx": 2, "409": 1, "NoAnswer": 1}


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/apis/batch/v1/namespaces/a/jobs", ("create", "jobs")),
        ("GET", "/apis/batch/v1/namespaces/a/jobs", ("list", "jobs")),
        ("GET", "/apis/batch/v1/jobs", ("list", "jobs")),
        ("GET", "/apis/batch/v1/namespaces/a/jobs/digits-train", ("get", "jobs")),
        ("DELETE", "/api/v1/namespaces/a/services/digits-train", ("delete", "services")),
        ("DELETE", "/api/v1/namespaces/a/pods", ("deletecollection", "pods")),
        ("PATCH", "/api/v1/namespaces/a/pods/digits-train-0-x/status", ("patch", "pods/status")),
        ("GET", "/api/v1/namespaces/a/pods/digits-train-0-x/log", ("get", "pods/log")),
        ("PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/steelyard-operator", ("update", "leases")),
        ("GET", "/api/v1/namespaces/a", ("get", "namespaces")),
        ("GET", "/api/v1/namespaces", ("list", "namespaces")),
        ("GET", "/version", ("get", "none")),
    ],
)
def test_a_request_is_named_as_rbac_and_the_audit_log_have_it(
    method: str, path: str, expected: tuple[str, str]
) -> None:
    assert verb_and_resource(method, path) == expected
