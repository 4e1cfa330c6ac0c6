"""The operator as a whole: watches by kopf, a queue, and workers that reconcile while this replica leads.

kopf only watches: raw events of TrainingJobs, TuningJobs and our Jobs go into caches and their keys into queues. It
keeps no state in annotations, adds no finalizer, posts no Events. Imports kopf, kube and the other parts of the
controller.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import kopf

from steelyard.api.errors import ConfigurationError
from steelyard.contract.stages import ExitCode, Reason
from steelyard.controller.names import MANAGED_BY
from steelyard.controller.observation import StageJob
from steelyard.controller.runtime.cache import DueKey, Key
from steelyard.controller.runtime.clean_up import CleanUp
from steelyard.controller.runtime.cluster import NotNowError
from steelyard.controller.runtime.health import Heartbeat
from steelyard.controller.runtime.leadership import Leadership, LeadershipLostError, end_when_lost_in_a_stop
from steelyard.controller.runtime.logs import about_job
from steelyard.controller.runtime.prometheus import Metrics
from steelyard.controller.runtime.work_queue import WorkQueue
from steelyard.controller.settings import Settings
from steelyard.controller.training.cache import Cache
from steelyard.controller.training.reconciler import Reconciler
from steelyard.controller.tuning.cache import TuningCache
from steelyard.controller.tuning.facts import Child, Pack
from steelyard.controller.tuning.reconciler import TuningReconciler
from steelyard.kube import PAGE_SIZE, Api, ApiError, ConnectionFailedError, Requester, pages, path_of

GROUP, VERSION, PLURAL, TUNINGS = "steelyard.dev", "v1alpha1", "trainingjobs", "tuningjobs"
WATCH_SECONDS = 300
TUNING_RECONCILERS = 4
"""How many searches are reconciled at once."""
CLEANERS = 2
"""How many jobs that are over are cleaned up at once: there may be thousands, and they do not hurry."""
STOP_SECONDS = 20.0
"""How long reconciles that are under way may take to end by themselves."""

LIST_AGAIN_SECONDS = 5.0
LOOK_AT_CLOCK_SECONDS = 1.0
"""How often it is looked what is due by now."""
IDLE_SECONDS = 0.1
"""How long kopf keeps an object's body after the handler is done. Its default of 5 s kept all that a start lists."""

AnyKey = TypeVar("AnyKey", Key, DueKey)

logger = logging.getLogger(__name__)


