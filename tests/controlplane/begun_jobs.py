"""30 jobs of both kinds, in all stages in which an operator may have to leave them to the next one."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from cluster.api import Api, ApiError
from operator_support import ONE_STAGE, claim, simulated, training_job
from training_jobs import is_over
from tuning_support import FOREST, FOREST_GRID, tuning_job

LATE_CLAIM = "late"
"""A claim that a job waits for."""
ALLOWED_CLAIMS = f"data,models,{LATE_CLAIM}"
DEADLINE_SECONDS = 30
"""Longer than it takes until the old operator is gone, on a machine that has time."""
OBJECTS = ("persistentvolumeclaims", "services", "configmaps", "jobs", "trainingjobs")
"""What operators make."""
HOLD = "steelyard.test/hold"
JOB_LABEL, TUNING_LABEL = "steelyard.dev/job", "steelyard.dev/tuning-job"


class Ends(Enum):
    """When the pods may end that a job holds."""

    LATER = "when the next operator runs"
    MEANWHILE = "while no operator runs"
    NEVER = "never"


@dataclass(frozen=True)
class Begun:
    """A job that an operator has begun."""

    manifest: dict[str, Any]
    phase: str
    """Where it stands then, as its status calls it."""
    last: str = "Complete"
    """Its phase in the end."""
    ends: Ends = Ends.LATER
    created: int = 0
    """How many of its trials there are then, of which `running` still run."""
    running: int = 0
    fails_first: bool = False
    """Whether a pod has failed by then, and another is to come."""
    is_paused: bool = False
    """Whether its user has suspended it there."""
    is_resumed: bool = False
    """Whether its user has it go on later."""

    @property
    def name(self) -> str:
        """The job's."""
        return str(self.manifest["metadata"]["name"])

    @property
    def resource(self) -> str:
        """The plural of its kind."""
        return f"{self.manifest['kind'].lower()}s"

    def stands(self, job: dict[str, Any]) -> bool:
        """Whether a job is where it is to be left, pods aside."""
        status = job.get("status") or {}
        trials = status.get("trials") or {"created": 0, "running": 0}
        is_here = (trials["created"], trials["running"]) == (self.created, self.running)
        # On a slow machine a deadline may pass before the operator is gone.
        phases = (self.phase, self.last) if self.ends is Ends.NEVER else (self.phase,)
        return status.get("phase") in phases and (is_here or not self.created)

    @property
    def needs(self) -> str:
        """The phase that one of its pods is to be in then; empty where none need be there."""
        if self.fails_first:
            return "Failed"
        return "Running" if self.phase in ("Preparing", "Training", "Searching", "Finishing") else ""

    def has_ended(self, job: dict[str, Any]) -> bool:
        """Whether nothing more is to come."""
        return is_over(job) or (self.last == "Suspended" and job["status"]["phase"] == "Suspended")


def is_final(phase: str) -> bool:
    """Whether a job in this phase is over."""
    return phase in ("Complete", "Failed")


def _training(name: str, phase: str, hold: str = "-train-", /, **given: Any) -> Begun:
    """A TrainingJob; `given` holds what Begun has, annotations of its pods, and its spec."""
    fields = {field: given.pop(field) for field in _FIELDS if field in given}
    annotations = {field: given.pop(field) for field in _ANNOTATIONS if field in given}
    template = {"template": simulated("50ms", hold=hold, **annotations)}
    return Begun(training_job(name, **{**template, **given}), phase, **fields)


def _search(name: str, phase: str, hold: str, /, **given: Any) -> Begun:
    """The same of a TuningJob."""
    fields = {field: given.pop(field) for field in _FIELDS if field in given}
    annotations = {field: given.pop(field) for field in _ANNOTATIONS if field in given}
    template = {**given.pop("template", {}), "template": simulated("50ms", hold=hold, **annotations)}
    return Begun(tuning_job(name, template=template, **given), phase, **fields)


_FIELDS = ("last", "ends", "fails_first", "created", "running", "is_paused", "is_resumed")
_ANNOTATIONS = ("exit_code", "fail_stage", "fail_trials")
_SUSPENDED = {"runPolicy": {"suspend": True}}
_LARGE = {"strategy": "Explicit", "weights": {f"{n:03}{'x' * 200}": 1.5 for n in range(340)}}
"""Makes a spec of more than 64 KiB, for which there is a ConfigMap."""

