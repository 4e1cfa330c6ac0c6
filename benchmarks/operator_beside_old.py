"""The operator beside that of an older version: jobs/min, what it writes for a job, its CPU. In one run, so that the
ratios are those of the operators and not of the day. A JSON line a figure; limits are checked, and a breach ends it
with exit code 1.

    python benchmarks/operator_beside_old.py                500 and 1,000 jobs of one stage
    python benchmarks/operator_beside_old.py --jobs 100     so many

As `operator_load.py`, whose case of one stage this is: a control plane of its own for each. The old operator is that of
tests/controlplane/data/old-operator, with the CRDs of its commit and the chart of today.
"""

import argparse
import signal
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from operator_cluster import Version, is_at_most, tell
from operator_load import Case, Measured, jobs_per_minute, measure, writes_and_events

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "controlplane")]

import old_operator  # noqa: E402

LEAST_PACE = 0.95
"""Of the jobs/min of the old operator."""
MOST_CPU = 1.05
"""Of its CPU a job."""
MOST_MORE_REQUESTS = 0.1
"""Writes, and Events, a job: how much more. They are 4 and 2, but for what a watch that was cut off costs."""


def main() -> int:
    """Prints the figures; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, nargs="+", default=[500, 1000], help="default: 500 1000")
    parser.add_argument("--rounds", type=int, default=1, help="of which the medians are compared; default: 1")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    breaches = [breach for jobs in given.jobs for breach in compare(Case(jobs), given.rounds)]
    for breach in breaches:
        print(breach, file=sys.stderr)
    return 1 if breaches else 0


@dataclass(frozen=True)
class Figures:
    """What an operator needed, as the medians of all rounds."""

    jobs_per_minute: float
    writes: float
    """A job, but for Events and the Lease."""
    events: float
    """A job."""
    cpu_ms: float
    """A job."""

    @classmethod
    def of(cls, case: Case, rounds: list[Measured]) -> "Figures":
        """From what each round showed."""
        written = [writes_and_events(each.entries) for each in rounds]
        return cls(
            statistics.median(jobs_per_minute(each.entries, case) for each in rounds),
            statistics.median(len(writes) for writes, _ in written) / case.jobs,
            statistics.median(len(events) for _, events in written) / case.jobs,
            statistics.median(each.cpu_ms for each in rounds) / case.jobs,
        )


def compare(case: Case, rounds: int) -> list[str]:
    """Measures both in turn and prints their figures; gives the limits that were broken, in words."""
    measured: dict[str, list[Measured]] = {"old": [], "new": []}
    for _ in range(rounds):
        for name, found in measured.items():
            with tempfile.TemporaryDirectory(prefix="steelyard-benchmark-") as folder:
                old_version = Version(old_operator.unpack(Path(folder) / "packages"), old_operator.FOLDER)
                found.append(measure(case, Path(folder) / "run", old_version if name == "old" else None))
    old, new = (Figures.of(case, found) for found in measured.values())
    pace, cpu = new.jobs_per_minute / old.jobs_per_minute, new.cpu_ms / old.cpu_ms
    both = {"old": old.jobs_per_minute, "new": new.jobs_per_minute, "ratio": pace, "limit": LEAST_PACE}
    tell(case.name, "jobsPerMinuteBesideOld", both)
    tell(case.name, "cpuMsPerJobBesideOld", {"old": old.cpu_ms, "new": new.cpu_ms, "ratio": cpu, "limit": MOST_CPU})
    tell(case.name, "writesPerJobBesideOld", {"old": old.writes, "new": new.writes, "limit": MOST_MORE_REQUESTS})
    tell(case.name, "eventsPerJobBesideOld", {"old": old.events, "new": new.events, "limit": MOST_MORE_REQUESTS})
    incomplete = sum(len(each.incomplete) for found in measured.values() for each in found)
    checks = [
        (not incomplete, f"{incomplete} jobs are not Complete"),
        (pace >= LEAST_PACE, f"{pace:.2f} of the old operator's jobs/min; at least {LEAST_PACE} are allowed"),
        is_at_most(MOST_CPU, cpu, "of the old operator's CPU a job"),
        is_at_most(MOST_MORE_REQUESTS, new.writes - old.writes, "more writes a job"),
        is_at_most(MOST_MORE_REQUESTS, new.events - old.events, "more Events a job"),
    ]
    return [f"{case.name}: {words}" for is_kept, words in checks if not is_kept]


if __name__ == "__main__":
    sys.exit(main())
