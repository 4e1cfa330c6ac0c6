"""What the operator counts for Prometheus. Imports prometheus_client and the API connection (kube) only."""

from typing import Unpack

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from steelyard.kube import ApiError, Requester
from steelyard.kube.errors import Object, RequestOptions

PHASE_SECONDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400)
"""The upper bounds of the histogram of phases: from a simulated job to one that takes a day."""


ASK_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 120)
"""The upper bounds of the histogram of finding the next trial; the first one of all waits for the sampler's process."""


class Metrics:
    """The operator's metrics, in a registry of their own together with the process's CPU and memory.

    Labels have few values each: none is the name of a job, or of anything else that a user can make up.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        ProcessCollector(registry=registry)
        self.reconciles = Counter("steelyard_reconciles_total", "Reconciles that were begun.", registry=registry)
        self.reconcile_errors = Counter(
            "steelyard_reconcile_errors_total",
            "Reconciles that ended in an error and are tried again.",
            registry=registry,
        )
        self.queue_depth = Gauge("steelyard_queue_depth", "Jobs that wait to be reconciled.", registry=registry)
        self.api_requests = Counter(
            "steelyard_api_requests_total",
            "Requests to the API server, watches aside. code: 2xx, the HTTP status of a refusal, or NoAnswer.",
            ["verb", "resource", "code"],
            registry=registry,
        )
        self.job_phase_seconds = Histogram(
            "steelyard_job_phase_seconds",
            "How long jobs were in a phase, counted when they leave it.",
            ["phase"],
            buckets=PHASE_SECONDS,
            registry=registry,
        )
        self.jobs_finished = Counter(
            "steelyard_jobs_finished_total",
            "Jobs that ended, by the reason of their end.",
            ["reason"],
            registry=registry,
        )
        self.trials_finished = Counter(
            "steelyard_trials_finished_total",
            "Trials of searches that finished, by how: Complete, Pruned, Failed, Repeated.",
            ["state"],
            registry=registry,
        )
        self.ask_seconds = Histogram(
            "steelyard_ask_seconds",
            "How long the values of a search's next trial took to be found.",
            buckets=ASK_SECONDS,
            registry=registry,
        )
        self.searches_finished = Counter(
            "steelyard_searches_finished_total",
            "Searches that ended, by the reason of their end.",
            ["reason"],
            registry=registry,
        )
        self.progress_samples_failed = Counter(
            "steelyard_progress_samples_failed_total",
            "Looks into a worker's log that gave no progress; harmless.",
            registry=registry,
        )
        self.is_leader = Gauge("steelyard_is_leader", "1 where this replica leads, else 0.", registry=registry)


class Counted:
    """A connection whose requests are counted."""

    def __init__(self, api: Requester, metrics: Metrics) -> None:
        self._api = api
        self._metrics = metrics

    async def request(
        self,
        method: str,
        path: str,
        body: Object | list[Object] | None = None,
        **options: Unpack[RequestOptions],
    ) -> Object:
        """See `Requester.request`."""
        code = "NoAnswer"
        try:
            answer = await self._api.request(method, path, body, **options)
            code = "2xx"
            return answer
        except ApiError as error:
            code = str(error.status)
            raise
        finally:
            self._metrics.api_requests.labels(*verb_and_resource(method, path), code).inc()


def verb_and_resource(method: str, path: str) -> tuple[str, str]:
    """What a request is to the API server's rules and its audit log, such as ("patch", "trainingjobs/status").

    Args:
        path: without the query, such as /apis/batch/v1/namespaces/default/jobs.
    """
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    if not parts:
        return method.lower(), "none"
    resource, has_name = "/".join(parts[:1] + parts[2:3]), len(parts) > 1
    verbs = {
        "GET": "get" if has_name else "list",
        "POST": "create",
        "PUT": "update",
        "PATCH": "patch",
        "DELETE": "delete" if has_name else "deletecollection",
    }
    return verbs[method], resource