JOBS: dict[str, Begun] = {
    begun.name: begun
    for begun in (
        # Before anything runs.
        _training(
            "no-claim", "Waiting", **{**ONE_STAGE, "dataset": {**ONE_STAGE["dataset"], "uri": f"pvc://{LATE_CLAIM}/x"}}
        ),
        _training("suspended-at-once", "Suspended", is_resumed=True, **_SUSPENDED),
        # In each stage.
        _training("prepares", "Preparing", "-prepare-"),
        _training("prepared-meanwhile", "Preparing", "-prepare-", ends=Ends.MEANWHILE),
        _training("trains", "Training", **ONE_STAGE),
        _training("trains-with-three", "Training", compression={}, training={"workers": 3, "epochs": 3}),
        _training("half-trained", "Training", "-train-0-"),
        _training("trained-meanwhile", "Training", ends=Ends.MEANWHILE),
        _training("large", "Training", **{**ONE_STAGE, "training": {"workers": 1, "classWeights": _LARGE}}),
        _training("finishes", "Finishing", "-finish-"),
        # Pods that fail: of the first two the first one already, as the next comes 10 s later.
        _training(
            "crashes",
            "Training",
            last="Failed",
            fails_first=True,
            exit_code="1",
            fail_stage="train",
            runPolicy={"backoffLimit": 1},
            **ONE_STAGE,
        ),
        _training(
            "interrupted",
            "Training",
            last="Failed",
            fails_first=True,
            exit_code="75",
            fail_stage="train",
            runPolicy={"disruptionLimit": 1},
            **ONE_STAGE,
        ),
        _training("finishes-badly", "Finishing", "-finish-", last="Failed", exit_code="10", fail_stage="finish"),
        _training(
            "late",
            "Training",
            last="Failed",
            ends=Ends.NEVER,
            runPolicy={"activeDeadlineSeconds": DEADLINE_SECONDS},
            **ONE_STAGE,
        ),
        # Suspended while they train.
        _training("pauses", "Training", is_paused=True, is_resumed=True, publish=[]),
        _training("stays-paused", "Training", is_paused=True, last="Suspended", publish=[]),
        # Over.
        _training("complete", "Complete", "^$"),
        _training("failed", "Failed", "^$", last="Failed", exit_code="65", fail_stage="prepare"),
        _training("refused", "Failed", "^$", last="Failed", publish=[{"uri": "pvc://others/x"}]),
        _training("two-stages", "Complete", "^$", publish=[], training={"workers": 1}),
        # Searches.
        _search("search-prepares", "Preparing", "-data-prepare-"),
        _search("search-midway", "Searching", "-[23]-train-", created=4, running=2),
        _search(
            "search-pruned",
            "Searching",
            "-[45]-train-",
            created=6,
            running=2,
            algorithm={"name": "TPE", "seed": 3, "startupTrials": 2},
            pruning={"name": "Median", "startupTrials": 2},
            maxTrials=10,
        ),
        _search("search-failing", "Searching", "-[23]-train-", created=4, running=2, fail_trials="1 3"),
        _search(
            "search-packed",
            "Searching",
            "-pack-",
            template=FOREST,
            placement="Packed",
            created=12,
            running=12,
            **FOREST_GRID,
        ),
        _search(
            "search-packed-meanwhile",
            "Searching",
            "-pack-",
            template=FOREST,
            placement="Auto",
            created=12,
            running=10,
            ends=Ends.MEANWHILE,
            **FOREST_GRID,
        ),
        _search("search-publishes", "Finishing", "-best-finish-"),
        _search("search-pauses", "Searching", "-[01]-train-", created=2, running=2, is_paused=True, is_resumed=True),
        _search("search-complete", "Complete", "^$"),
        _search("search-failed", "Failed", "^$", last="Failed", exit_code="65", fail_stage="prepare"),
    )
}


