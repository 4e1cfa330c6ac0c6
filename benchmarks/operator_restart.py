"""A restart with thousands of finished jobs: the memory of leader and follower, how soon the new leader writes, whether
the Lease is renewed and /healthz answers all the while. A part of `operator_load.py`.

The finished jobs are copies of one that ran: TrainingJobs of three stages with their Jobs, without their pods, written
straight to the API server with nobody there to work on them. Then come a leader, which finds a job that waits for its
first write, and a follower; and the leader ends, so that the follower leads and has another job.
"""

import asyncio
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from operator_cluster import (
    NAMESPACE,
    ONE_STAGE,
    STALLED_SECONDS,
    USER,
    by_kind,
    installed,
    is_at_most,
    own,
    replica,
    tell,
    warm_up,
)

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "controlplane")]

from cluster.audit import AuditLog, Entry  # noqa: E402
from cluster.control_plane import ControlPlane  # noqa: E402
from cluster.simulation import SimulatedCluster  # noqa: E402
from operator_support import OperatorProcess, simulated, training_job  # noqa: E402

from steelyard.controller.runtime.lease import CLIENT_GO_TIMING  # noqa: E402
from steelyard.kube import Api, path_of  # noqa: E402

MOST_SECONDS_TO_WRITE = 20.0
"""From the start of a process that leads at once; and from when the leader is asked to end, of the one that follows."""
MOST_SECONDS_BETWEEN_RENEWALS = CLIENT_GO_TIMING.lease_seconds / 2
MOST_HEALTHZ_SECONDS = 1.0
WRITTEN_AT_ONCE = 16
ASKED_EVERY_SECONDS = 0.2
IDLE_SECONDS = 1.0
IDLE_SHARE = 0.1
"""Of a CPU, for so long: who uses less has listed everything."""
_BY_UID = ("batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid", "job-name")
"""Labels that the API server gives the pods of each Job itself."""
_STAGES = ("prepare", "train", "finish")


@dataclass(frozen=True)
class Restart:
    """How many finished jobs there are, and whether with their Jobs: a clean-up takes those away first."""

    jobs: int
    has_jobs: bool = True
    most_megabytes: float = 250.0
    """The peak of a replica that is allowed. Without any finished job it is about 80."""

    @property
    def name(self) -> str:
        """As the figures have it."""
        return f"restart-{self.jobs}{'' if self.has_jobs else '-without-jobs'}"


@dataclass
class Watched:
    """What a replica shows from its start to its end."""

    operator: OperatorProcess
    peak_bytes: int = 0
    cpu_seconds: float = 0.0
    healthz_seconds: list[float] = field(default_factory=list)
    """How long each answer took, once the port was open."""
    failures: list[str] = field(default_factory=list)
    """Of /healthz."""
    is_ending: bool = False

    def end(self) -> None:
        """Ends it, as an update does."""
        self.is_ending = True
        self.peak_bytes, self.cpu_seconds = peak_bytes(self.operator), cpu_seconds(self.operator)
        self.operator.stop()


@dataclass(frozen=True)
class RestartMeasured:
    """What a restart showed."""

    without_bytes: int
    """The peak of an operator that found no finished jobs, and ran one."""
    leader: Watched
    follower: Watched
    """The one that leads later."""
    seconds_to_write: dict[str, float]
    """From the leader's start, and from when it was asked to end until the follower wrote."""
    renewals: list[float]
    """Seconds between two writes of the Lease."""
    requests: list[Entry]
    """Of both, but for those of the Lease."""


def measure_restart(case: Restart, folder: Path) -> RestartMeasured:
    """Runs one case."""
    with installed(folder) as (cluster, operator):
        warm_up(cluster)
        without_bytes = peak_bytes(operator)
        operator.stop()
        # They would work on the copies. And nothing else is to take the machine's time.
        for name in (ControlPlane.CONTROLLERS, ControlPlane.SCHEDULER):
            cluster.processes.kill(name)
        asyncio.run(write_finished(cluster, case))
        audit = cluster.audit.since()
        replicas = (replica(operator.kubeconfig, folder / name) for name in ("leader", "follower"))
        with watched(next(replicas)) as leader, watched(next(replicas)) as follower:
            seconds = take_turns(cluster, audit, leader, follower)
        entries = audit.entries(USER)
    renewed = sorted(entry.received for entry in entries if entry.resource == "leases" and entry.is_write)
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(renewed)]
    return RestartMeasured(without_bytes, leader, follower, seconds, gaps, own(entries))


