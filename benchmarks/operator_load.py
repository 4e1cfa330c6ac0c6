"""The operator under load, on a real API server with simulated nodes: jobs/min, latencies, what it writes, its CPU and
memory, and what a restart costs. A JSON line a figure; limits are checked, and a breach ends it with exit code 1.

    python benchmarks/operator_load.py            100, 500 and 1,000 jobs of one stage, 200 of all stages, and a restart
                                                  with 5,000 finished ones (operator_restart.py)
    python benchmarks/operator_load.py --small    5 of all stages, and a restart with 100

Each case has a control plane of its own (tests/cluster; `make cluster-build` first) with the chart installed by Helm.
The operator is a process of this machine with the chart's service account: its rules are those of an installed one. All
jobs are created at once; their two workers' pods run 5 to 10 s. Everything competes for the same CPUs, so jobs/min and
latencies are the machine's: the API server needs several times the operator's CPU. The times are the audit log's.
"""

import argparse
import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operator_cluster import (
    NAMESPACE,
    ONE_STAGE,
    STALLED_SECONDS,
    Version,
    by_kind,
    cpu_ms,
    installed,
    is_at_most,
    own,
    rest,
    tell,
    warm_up,
)
from operator_restart import Restart, breaches_of_restart, measure_restart, report_restart

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "controlplane")]

from cluster.audit import Entry  # noqa: E402
from cluster.simulation import SimulatedCluster  # noqa: E402
from operator_support import OperatorProcess, simulated, training_job  # noqa: E402
from training_jobs import condition  # noqa: E402

from steelyard.kube import Api, path_of  # noqa: E402

MOST_WRITES = 6.0
"""A job of one stage: what the operator writes, but for Events and the Lease."""
MOST_EVENTS = 3.0
MOST_CPU_MS = 15.0
MOST_CPU_MS_SMALL = 45.0
"""With few jobs the first use of everything, and what the operator does without jobs, weigh more than the jobs."""

CREATED_AT_ONCE = 16


@dataclass(frozen=True)
class Case:
    """How many jobs, of what kind."""

    jobs: int
    has_all_stages: bool = False

    @property
    def name(self) -> str:
        """As the figures have it."""
        return f"{'all-stages' if self.has_all_stages else 'one-stage'}-{self.jobs}"

    @property
    def first_stage(self) -> str:
        """What its pods' names say."""
        return "prepare" if self.has_all_stages else "train"

    @property
    def first_pods(self) -> int:
        """How many pods that stage has."""
        return 1 if self.has_all_stages else 2

    def manifest(self, number: int) -> dict[str, Any]:
        """One of the jobs. That of one stage finds its data on a claim that is bound, and makes none."""
        spec = {} if self.has_all_stages else ONE_STAGE
        return training_job(f"job-{number:04}", template=simulated("5s"), **spec)


CASES = [
    Case(100),
    Case(500),
    Case(1000),
    Case(200, has_all_stages=True),
    Restart(5000),
    Restart(5000, has_jobs=False),
]
SMALL_CASES = [Case(5, has_all_stages=True), Restart(100, most_megabytes=130)]


def main() -> int:
    """Prints the figures; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="few jobs: shows that it runs, and that little is written")
    parser.add_argument("--only", help="the cases whose names begin so: one-stage-500, restart")
    given = parser.parse_args()
    # So that the operator's process and the clusters go as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    breaches = []
    for case in SMALL_CASES if given.small else CASES:
        if case.name.startswith(given.only or ""):
            with tempfile.TemporaryDirectory(prefix="steelyard-benchmark-") as folder:
                breaches += run(case, Path(folder), MOST_CPU_MS_SMALL if given.small else MOST_CPU_MS)
    for breach in breaches:
        print(breach, file=sys.stderr)
    return 1 if breaches else 0


def run(case: Case | Restart, folder: Path, most_cpu_ms: float) -> list[str]:
    """Measures a case and prints its figures; gives the limits that it broke, in words."""
    if isinstance(case, Restart):
        restarted = measure_restart(case, folder)
        report_restart(case, restarted)
        return breaches_of_restart(case, restarted)
    measured = measure(case, folder)
    report(case, measured)
    return breaches_of(case, measured, most_cpu_ms)


@dataclass(frozen=True)
class Measured:
    """What a case showed."""

    entries: list[Entry]
    """All requests to the API server, from the first job's creation until the operator is at rest."""
    incomplete: list[str]
    """Jobs that did not go well."""
    reconciles: float
    errors: float
    """Reconciles that ended in an error."""
    left: float
    """Jobs that are still in the queue."""
    cpu_ms: float
    """The operator's own, for all jobs."""
    memory_bytes: float
    start_cpu_ms: float
    """Of a start where there are no jobs, until the operator is at rest."""
    restart_cpu_ms: float
    """The same where all jobs are over."""
    restart_entries: list[Entry]
    """What the operator asks for then."""