class Place:
    """A namespace with all the jobs."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self.namespace = namespace

    def create(self) -> None:
        """Creates the jobs, and the claims that they find."""
        for name in ("data", "models"):
            self._api.request("POST", self._path("persistentvolumeclaims"), claim(name))
        for begun in JOBS.values():
            self._api.request("POST", self._path(begun.resource), begun.manifest)

    def jobs(self) -> dict[str, dict[str, Any]]:
        """The jobs as they are, by name."""
        found = [*self._list("trainingjobs"), *self._list("tuningjobs")]
        return {each["metadata"]["name"]: each for each in found if each["metadata"]["name"] in JOBS}

    def left_to_stand(self) -> dict[str, Any]:
        """The status of each job that is not yet where it is to be left, or whose pods are not."""
        jobs, pods = self.jobs(), {(_job_of(pod), pod["status"].get("phase", "")) for pod in self._pods()}
        return {
            name: jobs[name].get("status") if name in jobs else None
            for name, begun in JOBS.items()
            if name not in jobs
            or not begun.stands(jobs[name])
            or (begun.needs and not is_final(jobs[name]["status"]["phase"]) and (name, begun.needs) not in pods)
        }

    def let_first_fail(self) -> None:
        """Lets a pod end of each job of which one is to fail, where none has yet."""
        pods = self._pods()
        failed = {_job_of(pod) for pod in pods if pod["status"].get("phase") == "Failed"}
        for pod in pods:
            if JOBS[_job_of(pod)].fails_first and _job_of(pod) not in failed:
                self._let_go(pod)

    def let_go(self, *when: Ends) -> None:
        """Lets pods end that there are by now, of the jobs whose pods may end then."""
        for pod in self._pods():
            if JOBS[_job_of(pod)].ends in when:
                self._let_go(pod)

    def pause(self) -> None:
        """Suspends the jobs that are to pause where they stand."""
        for begun in JOBS.values():
            if begun.is_paused:
                self._suspend(begun, True)

    def go_on(self) -> None:
        """Has suspended jobs go on, and makes the claim that one waits for."""
        for begun in JOBS.values():
            if begun.is_resumed:
                self._suspend(begun, False)
        self._api.request("POST", self._path("persistentvolumeclaims"), claim(LATE_CLAIM))

    def stages_that_run(self, when: Ends) -> list[str]:
        """The Jobs of those jobs that have not ended."""
        jobs = [job for job in self._list("jobs") if (begun := JOBS.get(_job_of(job))) and begun.ends is when]
        return [job["metadata"]["name"] for job in jobs if "completionTime" not in job["status"]]

    def children(self) -> dict[tuple[str, str], str]:
        """The uids of what operators made here, by resource and name."""
        found = [(resource, each["metadata"]) for resource in OBJECTS for each in self._list(resource)]
        return {(resource, each["name"]): each["uid"] for resource, each in found if "ownerReferences" in each}

    def _pods(self) -> list[dict[str, Any]]:
        return [pod for pod in self._list("pods") if _job_of(pod) in JOBS]

    def _let_go(self, pod: dict[str, Any]) -> None:
        if HOLD not in pod["metadata"]["annotations"]:
            return
        try:
            self._patch(f"{self._path('pods')}/{pod['metadata']['name']}", {"metadata": {"annotations": {HOLD: None}}})
        except ApiError as error:
            if error.code != 404:  # It is gone meanwhile.
                raise

    def _suspend(self, begun: Begun, is_to_pause: bool) -> None:
        path = f"{self._path(begun.resource)}/{begun.name}"
        self._patch(path, {"spec": {"runPolicy": {"suspend": is_to_pause}}})

    def _patch(self, path: str, change: dict[str, Any]) -> None:
        self._api.request("PATCH", path, change, "application/merge-patch+json")

    def _list(self, resource: str) -> list[dict[str, Any]]:
        return list(self._api.get(self._path(resource))["items"])

    def _path(self, resource: str) -> str:
        groups = {"trainingjobs": "apis/steelyard.dev/v1alpha1", "jobs": "apis/batch/v1"}
        groups["tuningjobs"] = groups["trainingjobs"]
        return f"/{groups.get(resource, 'api/v1')}/namespaces/{self.namespace}/{resource}"


def _job_of(thing: dict[str, Any]) -> str:
    """The one of JOBS that a pod or a Job belongs to."""
    labels = thing["metadata"].get("labels") or {}
    return str(labels.get(TUNING_LABEL) or labels.get(JOB_LABEL))