def take_turns(cluster: SimulatedCluster, audit: AuditLog, leader: Watched, follower: Watched) -> dict[str, float]:
    """Has the one lead, then the other; gives how long each took to its first write."""
    create_job(cluster, "first")
    since = datetime.now(UTC)
    leader.operator.start(wait=False)
    started = seconds_to_write(audit, since)
    leader.operator.wait_until_ready()
    follower.operator.start()
    wait_until_idle(follower.operator)
    wait_until_idle(leader.operator)
    since = datetime.now(UTC)
    leader.end()
    create_job(cluster, "second")
    followed = seconds_to_write(audit, since)
    wait_until_idle(follower.operator)
    follower.end()
    return {"start": started, "followUp": followed}


def report_restart(case: Restart, measured: RestartMeasured) -> None:
    """Prints the figures."""
    without, leader, follower = measured.without_bytes, measured.leader, measured.follower
    peaks = {"leader": leader.peak_bytes / 1e6, "follower": follower.peak_bytes / 1e6}
    ratio = max(leader.peak_bytes, follower.peak_bytes) / without
    tell(
        case.name,
        "peakMegabytes",
        {**peaks, "limit": case.most_megabytes, "withoutJobs": without / 1e6, "ratio": ratio},
    )
    tell(case.name, "secondsToFirstWrite", {**measured.seconds_to_write, "limit": MOST_SECONDS_TO_WRITE})
    longest = {"longest": max(measured.renewals), "limit": MOST_SECONDS_BETWEEN_RENEWALS}
    tell(case.name, "secondsBetweenRenewals", {**longest, "count": len(measured.renewals)})
    slowest = {"leader": max(leader.healthz_seconds), "follower": max(follower.healthz_seconds)}
    count = len(leader.healthz_seconds) + len(follower.healthz_seconds)
    tell(case.name, "healthzSeconds", {**slowest, "limit": MOST_HEALTHZ_SECONDS, "count": count})
    tell(case.name, "cpuSeconds", {"leader": leader.cpu_seconds, "follower": follower.cpu_seconds})
    tell(case.name, "requests", len(measured.requests), by=by_kind(measured.requests, 1))


def breaches_of_restart(case: Restart, measured: RestartMeasured) -> list[str]:
    """The limits that a case broke, in words."""
    checks = [is_at_most(MOST_SECONDS_BETWEEN_RENEWALS, max(measured.renewals), "s between two writes of the Lease")]
    for name, seconds in measured.seconds_to_write.items():
        checks.append(is_at_most(MOST_SECONDS_TO_WRITE, seconds, f"s to the first write ({name})"))
    for name, one in (("leader", measured.leader), ("follower", measured.follower)):
        checks += [
            is_at_most(case.most_megabytes, one.peak_bytes / 1e6, f"MB at the peak of the {name}"),
            is_at_most(MOST_HEALTHZ_SECONDS, max(one.healthz_seconds), f"s for an answer of the {name}'s /healthz"),
            (not one.failures, f"/healthz of the {name} failed {len(one.failures)} times: {one.failures[:1]}"),
        ]
    return [f"{case.name}: {words}" for is_kept, words in checks if not is_kept]


# --- the finished jobs ------------------------------------------------------------------------------------------------


async def write_finished(cluster: SimulatedCluster, case: Restart) -> None:
    """Writes copies of the job that ran, and of its Jobs."""
    namespace = cluster.kubectl.within(NAMESPACE)
    job = namespace.get("trainingjob", "warm-up")
    stages = {stage: namespace.get("job", f"warm-up-{stage}") for stage in _STAGES} if case.has_jobs else {}
    os.environ["KUBECONFIG"] = str(cluster.kubeconfig)
    turn = asyncio.Semaphore(WRITTEN_AT_ONCE)

    async def write_one(name: str) -> None:
        async with turn:
            uid = await write(api, "trainingjobs", name, {**job, "metadata": {}})
            for stage, stage_job in stages.items():
                await write(api, "jobs", f"{name}-{stage}", copy_of_stage(stage_job, name, uid))

    async with await Api.connect(user_agent="benchmark") as api, asyncio.TaskGroup() as tasks:
        for number in range(case.jobs):
            tasks.create_task(write_one(f"finished-{number:05}"))