@dataclass
class Operator:
    """Everything that runs in one replica."""

    settings: Settings
    api: Api
    leadership: Leadership
    metrics: Metrics
    reconciler: Reconciler
    cache: Cache
    tuning_reconciler: TuningReconciler
    tuning_cache: TuningCache
    clean_up: CleanUp
    heartbeat: Heartbeat | None = None
    queue: WorkQueue[Key] = field(default_factory=WorkQueue)
    tuning_queue: WorkQueue[Key] = field(default_factory=WorkQueue)
    clean_queue: WorkQueue[DueKey] = field(default_factory=WorkQueue)
    _is_watching: asyncio.Event = field(default_factory=asyncio.Event)
    _under_way: set["asyncio.Task[None]"] = field(default_factory=set)
    """Reconciles: a graceful stop lets them end."""
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self) -> None:
        """Asks for a graceful end."""
        self._stop.set()

    def is_ready(self) -> str | None:
        """A check of readiness: followers are ready too."""
        return None if self._is_watching.is_set() else "the watches are not yet open"

    async def run(self) -> None:
        """Runs until SIGTERM, SIGINT, or a call of `stop`.

        Raises:
            ConfigurationError: the cluster does not serve our resources.
            LeadershipLostError: another replica may lead by now; the process must end.
        """
        self._handle_signals()
        await check_resources_are_served(self.api, self.settings)
        watching = asyncio.create_task(self._watch(), name="watch")
        working = asyncio.create_task(self._lead(), name="lead")
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            done, _ = await asyncio.wait({watching, working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            # kopf's watching ends by itself at a signal that came before it was ready.
            if done == {working}:
                raise RuntimeError("the operator's work ended by itself")
        finally:
            await _end(working, stopping)
            # A request that was sent may still be carried out when another replica begins: its answer is waited for.
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=STOP_SECONDS)
            await _end(*self._under_way)
            await self.leadership.release()
            # The last, as kopf cancels every task that is younger than its own.
            await _end(watching)

    def _handle_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stop)

    # --- watching -----------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(self._log_in)
        kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)(self._on_job)
        kopf.on.event(GROUP, VERSION, TUNINGS, registry=registry)(self._on_tuning)
        kopf.on.event("batch", "v1", "jobs", registry=registry)(self._on_stage_job)
        await kopf.operator(
            registry=registry,
            settings=kopf_settings(),
            standalone=True,
            # kopf would look up the user's name, which a numeric user of a container has not.
            identity="steelyard",  # type: ignore[arg-type]  # kopf keeps its NewType of str to itself.
            clusterwide=not self.settings.namespaces,
            namespaces=self.settings.namespaces,
            ready_flag=self._is_watching,
        )

    async def _log_in(self, **_: Any) -> kopf.ConnectionInfo:
        """kopf's connection is to be ours; it asks again when a token has expired."""
        credentials = await self.api.credentials()
        return kopf.ConnectionInfo(
            server=self.api.host,
            ca_path=credentials.ca_file,
            insecure=credentials.is_insecure,
            certificate_path=credentials.certificate_file,
            private_key_path=credentials.key_file,
            scheme=credentials.scheme,
            token=credentials.token,
        )

    async def _on_job(self, event: Any, **_: Any) -> None:
        body = dict(event["object"])
        metadata = body["metadata"]
        gone = event["type"] == "DELETED"
        if (child := Child.of(body)) is not None:
            self._enqueue_tuning(self.tuning_cache.jobs.drop(child) if gone else self.tuning_cache.jobs.put(child))
        if gone:
            self.cache.bodies.drop(metadata["namespace"], metadata["name"], metadata["uid"])
        else:
            self._enqueue(self.cache.bodies.put(body))

    async def _on_tuning(self, event: Any, **_: Any) -> None:
        body = dict(event["object"])
        metadata = body["metadata"]
        if event["type"] == "DELETED":
            self.tuning_cache.bodies.drop(metadata["namespace"], metadata["name"], metadata["uid"])
        else:
            self._enqueue_tuning(self.tuning_cache.bodies.put(body))

    async def _on_stage_job(self, event: Any, **_: Any) -> None:
        body = dict(event["object"])
        gone = event["type"] == "DELETED"
        if (stage_job := StageJob.of(body)) is not None:
            self._enqueue(self.cache.stage_jobs.drop(stage_job) if gone else self.cache.stage_jobs.put(stage_job))
        elif (pack := Pack.of(body)) is not None:
            self._enqueue_tuning(self.tuning_cache.packs.drop(pack) if gone else self.tuning_cache.packs.put(pack))

    def _enqueue(self, key: Key | None) -> None:
        """What is over, and what says nothing new, costs nothing more than its event."""
        if key is not None and self.cache.bodies.get(key) is not None:
            self.queue.add(key)

    def _enqueue_tuning(self, key: Key | None) -> None:
        if key is not None and self.tuning_cache.bodies.get(key) is not None:
            self.tuning_queue.add(key)

    # --- working ------------------------------------------------------------------------------------------------------

    async def _lead(self) -> None:
        """Waits for the leadership, then works for as long as it is held."""
        await self._is_watching.wait()
        # kopf has taken the signals for itself, and would cancel reconciles that are under way.
        self._handle_signals()
        await self.leadership.acquire()
        end_when_lost_in_a_stop(self.leadership, ExitCode.TRY_AGAIN)
        self.metrics.is_leader.set(1)
        # From now on, however long the rest takes: a Lease that is not renewed is soon another replica's.
        holding = asyncio.create_task(self.leadership.hold(), name="hold")
        working = asyncio.create_task(self._work_all(), name="work")
        try:
            done, _ = await asyncio.wait({holding, working}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self.metrics.is_leader.set(0)
            await _end(working, holding)

    async def _work_all(self) -> None:
        """Works on the queues, once it is known what there is."""
        await self._fill_cache()
        lanes: list[_Lane[Any]] = [
            *[_Lane(self.queue, self.reconciler.reconcile)] * self.settings.reconcilers,
            *[_Lane(self.tuning_queue, self.tuning_reconciler.reconcile)] * TUNING_RECONCILERS,
            *[_Lane(self.clean_queue, self.clean_up.reconcile)] * CLEANERS,
        ]
        workers = [asyncio.create_task(self._work(lane), name=f"worker-{i}") for i, lane in enumerate(lanes)]
        workers.append(asyncio.create_task(self._look_at_clock(), name="clock"))
        try:
            done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _end(*workers)

    async def _fill_cache(self) -> None:
        """Reads all stages' Jobs once, so that none is made for which the watch was merely slower."""
        while True:
            try:
                await self._read_stage_jobs()
                break
            except (ApiError, ConnectionFailedError) as error:
                # One page of many that an overloaded server does not answer must not cost the leadership.
                if isinstance(error, ApiError) and not error.is_passing:
                    raise
                logger.warning("%s; the Jobs are listed again in %.0f s", error, LIST_AGAIN_SECONDS)
                await asyncio.sleep(LIST_AGAIN_SECONDS)
        for key in self.cache.bodies.all_keys():
            self.queue.add(key)
        for key in self.tuning_cache.bodies.all_keys():
            self.tuning_queue.add(key)

    async def _read_stage_jobs(self) -> None:
        for namespace in self.settings.namespaces or (None,):
            async for page in pages(self.api, path_of("jobs", namespace), {"labelSelector": MANAGED_BY}):
                while page:  # None is to be held while the next page comes.
                    body = page.pop()
                    if (stage_job := StageJob.of(body)) is not None:
                        self.cache.stage_jobs.put(stage_job)
                    elif (pack := Pack.of(body)) is not None:
                        self.tuning_cache.packs.put(pack)
                self._beat()

    async def _look_at_clock(self) -> None:
        """Has done what is due about jobs that are over. By the wall clock, as their ends are."""
        while True:
            now = datetime.now(UTC)
            for due in (self.cache.bodies.due, self.tuning_cache.bodies.due):
                for name in due.pop(now):
                    self.clean_queue.add(name)
            await asyncio.sleep(LOOK_AT_CLOCK_SECONDS)

    async def _work(self, lane: "_Lane[Any]") -> None:
        while True:
            key = await lane.queue.get()
            self.metrics.queue_depth.set(len(self.queue) + len(self.tuning_queue))
            with about_job(*key[-2:]):
                reconcile = asyncio.create_task(self._reconcile(lane, key))
            self._under_way.add(reconcile)
            reconcile.add_done_callback(self._under_way.discard)
            try:
                await asyncio.shield(reconcile)
            finally:
                lane.queue.done(key)
                self._beat()

    def _beat(self) -> None:
        if self.heartbeat is not None:
            self.heartbeat.beat()

    async def _reconcile(self, lane: "_Lane[Any]", key: Any) -> None:
        self.metrics.reconciles.inc()
        try:
            again_after = await lane.reconcile(key)
        except NotNowError as reason:
            pause = lane.queue.add_after_error(key)
            logger.info("%s; again in %.1f s", reason, pause)
        except LeadershipLostError:
            raise
        except (ApiError, ConnectionFailedError) as error:
            self.metrics.reconcile_errors.inc()
            pause = lane.queue.add_after_error(key)
            logger.warning("%s; again in %.1f s", error, pause)
        except Exception:
            # One job's trouble must not be the others'.
            self.metrics.reconcile_errors.inc()
            pause = lane.queue.add_after_error(key)
            logger.exception("the reconcile failed; again in %.1f s", pause)
        else:
            lane.queue.succeeded(key)
            if again_after is None:
                lane.queue.forget(key)
            else:
                lane.queue.add_after(key, again_after)


@dataclass(frozen=True)
class _Lane(Generic[AnyKey]):
    """What a worker works on."""

    queue: WorkQueue[AnyKey]
    reconcile: Callable[[AnyKey], Awaitable[float | None]]


class _NoDiffs(kopf.DiffBaseStorage):
    """Nothing to compare: kopf would copy each object at each event to find out what changed, and nobody asks."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> None:
        """There is no former state."""

    def store(self, **_: Any) -> None:
        """Nothing is kept."""


def kopf_settings() -> kopf.OperatorSettings:
    """kopf as a mere watcher."""
    settings = kopf.OperatorSettings()
    # It would log each event of each object.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    # Rights to list namespaces and CRDs are neither had nor needed.
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.persistence.progress_storage = kopf.MultiProgressStorage([])
    settings.watching.label_selectors["batch", "v1", "jobs"] = MANAGED_BY
    settings.watching.chunk_size = PAGE_SIZE
    settings.queueing.idle_timeout = IDLE_SECONDS
    # A watch that is silent for ever would otherwise not be noticed.
    settings.watching.server_timeout = WATCH_SECONDS
    settings.watching.client_timeout = WATCH_SECONDS + 30
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    return settings


async def check_resources_are_served(api: Requester, settings: Settings) -> None:
    """Raises ConfigurationError where the CRD is not installed: a watch for it would fail silently, for ever."""
    for namespace in settings.namespaces or (None,):
        try:
            for plural in (PLURAL, TUNINGS):
                await api.request("GET", path_of(plural, namespace), query={"limit": "1"})
        except ApiError as error:
            if error.status == 404:
                raise ConfigurationError(
                    f"the cluster serves no {plural}.{GROUP} ({VERSION}); install the CRDs, for instance by the "
                    "chart's value crds.enabled=true, or kubectl apply -f crds/",
                    reason=Reason.INVALID_CONFIGURATION,
                ) from None
            if error.status == 403:
                where = f"in the namespace {namespace}" if namespace else "in all namespaces"
                raise ConfigurationError(f"the operator may not list {plural} {where}: {error.message}") from None
            raise


async def _end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancels tasks and waits for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
