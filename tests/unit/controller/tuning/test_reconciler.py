"""What a reconcile of a search asks of the API server, and what it makes of its answers, without a cluster."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from controller_support import NAMESPACE
from controller_tuning_support import (
    FOREST,
    KEY,
    UID,
    answer,
    begun,
    body_with,
    context_with,
    forest_values,
    pack,
    trial,
)
from prometheus_client import CollectorRegistry

from steelyard.controller.runtime.cluster import NotNowError
from steelyard.controller.runtime.prometheus import Metrics
from steelyard.controller.settings import Settings
from steelyard.controller.tuning.cache import TuningCache
from steelyard.controller.tuning.facts import Child, Pack
from steelyard.controller.tuning.findings import Findings
from steelyard.controller.tuning.reconciler import LOOK_AFTER_SECONDS, TuningReconciler
from steelyard.kube import ApiError
from steelyard.kube.errors import Object
from steelyard.search.log import Entry, Values
from steelyard.tuning.asking_process import AskingError

SEARCH = context_with()


class Server:
    """An API server that makes what it is asked for, but for what it refuses."""

    def __init__(self, search: Object) -> None:
        self.search = search
        self.made: list[str] = []
        self.paused: list[str] = []
        self.events: list[str] = []
        self.found: dict[str, Object] = {}
        self.refusals: dict[str, ApiError] = {}
        self.log = ""

    async def request(
        self, method: str, path: str, body: Any = None, *, query: Mapping[str, str] | None = None, **_: Any
    ) -> Object:
        name = body["metadata"].get("name", "") if body else path.rpartition("/")[2]
        if path.endswith("/pods"):
            return {"items": [self.found["pod"]] if query else []}
        if path.endswith("/events"):
            self.events.append(body["reason"])
            return dict(body)
        if method == "PATCH" and "/trainingjobs/" in path:
            self.paused.append(path.rpartition("/")[2])
            raise ApiError(404, "NotFound", "gone meanwhile")
        if method == "PATCH":
            status = {**self.search.get("status", {}), **body["status"]}
            self.search = {
                **self.search,
                "status": {name: value for name, value in status.items() if value is not None},
            }
            self.search["metadata"] = {**self.search["metadata"], "resourceVersion": str(self.version + 1)}
            return json.loads(json.dumps(self.search))  # type: ignore[no-any-return]
        if method == "GET":
            if name in self.found:
                return self.found[name]
            raise ApiError(404, "NotFound", f"{name} not found")
        if name in self.refusals:
            raise self.refusals[name]
        if name in self.found:
            raise ApiError(409, "AlreadyExists", "it is there")
        self.made.append(name)
        return {**body, "metadata": {**body["metadata"], "uid": f"uid-{name}", "resourceVersion": "1"}}

    async def text(self, *_: Any, **__: Any) -> str:
        return self.log

    @property
    def version(self) -> int:
        return int(self.search["metadata"]["resourceVersion"])


class Asks:
    """Asks what `answer` and `forest_values` have."""

    def __init__(self, error: AskingError | None = None) -> None:
        self.error = error
        self.asked: list[tuple[int, list[int], int]] = []

    async def ask(
        self,
        uid: str,
        spec_json: str,
        number: int,
        known: Sequence[str],
        pending: Sequence[Values],
        prior: Sequence[Entry] = (),
    ) -> Values | None:
        if self.error is not None:
            raise self.error
        assert (uid, prior) == (UID, [])
        self.asked.append((number, [json.loads(line)[0] for line in known], len(pending)))
        return forest_values(number) if "randomForest" in spec_json else answer(number).values


def reconciler_of(
    body: Object, *children: Child, packs: Sequence[Pack] = (), asks: Asks | None = None
) -> tuple[TuningReconciler, Server]:
    """A reconciler that has seen these."""
    server, cache = Server(body), TuningCache()
    cache.bodies.put(body)
    for child in children:
        cache.jobs.put(child)
    for one in packs:
        cache.packs.put(one)
    settings, metrics = Settings(trainer_image="trainer:1"), Metrics(CollectorRegistry())
    findings = Findings(cache, server, server)  # type: ignore[arg-type]
    return TuningReconciler(cache, server, asks or Asks(), findings, settings, metrics), server


def reconciled(reconciler: TuningReconciler) -> float | None:
    return asyncio.run(reconciler.reconcile(KEY))


def conditions(server: Server) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["reason"], each["message"]) for each in server.search["status"]["conditions"]}


def test_the_status_says_that_it_began_before_anything_is_made() -> None:
    reconciler, server = reconciler_of(body_with())
    server.refusals["search-workspace"] = ApiError(500, "InternalError", "no")
    with pytest.raises(ApiError):
        reconciled(reconciler)
    assert server.search["status"]["phase"] == "Preparing" and server.made == []
    server.refusals.clear()
    reconciled(reconciler)
    assert server.made == ["search-workspace", "search-data"] and server.events == ["SearchStarted"]


def test_each_trial_is_created_with_what_it_may_know() -> None:
    asks = Asks()
    body = body_with("parallelTrials=3", status=begun(SEARCH, answer(0), answer(1)))
    reconciler, server = reconciler_of(body, trial(2, "Complete"), trial(3), asks=asks)
    reconciled(reconciler)
    assert asks.asked == [(4, [0, 1], 2), (5, [0, 1, 2], 2)] and server.made == ["search-4", "search-5"]
    assert reconciler.cache.jobs.of(KEY, UID) != [] and "search-2" not in {
        child.name for child in reconciler.cache.jobs.of(KEY, UID)
    }, "what is in the log is not kept a second time"


def test_a_trial_that_can_not_be_created_is_told_and_tried_again() -> None:
    reconciler, server = reconciler_of(body_with(status=begun(SEARCH)), asks=Asks(AskingError("the sampler failed")))
    with pytest.raises(NotNowError, match="the sampler failed"):
        reconciled(reconciler)
    assert server.events == ["TrialNotCreated"] and server.made == []


def test_a_trial_that_is_refused_has_failed_and_the_others_go_on() -> None:
    reconciler, server = reconciler_of(body_with(status=begun(SEARCH)))
    server.refusals["search-0"] = ApiError(422, "Invalid", "spec.model: no")
    assert reconciled(reconciler) == 0
    (entry,) = [Entry.decode(line, SEARCH.spec.parameters) for line in server.search["status"]["log"]]
    assert (entry.number, entry.state) == (0, "Failed") and "spec.model: no" in entry.reason
    reconciled(reconciler)
    assert server.made == ["search-1", "search-2"]


def test_a_quota_is_waited_for() -> None:
    reconciler, server = reconciler_of(body_with(status=begun(SEARCH)))
    server.refusals["search-0"] = ApiError(403, "Forbidden", "exceeded quota")
    with pytest.raises(NotNowError, match="exceeded quota"):
        reconciled(reconciler)
    assert server.events == ["Forbidden"] and "Failed" not in conditions(server)
    server.refusals.clear()
    reconciled(reconciler)
    assert sorted(server.made) == ["search-0", "search-1"]


def test_a_name_that_is_taken_fails_the_search() -> None:
    reconciler, server = reconciler_of(body_with(status=begun(SEARCH)), trial(1))
    server.found["search-0"] = {"metadata": {"name": "search-0", "uid": "another"}}
    assert reconciled(reconciler) is None
    assert conditions(server)["Failed"][0] == "ChildNameTaken" and server.paused == ["search-1"]


def test_a_trial_that_was_made_before_a_crash_is_found_and_counts() -> None:
    first, server = reconciler_of(body_with(status=begun(SEARCH)))
    reconciled(first)
    again, server = reconciler_of(body_with(status=begun(SEARCH)))
    made = first.cache.jobs.of(KEY, UID)[0]
    owner = {"uid": UID, "kind": "TuningJob", "name": "search", "controller": True}
    annotations = {"steelyard.dev/trials": json.dumps([[0, answer(7).values, None]])}
    labels = {"steelyard.dev/tuning-job": "search"}
    metadata = {"name": made.name, "namespace": NAMESPACE, "uid": "u", "labels": labels, "annotations": annotations}
    server.found[made.name] = {"metadata": {**metadata, "ownerReferences": [owner]}}
    reconciled(again)
    found = next(child for child in again.cache.jobs.of(KEY, UID) if child.name == made.name)
    assert found.suggestion is not None and found.suggestion.values == answer(7).values, "its own values, not today's"


def test_a_trial_whose_end_no_watch_told_of_is_missed_in_time() -> None:
    reconciler, server = reconciler_of(body_with(status=begun(SEARCH)), trial(0), trial(1))
    left = reconciled(reconciler)
    assert server.made == [] and left is not None and 0 < left <= LOOK_AFTER_SECONDS
    reconciler._memories[KEY].next_look = 0.0
    reconciled(reconciler)
    assert sorted(server.made) == ["search-0", "search-1"]


def test_what_a_broken_pack_has_answered_is_read_from_its_log() -> None:
    manifest = [*FOREST, "placement=Packed", "maxFailedTrials=9"]
    ended = pack(0, 3, "Failed")
    context = context_with(*manifest)
    reconciler, server = reconciler_of(body_with(*manifest, status=begun(context)), packs=[ended])
    terminated = {"exitCode": 137, "reason": "OOMKilled"}
    server.found["pod"] = {
        "metadata": {"name": "p", "uid": "p", "ownerReferences": [{"uid": ended.job.uid, "controller": True}]},
        "status": {"phase": "Failed", "containerStatuses": [{"name": "trainer", "state": {"terminated": terminated}}]},
    }
    server.log = 'noise\n{"event": "progress"}\n{"event": "trial", "trial": [1, "C", 0.5]}\n{"event": "trial"}\n'
    reconciled(reconciler)
    entries = [Entry.decode(line, context.spec.parameters) for line in server.search["status"]["log"]]
    assert [(entry.state, entry.value) for entry in entries] == [("Failed", None), ("Complete", 0.5), ("Failed", None)]
    assert entries[0].reason.startswith("OutOfMemory")


def test_a_pack_is_for_what_its_config_map_says() -> None:
    """The operator died between the two, and would ask something else today."""
    manifest = [*FOREST, "placement=Packed"]
    first, server = reconciler_of(body_with(*manifest, "maxTrials=3", status=begun(context_with(*manifest))))
    bodies: list[Object] = []
    post = server.request

    async def remember(method: str, path: str, body: Any = None, **more: Any) -> Object:
        if path.endswith(("/configmaps", "/jobs")):
            bodies.append(body)
        return await post(method, path, body, **more)

    server.request = remember  # type: ignore[method-assign]
    reconciled(first)
    config_map, job = bodies
    again, server = reconciler_of(body_with(*manifest, status=begun(context_with(*manifest))))
    server.found["search-pack-0"] = config_map

    async def forget(method: str, path: str, body: Any = None, **more: Any) -> Object:
        if path.endswith("/jobs"):
            bodies.append(body)
            return {**body, "metadata": {**body["metadata"], "uid": "u"}}
        return await Server.request(server, method, path, body, **more)

    server.request = forget  # type: ignore[method-assign]
    reconciled(again)
    assert bodies[2] == job and len(json.loads(job["metadata"]["annotations"]["steelyard.dev/trials"])) == 3


def test_a_new_best_is_told_now_and_then_only() -> None:
    body = body_with("maxTrials=9", status=begun(SEARCH, answer(0)))
    reconciler, server = reconciler_of(body, trial(1, "Complete"))
    reconciled(reconciler)
    reconciler.cache.jobs.put(trial(2, "Complete"))
    reconciled(reconciler)
    assert server.events == ["NewBest"] and server.search["status"]["best"]["trial"] == 2


def test_a_log_that_somebody_has_spoilt_fails_the_search() -> None:
    reconciler, server = reconciler_of(body_with(status={**begun(SEARCH), "log": ["rubbish"]}))
    assert reconciled(reconciler) is None
    assert "status.log was changed" in conditions(server)["Failed"][1]


def test_a_search_that_can_not_be_run_fails_with_the_field() -> None:
    reconciler, server = reconciler_of(body_with("maxTrials=0"))
    assert reconciled(reconciler) is None
    assert conditions(server)["Failed"][0] == "InvalidManifest" and "spec.maxTrials" in conditions(server)["Failed"][1]
    assert server.events == ["InvalidManifest"] and reconciler.cache.bodies.get(KEY) is None