async def write(api: Api, plural: str, name: str, body: dict[str, Any]) -> str:
    """Creates an object and gives it its status; gives its uid."""
    named = {**body, "metadata": {**body["metadata"], "name": name}}
    made = await api.request("POST", path_of(plural, NAMESPACE), named)
    path = f"{path_of(plural, NAMESPACE, name)}/status"
    await api.request("PATCH", path, {"status": body["status"]}, content_type="application/merge-patch+json")
    uid: str = made["metadata"]["uid"]
    return uid


def copy_of_stage(stage_job: dict[str, Any], owner: str, uid: str) -> dict[str, Any]:
    """A stage's Job as another job's of this name and uid."""
    metadata, template = stage_job["metadata"], stage_job["spec"]["template"]
    labels = {name: owner if value == "warm-up" else value for name, value in metadata["labels"].items()}
    owners = [{**reference, "name": owner, "uid": uid} for reference in metadata["ownerReferences"]]
    pods = {name: value for name, value in template["metadata"]["labels"].items() if name not in _BY_UID}
    spec = {**stage_job["spec"], "template": {**template, "metadata": {**template["metadata"], "labels": pods}}}
    del spec["selector"]
    own_metadata = {"labels": labels, "annotations": metadata["annotations"], "ownerReferences": owners}
    return {**stage_job, "metadata": own_metadata, "spec": spec}


def create_job(cluster: SimulatedCluster, name: str) -> None:
    """Creates a job that the leader has something to write about."""
    cluster.kubectl.within(NAMESPACE).create(training_job(name, template=simulated("5s"), **ONE_STAGE))


# --- what is watched --------------------------------------------------------------------------------------------------


@contextmanager
def watched(operator: OperatorProcess) -> Iterator[Watched]:
    """Asks for /healthz again and again, from a replica's start to its end; ends it."""
    found, is_over = Watched(operator), threading.Event()
    asking = threading.Thread(target=ask_for_health, args=(found, is_over), daemon=True)
    asking.start()
    try:
        yield found
    finally:
        is_over.set()
        asking.join()
        operator.stop()


def ask_for_health(found: Watched, is_over: threading.Event) -> None:
    """Notes how long /healthz takes, and what is wrong with it."""
    while not is_over.wait(ASKED_EVERY_SECONDS):
        since = time.monotonic()
        try:
            found.operator.get("/healthz")
        except OSError as error:
            # Before its first answer the port is not open yet; then time-outs are failures too.
            if found.healthz_seconds and not found.is_ending:
                found.failures.append(str(error))
        else:
            found.healthz_seconds.append(time.monotonic() - since)


def seconds_to_write(audit: AuditLog, since: datetime) -> float:
    """Waits for the operators' first write after a moment, the Lease aside; gives the seconds until it came in."""
    until = time.monotonic() + STALLED_SECONDS
    while time.monotonic() < until:
        time.sleep(0.5)
        written = [entry.received for entry in own(audit.entries(USER, writes=True)) if entry.received > since]
        if written:
            return (min(written) - since).total_seconds()
    raise TimeoutError(f"no operator has written anything for {STALLED_SECONDS:.0f} s")


def wait_until_idle(operator: OperatorProcess) -> None:
    """Waits until a replica has listed everything, and rests."""
    used = -IDLE_SECONDS
    while (now := cpu_seconds(operator)) - used > IDLE_SHARE * IDLE_SECONDS:
        used = now
        time.sleep(IDLE_SECONDS)


def cpu_seconds(operator: OperatorProcess) -> float:
    """What a replica has used since its start."""
    assert operator.process is not None
    fields = Path(f"/proc/{operator.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_bytes(operator: OperatorProcess) -> int:
    """The most memory that a replica has had resident since its start."""
    assert operator.process is not None
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{operator.process.pid}/status").read_text())
    assert found is not None
    return 1024 * int(found[1])