def measure(case: Case, folder: Path, version: Version | None = None) -> Measured:
    """Runs one case, with another version of the operator where it is given."""
    with installed(folder, version) as (cluster, operator):
        start_cpu_ms = cpu_ms(operator)
        warm_up(cluster)
        rest(operator)
        before, reconciled = cpu_ms(operator), operator.metric("steelyard_reconciles_total")
        audit = cluster.audit.since()
        asyncio.run(create(cluster.kubeconfig, case))
        wait_until_finished(operator, case)
        rest(operator)
        used = cpu_ms(operator) - before
        reconciles = operator.metric("steelyard_reconciles_total") - reconciled
        errors = operator.metric("steelyard_reconcile_errors_total")
        left = operator.metric("steelyard_queue_depth")
        memory = operator.metric("process_resident_memory_bytes")
        incomplete, entries = incomplete_jobs(cluster), audit.entries()

        operator.stop()
        audit = cluster.audit.since()
        operator.start()
        rest(operator)
        restarted = cpu_ms(operator), own(audit.entries())
    return Measured(entries, incomplete, reconciles, errors, left, used, memory, start_cpu_ms, *restarted)


def report(case: Case, measured: Measured) -> None:
    """Prints the figures."""
    entries, jobs = measured.entries, case.jobs
    writes, events = writes_and_events(entries)
    reads = [entry for entry in own(entries) if not entry.is_write]
    tell(case.name, "jobsPerMinute", jobs_per_minute(entries, case))
    tell(case.name, "secondsFromCreateToPods", quantiles(seconds_to_pods(entries, case)))
    tell(case.name, "secondsFromCreateToComplete", quantiles(seconds_to_complete(entries)))
    tell(case.name, "writesPerJob", len(writes) / jobs, by=by_kind(writes, jobs))
    tell(case.name, "eventsPerJob", len(events) / jobs, by=by_kind(events, jobs))
    tell(case.name, "readsPerJob", len(reads) / jobs, by=by_kind(reads, jobs))
    tell(case.name, "reconcilesPerJob", measured.reconciles / jobs)
    tell(case.name, "cpuMsPerJob", measured.cpu_ms / jobs)
    tell(case.name, "residentMegabytes", measured.memory_bytes / 1e6)
    tell(case.name, "cpuMsOfRestart", {"value": measured.restart_cpu_ms, "withoutJobs": measured.start_cpu_ms})
    tell(case.name, "requestsOfRestart", len(measured.restart_entries), by=by_kind(measured.restart_entries, 1))


def breaches_of(case: Case, measured: Measured, most_cpu_ms: float) -> list[str]:
    """The limits that a case broke, in words."""
    writes, events = writes_and_events(measured.entries)
    beside = {kind: n for kind, n in by_kind(measured.restart_entries, 1).items() if kind not in READS_OF_A_START}
    checks = [
        (not measured.incomplete, f"{len(measured.incomplete)} jobs are not Complete: {measured.incomplete[:5]}"),
        (measured.errors == 0, f"{measured.errors:.0f} reconciles ended in an error"),
        (measured.left == 0, f"the queue still holds {measured.left:.0f} jobs"),
        (not beside, f"finished jobs cost a restarted operator more than its lists and watches: {beside}"),
    ]
    if not case.has_all_stages:
        checks += [
            is_at_most(MOST_WRITES, len(writes) / case.jobs, "writes a job"),
            is_at_most(MOST_EVENTS, len(events) / case.jobs, "Events a job"),
            is_at_most(most_cpu_ms, measured.cpu_ms / case.jobs, "ms of the operator's CPU a job"),
        ]
    return [f"{case.name}: {words}" for is_kept, words in checks if not is_kept]


