"""What a reconcile asks of the API server and reads in its answers, where a real one takes long to come to it."""

import asyncio
import json
from typing import Any

import pytest
from controller_support import MANIFEST, NAME, NAMESPACE, NOW, UID, begun, job_with
from prometheus_client import CollectorRegistry

from steelyard.controller.events import Event
from steelyard.controller.policies.waiting import Wait
from steelyard.controller.runtime.cluster import post_event, words_about
from steelyard.controller.runtime.prometheus import Metrics
from steelyard.controller.settings import Settings
from steelyard.controller.training.cache import Cache
from steelyard.controller.training.reconciler import Reconciler
from steelyard.kube import ApiError
from steelyard.kube.errors import Object

KEY = (NAMESPACE, NAME)


METADATA = {"namespace": NAMESPACE, "name": NAME, "uid": UID, "generation": 1, "resourceVersion": "7"}


class Server:
    """An API server without any TrainingJob; everything else can be made. Its Events have no more than they must."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def request(self, method: str, path: str, body: Object | None = None, **_: Any) -> Object:
        self.asked.append((method, path.rpartition(f"/{NAMESPACE}/")[2]))
        if "/trainingjobs/" in path:
            raise ApiError(404, "NotFound", f'trainingjobs.steelyard.dev "{NAME}" not found')
        if method == "GET":
            return {"items": [{"metadata": {"name": "event"}}]}
        assert body is not None
        return {**body, "metadata": {**body["metadata"], "uid": "child"}}


@pytest.fixture
def server() -> Server:
    return Server()


def test_no_child_is_made_again_of_a_job_that_is_gone(server: Server) -> None:
    """A watch that was interrupted missed its end; the garbage collector has removed its children."""
    cache = Cache()
    cache.bodies.put({**MANIFEST, "metadata": dict(METADATA), "status": begun(job_with(), "prepare")})
    settings, metrics = Settings(trainer_image="trainer:1"), Metrics(CollectorRegistry())
    # Logs are not looked at.
    reconciler = Reconciler(cache, server, server, settings, metrics)  # type: ignore[arg-type]
    assert asyncio.run(reconciler.reconcile(KEY)) is None
    assert server.asked == [("PATCH", f"trainingjobs/{NAME}/status")]
    assert cache.bodies.get(KEY) is None


class Edited:
    """An API server with a job that is over, and was edited since."""

    def __init__(self, refusal: ApiError | None = None) -> None:
        self.patches: list[Object | None] = []
        self._refusal = refusal

    async def request(self, method: str, path: str, body: Object | None = None, **_: Any) -> Object:
        assert (method, path.rpartition("/trainingjobs/")[2]) == ("PATCH", f"{NAME}/status")
        self.patches.append(body)
        if self._refusal is not None:
            raise self._refusal
        return {**MANIFEST, "metadata": {**EDITED, "resourceVersion": "8"}, "status": {**OVER, "observedGeneration": 2}}


EDITED = {**METADATA, "generation": 2}
OVER = {"observedGeneration": 1, "conditions": [{"type": "Complete", "status": "True"}]}


@pytest.mark.parametrize("refusal", [None, ApiError(422, "Invalid", "an older CRD let it in")])
def test_an_edit_after_the_end_is_answered_once_and_changes_nothing_else(refusal: ApiError | None) -> None:
    """`kubectl wait` passes over a condition of an older generation, so that it would wait for ever."""
    cache, server = Cache(), Edited(refusal)
    cache.bodies.put({**MANIFEST, "metadata": dict(EDITED), "status": OVER})
    settings, metrics = Settings(trainer_image="trainer:1"), Metrics(CollectorRegistry())
    reconciler = Reconciler(cache, server, server, settings, metrics)  # type: ignore[arg-type]
    assert asyncio.run(reconciler.reconcile(KEY)) is None
    assert server.patches == [{"metadata": {"resourceVersion": "7", "uid": UID}, "status": {"observedGeneration": 2}}]
    assert cache.bodies.get(KEY) is None


def test_an_event_that_says_nothing_is_one_all_the_same(server: Server) -> None:
    assert asyncio.run(words_about(server, NAMESPACE, UID)) == Wait("Warning", "")


def test_words_that_are_no_text_can_be_posted(server: Server) -> None:
    """A container's result document may hold half a character, as JSON can."""
    event = Event("Complete", json.loads('"half \\ud800"'))
    asyncio.run(post_event(server, {**MANIFEST, "metadata": METADATA}, event, NOW))
    assert server.asked == [("POST", "events")]
