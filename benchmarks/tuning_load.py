"""A search of a thousand trials, on a real API server with simulated nodes: trials/min at its beginning and at its end,
how long it takes to find a trial, what is written for it, the size of the status, CPU and memory. A JSON line a figure;
limits are checked, and a breach ends it with exit code 1.

    python benchmarks/tuning_load.py              1,000 trials by TPE, 8 at a time
    python benchmarks/tuning_load.py --small      20 of them

As `operator_load.py`: a control plane of its own with the chart installed, the operator as a process of this machine.
The trials' pods run 100 ms, and everything competes for the same CPUs.
"""

import argparse
import json
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operator_cluster import NAMESPACE, STALLED_SECONDS, cpu_ms, installed, own, rest, warm_up

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "controlplane")]

from cluster.audit import Entry  # noqa: E402
from cluster.kubectl import Kubectl  # noqa: E402
from operator_support import OperatorProcess  # noqa: E402
from training_jobs import condition, is_over  # noqa: E402
from tuning_support import LEARNING_RATE, UNITS, tuning_job  # noqa: E402

MOST_STATUS_BYTES = 256 * 1024
LEAST_RATIO = 0.8
"""Of the last trials' pace to the first ones'."""
MOST_ASK_SECONDS = 0.2
MOST_WRITES = 8.0
"""A trial: what the operator writes, Events included."""
PARALLEL = 8
SLICE = 100
"""Trials whose pace is measured, at the beginning and at the end."""


