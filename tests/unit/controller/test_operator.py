"""How a replica begins to lead, with fakes: the Lease is held while the Jobs are listed, and no page is missed."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import kopf
import pytest
from controller_support import NAME, NAMESPACE, UID
from prometheus_client import CollectorRegistry

from steelyard.controller import operator as module
from steelyard.controller.operator import Operator, kopf_settings
from steelyard.controller.runtime.cache import DueKey
from steelyard.controller.runtime.health import Heartbeat
from steelyard.controller.runtime.leadership import LeadershipLostError
from steelyard.controller.runtime.prometheus import Metrics
from steelyard.controller.settings import Settings
from steelyard.controller.training.cache import Cache
from steelyard.controller.tuning.cache import TuningCache
from steelyard.kube import PAGE_SIZE, ApiError

KEY = (NAMESPACE, NAME)
PATIENCE_SECONDS = 10.0


@pytest.fixture(autouse=True)
def no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the whole process's."""
    monkeypatch.setattr(module, "end_when_lost_in_a_stop", lambda *_: None)


def stage_job_body(stage: str) -> dict[str, Any]:
    """The body of a stage's Job."""
    return {
        "metadata": {
            "namespace": NAMESPACE,
            "name": f"{NAME}-{stage}",
            "uid": f"uid-{stage}",
            "resourceVersion": "3",
            "labels": {"steelyard.dev/job": NAME, "steelyard.dev/stage": stage},
            "ownerReferences": [{"uid": UID, "controller": True}],
        }
    }


class Server:
    """Lists Jobs, a page for each answer."""

    def __init__(self, *answers: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        self._answers = list(answers)
        self.asked: list[dict[str, str]] = []

    async def request(self, method: str, path: str, *, query: dict[str, str]) -> dict[str, Any]:
        assert method == "GET" and path == "/apis/batch/v1/jobs"
        self.asked.append(dict(query))
        return await self._answers.pop(0)()


class Leading:
    """A leadership that is renewed as often as the event loop turns."""

    def __init__(self) -> None:
        self.renewals = 0
        self.is_lost = asyncio.Event()

    async def acquire(self) -> None:
        pass

    async def hold(self) -> None:
        while not self.is_lost.is_set():
            self.renewals += 1
            await asyncio.sleep(0.001)
        raise LeadershipLostError("it is another's")

    def is_leader_now(self) -> bool:
        return True


class Reconciler:
    """Remembers what it was given, and what was known of it then."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.seen: list[set[str]] = []

    async def reconcile(self, key: tuple[str, str]) -> None:
        self.seen.append(set(self._cache.stages(key, UID)))


def operator_with(server: Server, leading: Leading) -> Operator:
    """An operator that has seen one job, and is not yet the leader."""
    cache = Cache()
    cache.bodies.put({"metadata": {"namespace": NAMESPACE, "name": NAME, "uid": UID, "resourceVersion": "5"}})
    fakes: Any = server, leading, Reconciler(cache)
    operator = Operator(
        Settings(trainer_image="trainer:1"),
        *fakes[:2],
        Metrics(CollectorRegistry()),
        fakes[2],
        cache,
        fakes[2],
        TuningCache(),
        fakes[2],
        Heartbeat(300, lambda: True),
    )
    operator._is_watching.set()
    return operator


async def until(is_so: Callable[[], bool]) -> None:
    """Waits for something that another task does."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():
            await asyncio.sleep(0.001)


async def ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def page(*stages: str, then: str = "") -> Callable[[], Awaitable[dict[str, Any]]]:
    """An answer with the Jobs of stages."""

    async def answer() -> dict[str, Any]:
        return {"metadata": {"continue": then}, "items": [stage_job_body(stage) for stage in stages]}

    return answer


def refusal(status: int) -> Callable[[], Awaitable[dict[str, Any]]]:
    async def answer() -> dict[str, Any]:
        raise ApiError(status, "", "no")

    return answer


def test_the_lease_is_renewed_while_a_long_list_comes_and_nothing_is_reconciled_before_its_end() -> None:
    async def lead() -> None:
        goes_on = asyncio.Event()

        async def slow() -> dict[str, Any]:
            await goes_on.wait()
            return await page("train")()

        server, leading = Server(page("prepare", then="more"), slow), Leading()
        operator = operator_with(server, leading)
        task = asyncio.create_task(operator._lead())
        await until(lambda: leading.renewals > 20)
        assert [asked.get("continue") for asked in server.asked] == [None, "more"]
        assert operator.reconciler.seen == []  # type: ignore[attr-defined]
        goes_on.set()
        await until(lambda: operator.reconciler.seen == [{"prepare", "train"}])  # type: ignore[attr-defined]
        await ended(task)

    asyncio.run(lead())


def test_a_page_that_an_overloaded_server_does_not_give_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lead() -> None:
        server = Server(page("prepare", then="more"), refusal(429), page("prepare", then="more"), page("train"))
        operator = operator_with(server, Leading())
        task = asyncio.create_task(operator._lead())
        await until(lambda: operator.reconciler.seen == [{"prepare", "train"}])  # type: ignore[attr-defined]
        await ended(task)

    monkeypatch.setattr(module, "LIST_AGAIN_SECONDS", 0.01)
    asyncio.run(lead())


def test_who_may_not_list_jobs_ends() -> None:
    async def lead() -> None:
        with pytest.raises(ApiError, match="403"):
            await asyncio.wait_for(operator_with(Server(refusal(403)), Leading())._lead(), PATIENCE_SECONDS)

    asyncio.run(lead())


def test_a_leadership_that_is_lost_while_a_list_comes_ends_it() -> None:
    async def lead() -> None:
        async def never() -> dict[str, Any]:
            return await asyncio.Event().wait()  # type: ignore[return-value]

        leading = Leading()
        operator = operator_with(Server(never), leading)
        asyncio.get_running_loop().call_later(0.05, leading.is_lost.set)
        with pytest.raises(LeadershipLostError):
            await asyncio.wait_for(operator._lead(), PATIENCE_SECONDS)

    asyncio.run(lead())


class Cleaner:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.seen: list[DueKey] = []

    async def reconcile(self, name: DueKey) -> None:
        self.seen.append(name)


def test_the_leader_cleans_up_what_is_due_and_nothing_before(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)

    async def lead() -> None:
        cleaner, operator = Cleaner(), operator_with(Server(page()), Leading())
        operator.clean_up = cleaner  # type: ignore[assignment]
        operator.cache.bodies.due.put(("trainingjobs", NAMESPACE, "over"), now - timedelta(days=1))
        operator.cache.bodies.due.put(("trainingjobs", NAMESPACE, "later"), now + timedelta(days=1))
        operator.tuning_cache.bodies.due.put(("tuningjobs", NAMESPACE, "over"), now)
        await asyncio.sleep(0.02)
        assert cleaner.seen == [], "it does not lead yet"
        task = asyncio.create_task(operator._lead())
        await until(lambda: len(cleaner.seen) == 2)
        operator.cache.bodies.due.put(("trainingjobs", NAMESPACE, "again"), now)
        await until(lambda: len(cleaner.seen) == 3)
        await ended(task)
        assert [name for _, _, name in cleaner.seen] == ["over", "over", "again"]

    monkeypatch.setattr(module, "LOOK_AT_CLOCK_SECONDS", 0.01)
    asyncio.run(lead())


def test_kopf_lists_by_pages_and_keeps_no_body_for_long() -> None:
    settings = kopf_settings()
    assert settings.watching.chunk_size == PAGE_SIZE
    assert settings.queueing.idle_timeout < kopf.OperatorSettings().queueing.idle_timeout / 10
