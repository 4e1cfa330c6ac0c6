"""What is done about jobs that are over, against an API server of a few objects: what goes, in which order, and what
stays."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from controller_support import NAME, NAMESPACE, UID

from steelyard.controller.observation import text_of
from steelyard.controller.runtime.cache import DueKey
from steelyard.controller.runtime.claim_users import ClaimUsers
from steelyard.controller.runtime.clean_up import CleanUp
from steelyard.controller.runtime.cluster import NotNowError
from steelyard.controller.training.cache import Cache
from steelyard.controller.tuning.cache import TuningCache
from steelyard.kube import ApiError
from steelyard.kube.errors import Object

JOB: DueKey = ("trainingjobs", NAMESPACE, NAME)
SEARCH: DueKey = ("tuningjobs", NAMESPACE, NAME)
CLAIM = f"{NAME}-workspace"


def ago(seconds: float) -> datetime:
    """The code asks for the time itself."""
    return datetime.now(UTC) - timedelta(seconds=seconds)


def over(kind: str = "TrainingJob", end: str = "Complete", seconds_ago: float = 60, **fields: Any) -> Object:
    """A job that is over; `runPolicy` and `workspace` as they are given, `metadata` put in."""
    spec = {"publish": [{"uri": "pvc://models/a"}], "workspace": fields.pop("workspace", {"retain": "Always"})}
    if kind == "TuningJob":
        spec = {"parameters": [], "template": spec}
    spec |= {"runPolicy": fields.pop("runPolicy", {})}
    time = text_of(ago(seconds_ago))
    ended = {"type": end, "status": "True", "reason": "r", "message": "m", "lastTransitionTime": time}
    metadata = {"namespace": NAMESPACE, "name": NAME, "uid": UID, "generation": 1, "resourceVersion": "7"}
    return {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": kind,
        "metadata": {**metadata, **fields.pop("metadata", {})},
        "spec": spec,
        "status": {"observedGeneration": 1, "completionTime": time, "conditions": [ended], **fields},
    }


def child(name: str, owner: str = UID, **labels: str) -> Object:
    """The metadata of an object that somebody controls."""
    reference = {"kind": "Job", "name": "its-job", "uid": owner, "controller": True}
    metadata = {"namespace": NAMESPACE, "name": name, "uid": f"uid-{name}", "ownerReferences": [reference]}
    return {"metadata": {**metadata, "labels": {f"steelyard.dev/{key}": value for key, value in labels.items()}}}


def pod(name: str, claim: str = CLAIM, **labels: str) -> Object:
    """A pod that mounts a claim."""
    volumes = [{"name": "tmp", "emptyDir": {}}, {"name": "a", "persistentVolumeClaim": {"claimName": claim}}]
    return {**child(name, "uid-of-its-job", **labels), "spec": {"volumes": volumes}}


class Server:
    """An API server with a job, its children and pods. Remembers what was written."""

    def __init__(
        self, job: Object | None, jobs: Any = (), pods: Any = (), claims: Any = (), children: Any = ()
    ) -> None:
        self.job = job
        self.lists = {"jobs": list(jobs), "pods": list(pods), "trainingjobs": list(children)}
        self.claims = {claim["metadata"]["name"]: claim for claim in claims}
        self.listed: list[str] = []
        self.deleted: list[tuple[str, Object]] = []
        self.said: list[tuple[str, str, str]] = []
        self.events: list[str] = []
        self.refusal: ApiError | None = None

    async def request(self, method: str, path: str, body: Object | None = None, **_: Any) -> Object:
        tail = path.rpartition(f"/{NAMESPACE}/")[2]
        resource, _, name = tail.partition("/")
        if method == "GET":
            return self._get(resource, name)
        if self.refusal is not None:
            raise self.refusal
        assert body is not None
        if method == "POST":
            assert tail == "events"
            self.events.append(body["message"])
            return body
        if method == "DELETE":
            self.deleted.append((tail, body))
            return {}
        assert method == "PATCH" and tail.endswith("/status") and self.job is not None
        assert body["metadata"] == {"uid": UID, "resourceVersion": self.job["metadata"]["resourceVersion"]}
        version = str(int(self.job["metadata"]["resourceVersion"]) + 1)
        self.job = {**self.job, "metadata": {**self.job["metadata"], "resourceVersion": version}}
        self.job["status"] = {**self.job["status"], **body["status"]}
        condition = self.job["status"]["conditions"][-1]
        self.said.append((condition["status"], condition["reason"], condition["message"]))
        return self.job

    def _get(self, resource: str, name: str) -> Object:
        if not name:
            self.listed.append(resource)
            return {"metadata": {}, "items": self.lists[resource]}
        found = self.job if resource in ("trainingjobs", "tuningjobs") else self.claims.get(name)
        if found is None:
            raise ApiError(404, "NotFound", f'{resource} "{name}" not found')
        return found


def cleaned(server: Server, name: DueKey = JOB, cache: Cache | None = None) -> CleanUp:
    """What has cleaned up after one job."""
    jobs = {"trainingjobs": (cache or Cache()).bodies, "tuningjobs": TuningCache().bodies}
    clean_up = CleanUp(jobs, server, ClaimUsers(server))
    assert asyncio.run(clean_up.reconcile(name)) is None
    return clean_up


# --- the time to live -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), [("TrainingJob", JOB), ("TuningJob", SEARCH)])
def test_a_job_goes_with_all_that_it_owns_as_it_was_read(kind: str, name: DueKey) -> None:
    server = Server(over(kind, runPolicy={"ttlSecondsAfterFinished": 60}))
    cleaned(server, name)
    preconditions = {"uid": UID, "resourceVersion": "7"}
    options = {"preconditions": preconditions, "propagationPolicy": "Background"}
    assert server.deleted == [(f"{name[0]}/{NAME}", options)] and server.listed == []
    assert server.events == ["the job was removed 60 s after its end, as spec.runPolicy.ttlSecondsAfterFinished says"]


@pytest.mark.parametrize(
    "job",
    [
        None,
        over(runPolicy={"ttlSecondsAfterFinished": 86400}),
        over(runPolicy={}),
        over(runPolicy={"ttlSecondsAfterFinished": 0}, observedGeneration=0),
        over(runPolicy={"ttlSecondsAfterFinished": 0}, conditions=[]),
        over(runPolicy={"ttlSecondsAfterFinished": 0}, metadata={"deletionTimestamp": "2026-01-02T03:04:05Z"}),
        over(runPolicy={"ttlSecondsAfterFinished": 0}, seconds_ago=-86400),
        over(
            runPolicy={"ttlSecondsAfterFinished": 0},
            metadata={"ownerReferences": [{"kind": "TuningJob", "name": "s", "uid": "s", "controller": True}]},
        ),
    ],
    ids=["gone", "early", "without", "edited since", "runs", "on its way", "a clock that jumped back", "a search's"],
)
def test_a_job_whose_time_has_not_come_stays(job: Object | None) -> None:
    server = Server(job)
    cleaned(server)
    assert server.deleted == server.said == server.listed == []


def test_a_time_that_was_changed_just_before_is_heard() -> None:
    server = Server(over(runPolicy={"ttlSecondsAfterFinished": 600}))
    clean_up = cleaned(server)
    assert server.deleted == [] and len(clean_up.jobs["trainingjobs"].due) == 1
    server = Server(over(runPolicy={"ttlSecondsAfterFinished": 0}))
    server.refusal = ApiError(409, "Conflict", "the object has been modified")
    with pytest.raises(NotNowError):
        cleaned(server)


def test_what_the_operator_may_not_do_is_tried_again_an_hour_later() -> None:
    server = Server(over(runPolicy={"ttlSecondsAfterFinished": 0}))
    server.refusal = ApiError(403, "Forbidden", "cannot delete resource")
    clean_up = cleaned(server)
    later = datetime.now(UTC) + timedelta(minutes=59)
    assert clean_up.jobs["trainingjobs"].due.pop(later) == []
    assert clean_up.jobs["trainingjobs"].due.pop(later + timedelta(minutes=2)) == [JOB]


# --- the workspace ----------------------------------------------------------------------------------------------------

NEVER = {"retain": "Never", "retainSeconds": 0}
OWN_PODS = [pod("prepare-1", job=NAME), pod("train-1", job=NAME)]
OWN_JOBS = [child(f"{NAME}-prepare"), child(f"{NAME}-train"), child("other-train", "uid-of-other")]
OWN_CLAIM = child(CLAIM)


def test_the_claim_goes_with_the_jobs_of_the_stages_and_the_status_says_so() -> None:
    server = Server(over(workspace=NEVER), OWN_JOBS, [*OWN_PODS, pod("other-1", "other-workspace")], [OWN_CLAIM])
    clean_up = cleaned(server)
    assert [(tail, body["preconditions"]["uid"]) for tail, body in server.deleted] == [
        (f"jobs/{NAME}-prepare", f"uid-{NAME}-prepare"),
        (f"jobs/{NAME}-train", f"uid-{NAME}-train"),
        (f"persistentvolumeclaims/{CLAIM}", f"uid-{CLAIM}"),
    ]
    ((status, reason, message),) = server.said
    assert (status, reason) == ("True", "Removed") and message.startswith(f"the claim {CLAIM} and the pods of all")
    assert len(clean_up.jobs["trainingjobs"].due) == 0
    cleaned(server)
    assert len(server.said) == 1 and len(server.deleted) == 3, "it is done once"


def test_a_claim_that_is_not_the_jobs_own_is_left() -> None:
    server = Server(over(workspace=NEVER), OWN_JOBS, OWN_PODS, [child(CLAIM, "uid-of-a-successor")])
    cleaned(server)
    assert [tail for tail, _ in server.deleted] == [f"jobs/{NAME}-prepare", f"jobs/{NAME}-train"]


@pytest.mark.parametrize(
    ("other", "whose"),
    [
        (pod("reads-1", job="reads"), "the pod reads-1 of the TrainingJob reads"),
        (pod("s-1-train", job="s-1", **{"tuning-job": "s"}), "the pod s-1-train of the TuningJob s"),
        (pod("nightly"), "the pod nightly of the Job its-job"),
    ],
)
def test_a_claim_that_another_pod_mounts_stays_and_the_status_says_whose(other: Object, whose: str) -> None:
    server = Server(over(workspace=NEVER), OWN_JOBS, [*OWN_PODS, other], [OWN_CLAIM])
    cache = Cache()
    cleaned(server, cache=cache)
    said = ("False", "InUse", f"the claim {CLAIM} stays as long as {whose} needs it")
    assert server.deleted == [] and server.said == [said]
    assert cache.bodies.due.pop(ago(-25)) == [] and cache.bodies.due.pop(ago(-31)) == [JOB]
    assert server.job is not None
    server.job["status"]["conditions"][-1]["lastTransitionTime"] = text_of(ago(40))
    cleaned(server, cache=cache)
    assert server.said == [said], "what is as it was is not said again"
    assert cache.bodies.due.pop(ago(-25)) == [] and cache.bodies.due.pop(ago(-31)) == [JOB], "it is looked at again"
    server.lists["pods"] = OWN_PODS
    cleaned(server, cache=cache)
    assert server.said[-1][:2] == ("True", "Removed") and len(server.deleted) == 3


def test_a_claim_stays_that_a_job_names_which_is_not_over() -> None:
    """Between two stages it has no pod."""
    cache = Cache()
    metadata = {"namespace": NAMESPACE, "name": "reads", "uid": "uid-reads", "resourceVersion": "1"}
    cache.bodies.put(
        {"kind": "TrainingJob", "metadata": metadata, "spec": {"dataset": {"uri": f"pvc://{CLAIM}/{NAME}/prepared"}}}
    )
    server = Server(over(workspace=NEVER), OWN_JOBS, OWN_PODS, [OWN_CLAIM])
    cleaned(server, cache=cache)
    assert server.deleted == [] and "the TrainingJob reads, which is not over, needs it" in server.said[0][2]


def test_a_search_says_first_that_it_can_not_go_on_and_its_trials_jobs_go() -> None:
    trials = [child("s-0"), child("s-1"), child("foreign", "uid-of-another-search")]
    jobs = [child(f"{NAME}-pack-0"), child("s-0-train", "uid-s-0"), child("foreign-train", "uid-foreign")]
    pods = [pod("s-0-train-x", job="s-0", **{"tuning-job": NAME})]
    server = Server(over("TuningJob", workspace=NEVER), jobs, pods, [OWN_CLAIM], trials)
    cleaned(server, SEARCH)
    assert [reason for _, reason, _ in server.said] == ["Removing", "Removed"]
    deleted = [tail for tail, _ in server.deleted]
    assert deleted == [f"jobs/{NAME}-pack-0", "jobs/s-0-train", f"persistentvolumeclaims/{CLAIM}"]
    assert "spec.template.workspace.retain is Never" in server.said[-1][2]


def test_a_namespaces_pods_are_listed_once_for_many_jobs() -> None:
    server = Server(over(workspace=NEVER), OWN_JOBS, OWN_PODS, [OWN_CLAIM])
    users = ClaimUsers(server)

    async def look() -> None:
        await asyncio.gather(*(users.of(NAMESPACE, ago(60)) for _ in range(50)))
        assert server.listed == ["jobs", "pods"]
        await users.of(NAMESPACE, datetime.now(UTC))

    asyncio.run(look())
    assert server.listed == ["jobs", "pods"] * 2, "what was read before a job's end lacks its last Jobs"


# --- what is due when -------------------------------------------------------------------------------------------------


def test_a_job_that_ends_is_due_and_one_that_goes_on_or_is_gone_is_not() -> None:
    cache = Cache()
    cache.bodies.put(over(runPolicy={"ttlSecondsAfterFinished": 60}, workspace={}, seconds_ago=60))
    assert len(cache.bodies.due) == 1
    cache.bodies.put(over(runPolicy={"ttlSecondsAfterFinished": 60}, metadata={"resourceVersion": "8"}, conditions=[]))
    assert len(cache.bodies.due) == 0
    cache.bodies.put(over(runPolicy={"ttlSecondsAfterFinished": 60}, metadata={"resourceVersion": "9"}))
    cache.bodies.drop(NAMESPACE, NAME, "a former one")
    assert len(cache.bodies.due) == 1
    cache.bodies.put(over(runPolicy={}, metadata={"resourceVersion": "10"}))
    assert len(cache.bodies.due) == 0, "it was taken back after the end"
    cache.bodies.put(over(runPolicy={"ttlSecondsAfterFinished": 60}, metadata={"resourceVersion": "11"}))
    cache.bodies.drop(NAMESPACE, NAME, UID)
    assert len(cache.bodies.due) == 0


def test_a_thousand_finished_jobs_cost_a_line_each_and_no_request() -> None:
    cache = Cache()
    for number in range(1000):
        cache.bodies.put(over(metadata={"name": f"j{number}", "uid": f"u{number}"}))
    assert len(cache.bodies.due) == 0 and len(cache.bodies._finished) == 1000