def main() -> int:
    """Prints the figures; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--small", action="store_true", help="few trials: shows that it runs, and that little is written"
    )
    parser.add_argument("--trials", type=int, default=1000, help="default: 1000")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    trials = 20 if given.small else given.trials
    with tempfile.TemporaryDirectory(prefix="steelyard-benchmark-") as folder:
        measured = measure(trials, Path(folder))
    report(measured)
    breaches = breaches_of(measured, is_small=given.small)
    for breach in breaches:
        print(breach, file=sys.stderr)
    return 1 if breaches else 0


@dataclass(frozen=True)
class Measured:
    """What the search showed."""

    trials: int
    entries: list[Entry]
    """All requests to the API server meanwhile."""
    job: dict[str, Any]
    """The TuningJob in the end."""
    asked: dict[float, float]
    """How many trials took at most so many seconds."""
    asked_last: dict[float, float]
    """The same of the last ones."""
    cpu_ms: float
    """The operator's own."""
    peak_bytes: float
    """The operator's resident memory."""
    sampler_bytes: int
    """That of the process of the samplers."""
    errors: float

    @property
    def pace(self) -> tuple[float, float]:
        """Trials per minute of the first and the last ones, by their creation."""
        made = sorted(
            entry.received
            for entry in self.entries
            if (entry.verb, entry.resource, entry.code) == ("create", "trainingjobs", 201)
            and re.fullmatch(r"search-\d+", entry.name)
        )
        count = min(SLICE, len(made) // 2)
        first, last = made[count] - made[0], made[-1] - made[-1 - count]
        return 60 * count / first.total_seconds(), 60 * count / last.total_seconds()

    @property
    def writes(self) -> Counter[str]:
        """The operator's, by verb and resource."""
        return Counter(f"{entry.verb} {entry.resource}" for entry in own(self.entries) if entry.is_write)


def measure(trials: int, folder: Path) -> Measured:
    """Runs the search."""
    with installed(folder) as (cluster, operator):
        warm_up(cluster)
        rest(operator)
        namespace = cluster.kubectl.within(NAMESPACE)
        before, audit = cpu_ms(operator), cluster.audit.since()
        namespace.create(search(trials))
        memory, late = watch(operator, namespace, trials)
        rest(operator)
        asked = asks(operator)
        return Measured(
            trials,
            audit.entries(),
            namespace.get("tuningjob", "search"),
            asked,
            {bound: count - late.get(bound, 0.0) for bound, count in asked.items()},
            cpu_ms(operator) - before,
            memory,
            sampler_bytes(operator),
            operator.metric("steelyard_reconcile_errors_total"),
        )


def search(trials: int) -> dict[str, Any]:
    """The TuningJob."""
    dropout = {"path": "model.mlp.dropout", "type": "Double", "min": 0.0, "max": 0.5, "step": 0.05}
    return tuning_job(
        "search",
        "100ms",
        parameters=[LEARNING_RATE, UNITS, dropout],
        algorithm={"name": "TPE", "seed": 1},
        maxTrials=trials,
        parallelTrials=PARALLEL,
    )


def watch(operator: OperatorProcess, namespace: Kubectl, trials: int) -> tuple[float, dict[float, float]]:
    """Waits for the search's end; gives the operator's peak memory, and the times before the last trials."""
    answered, since, memory, late = -1.0, time.monotonic(), 0.0, dict[float, float]()
    while not is_over(namespace.get("tuningjob", "search")):
        time.sleep(2)
        memory = max(memory, operator.metric("process_resident_memory_bytes"))
        now = operator.metric("steelyard_trials_finished_total")
        if now <= trials - SLICE:
            late = asks(operator)
        if now != answered:
            answered, since = now, time.monotonic()
        elif time.monotonic() - since > STALLED_SECONDS:
            sys.exit(f"{now:.0f} of {trials} trials ended, none for {STALLED_SECONDS:.0f} s")
    return memory, late


def asks(operator: OperatorProcess) -> dict[float, float]:
    """How many trials took at most so many seconds, by the metric's buckets."""
    found = re.findall(r'^steelyard_ask_seconds_bucket\{le="([^"]+)"\} (\S+)', operator.get("/metrics"), re.MULTILINE)
    return {float(bound): float(count) for bound, count in found}


def sampler_bytes(operator: OperatorProcess) -> int:
    """The resident memory of the process of the samplers."""
    assert operator.process is not None
    children = Path(f"/proc/{operator.process.pid}/task/{operator.process.pid}/children").read_text().split()
    statuses = [Path(f"/proc/{child}/status").read_text() for child in children]
    return sum(1024 * int(match[1]) for status in statuses if (match := re.search(r"VmRSS:\s+(\d+)", status)))


def quantile(buckets: dict[float, float], share: float) -> float:
    """The least bound below which so many of all trials were."""
    total = buckets.get(float("inf"), 0.0)
    return next((bound for bound, count in sorted(buckets.items()) if count >= share * total), float("inf"))


def report(measured: Measured) -> None:
    """Prints the figures."""
    first, last = measured.pace
    status = measured.job["status"]
    tell("trialsPerMinute", {"first": first, "last": last, "ratio": last / first})
    for name, buckets in (("all", measured.asked), ("last", measured.asked_last)):
        tell("askSecondsAtMost", {"p50": quantile(buckets, 0.5), "p99": quantile(buckets, 0.99)}, of=name)
    tell("statusBytes", {"value": status_bytes(measured), "log": sum(map(len, status.get("log") or ()))})
    by = {kind: round(count / measured.trials, 3) for kind, count in sorted(measured.writes.items())}
    tell("writesPerTrial", {"value": measured.writes.total() / measured.trials}, by=by)
    tell("cpuMsPerTrial", {"value": measured.cpu_ms / measured.trials})
    megabytes = {"operator": measured.peak_bytes / 1e6, "sampler": measured.sampler_bytes / 1e6}
    tell("residentMegabytes", megabytes)


def breaches_of(measured: Measured, *, is_small: bool) -> list[str]:
    """The limits that were broken, in words."""
    job, status = measured.job, measured.job["status"]
    writes = measured.writes.total() / measured.trials
    checks = [
        (condition(job, "Complete").get("status") == "True", f"the search is not Complete: {status.get('conditions')}"),
        (len(status.get("log") or ()) == measured.trials, f"the log has {len(status.get('log') or ())} answers"),
        (measured.errors == 0, f"{measured.errors:.0f} reconciles ended in an error"),
        (status_bytes(measured) < MOST_STATUS_BYTES, f"the status has {status_bytes(measured)} bytes"),
    ]
    if not is_small:
        first, last = measured.pace
        ask = quantile(measured.asked_last, 0.99)
        checks += [
            (writes <= MOST_WRITES, f"{writes:.1f} writes a trial; at most {MOST_WRITES:g} are allowed"),
            (last >= LEAST_RATIO * first, f"{last:.0f} trials/min in the end, {first:.0f} at the beginning"),
            (ask <= MOST_ASK_SECONDS, f"finding 1 in 100 of the last trials took more than {MOST_ASK_SECONDS} s"),
        ]
    return [words for is_kept, words in checks if not is_kept]


def status_bytes(measured: Measured) -> int:
    """What the status takes as JSON."""
    return len(json.dumps(measured.job["status"], separators=(",", ":"), ensure_ascii=False).encode())


def tell(figure: str, values: dict[str, float], **more: Any) -> None:
    """Prints a figure."""
    line = {"benchmark": "tuning", "figure": figure, **{name: round(number, 3) for name, number in values.items()}}
    print(json.dumps(line | more), flush=True)


if __name__ == "__main__":
    sys.exit(main())