# --- the cluster, the operator, the jobs ------------------------------------------------------------------------------


async def create(kubeconfig: Path, case: Case) -> None:
    """Creates all jobs, as fast as the API server takes them."""
    os.environ["KUBECONFIG"] = str(kubeconfig)
    turn = asyncio.Semaphore(CREATED_AT_ONCE)

    async def create_one(number: int) -> None:
        async with turn:
            await api.request("POST", path_of("trainingjobs", NAMESPACE), case.manifest(number))

    async with await Api.connect(user_agent="benchmark") as api, asyncio.TaskGroup() as tasks:
        for number in range(case.jobs):
            tasks.create_task(create_one(number))


def wait_until_finished(operator: OperatorProcess, case: Case) -> None:
    """Waits until every job has ended. Exits where none does any more."""
    finished, since = 0.0, time.monotonic()
    while finished < case.jobs + 1:
        # As often as Prometheus may ask: the answer costs the operator 3 ms.
        time.sleep(5)
        if (now := operator.metric("steelyard_jobs_finished_total")) > finished:
            finished, since = now, time.monotonic()
        elif time.monotonic() - since > STALLED_SECONDS:
            log = "\n".join(operator.log.read_text().splitlines()[-20:])
            sys.exit(f"{case.name}: {finished:.0f} of {case.jobs} jobs ended, none for {STALLED_SECONDS:.0f} s\n{log}")


def incomplete_jobs(cluster: SimulatedCluster) -> list[str]:
    """The names of those that did not go well."""
    jobs = cluster.kubectl.within(NAMESPACE).list("trainingjobs")
    return [job["metadata"]["name"] for job in jobs if condition(job, "Complete").get("status") != "True"]


# --- the figures ------------------------------------------------------------------------------------------------------

READS_OF_A_START = {f"{verb} {kind}" for verb in ("list", "watch") for kind in ("trainingjobs", "tuningjobs", "jobs")}


def writes_and_events(entries: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    """What the operator wrote: all but Events, and Events."""
    writes = [entry for entry in own(entries) if entry.is_write]
    return (
        [entry for entry in writes if entry.resource != "events"],
        [entry for entry in writes if entry.resource == "events"],
    )


def created(entries: list[Entry]) -> dict[str, Entry]:
    """The request that created each job."""
    return {entry.name: entry for entry in entries if (entry.verb, entry.resource) == ("create", "trainingjobs")}


def completed(entries: list[Entry]) -> dict[str, Entry]:
    """The last write of each job's status."""
    return {entry.name: entry for entry in own(entries) if entry.resource == "trainingjobs/status"}


def jobs_per_minute(entries: list[Entry], case: Case) -> float:
    """From the first job's creation to the last one's end."""
    began = min(entry.received for entry in created(entries).values())
    ended = max(entry.answered for entry in completed(entries).values())
    return 60 * case.jobs / (ended - began).total_seconds()


def seconds_to_complete(entries: list[Entry]) -> list[float]:
    """Of each job, from its creation to the status that says Complete."""
    ends = completed(entries)
    return [(ends[name].answered - entry.received).total_seconds() for name, entry in created(entries).items()]


def seconds_to_pods(entries: list[Entry], case: Case) -> list[float]:
    """Of each job, from its creation until all pods of its first stage have a node."""
    bound: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.resource == "pods/binding" and f"-{case.first_stage}-" in entry.name:
            bound.setdefault(entry.name.partition(f"-{case.first_stage}-")[0], []).append(entry)
    seconds = []
    for name, entry in created(entries).items():
        last = bound[name][case.first_pods - 1]
        seconds.append((last.answered - entry.received).total_seconds())
    return seconds


def quantiles(values: list[float]) -> dict[str, float]:
    """The median, and what 1 in 100 exceeds."""
    hundredths = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": hundredths[49], "p99": hundredths[98]}


if __name__ == "__main__":
    sys.exit(main())
