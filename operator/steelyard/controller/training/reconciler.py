"""One reconcile: observes a job and its children, lets `decide` decide, and carries out what it said.

Nothing is remembered from one reconcile to the next but what saves work: parsed manifests, and when a job's pods were
last looked at. Imports planning, kube, the api and the other parts of the controller.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from steelyard.controller.events import Event
from steelyard.controller.names import TUNING_LABEL
from steelyard.controller.observation import Pod, StageJob, controller_uid, time_of
from steelyard.controller.policies.base import CHECK_AGAIN_SECONDS, DeletePod, GiveUpPod
from steelyard.controller.policies.endings import Broken
from steelyard.controller.policies.waiting import SETTLE_SECONDS, Wait, all_run
from steelyard.controller.runtime import cluster
from steelyard.controller.runtime.cache import Bodies, Key
from steelyard.controller.runtime.cluster import NotNowError, ObstacleError
from steelyard.controller.runtime.draft import is_terminal
from steelyard.controller.runtime.log_tail import LogTail
from steelyard.controller.runtime.prometheus import Metrics
from steelyard.controller.runtime.reconcile import JobReconciler, Memory, now
from steelyard.controller.settings import Settings
from steelyard.controller.training.actions import Action, Decision, DeleteJob, MakeChildren, ResumeJob, StopJob
from steelyard.controller.training.admission import Admitted, admit, image_of
from steelyard.controller.training.cache import Cache
from steelyard.controller.training.children import stage_children
from steelyard.controller.training.decide import decide
from steelyard.controller.training.draft import StatusDraft
from steelyard.controller.training.observation import Observation
from steelyard.kube import Api, ApiError, ConnectionFailedError, Requester
from steelyard.kube.errors import Object

JOBS_SAMPLED_PER_SECOND = 10
"""With many running jobs each is looked at less often, so that their number does not slow the others down."""
MADE_ONCE = ("persistentvolumeclaims", "configmaps")
"""What the first stage's children leave for the others."""
_CONCURRENT_SAMPLES = 4

logger = logging.getLogger(__name__)


@dataclass
class _Memory(Memory[Admitted]):
    """What saves work while a job runs."""

    next_check: float = 0.0
    """By the monotonic clock."""
    chief: str = ""
    """The uid of the pod whose log was looked into last."""
    failed_samples: int = 0
    """How often that failed since it last went well."""
    next_sample: float = 0.0
    """By the monotonic clock."""
    stalls: set[str] = field(default_factory=set)
    """Those that an Event was posted of."""


@dataclass
class Reconciler(JobReconciler[_Memory]):
    """Reconciles TrainingJobs."""

    cache: Cache
    api: Requester
    """For everything but logs: guarded and counted."""
    logs: Api
    """For logs."""
    settings: Settings
    metrics: Metrics
    claim_of: Callable[[str, str], str | None] = lambda _namespace, _uid: None
    """The claim that was made for the TuningJob of a uid, whose child a job is; None where no such one is known."""
    _memories: dict[Key, _Memory] = field(default_factory=dict)
    _sampling: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_CONCURRENT_SAMPLES))

    @property
    def bodies(self) -> Bodies:
        """See JobReconciler."""
        return self.cache.bodies

    async def _step(self, key: Key, body: Object) -> float | None:
        if is_terminal(body.get("status") or {}):
            await self._answer_edit(body)
            return None
        known = self._recall(key, body)
        if isinstance(known.admitted, Broken):
            await self._refuse(key, body, known.admitted)
            return None
        seen = self._observe(key, body, known.admitted)
        if self._is_check_due(seen, known):
            seen = await self._look_closer(seen, known)
        decision = decide(seen, now())
        if decision.needs_pods:
            seen = await self._look_at_pods(seen)
            decision = decide(seen, now())
        try:
            body = await self._carry_out(key, body, known.admitted, decision)
        except ObstacleError as obstacle:
            # What was written already is in the cache.
            body = self.bodies.get(key) or body
            seen = self._observe(key, body, known.admitted)
            seen = replace(seen, defect=obstacle.defect, obstacle=obstacle.wait if obstacle.defect is None else None)
            decision = decide(seen, now())
            decision.after.clear()
            await self._carry_out(key, body, known.admitted, decision)
        if decision.is_over:
            return None
        return self._when_again(decision, known)

    # --- observing ----------------------------------------------------------------------------------------------------

    def _admit(self, body: Object, version: tuple[str, int]) -> _Memory:
        # The first look at the pods comes when they have had the time to start.
        first_check = time.monotonic() + max(SETTLE_SECONDS, self._check_interval())
        return _Memory(version, admit(body, self.settings, self._own_claims(body["metadata"])), first_check)

    def _own_claims(self, metadata: Object) -> tuple[str, ...]:
        """The claim that was made for the TuningJob whose child this job is: no list of the administrator's has it."""
        if TUNING_LABEL not in (metadata.get("labels") or {}) or not self.settings.allowed_claims:
            return ()
        claim = self.claim_of(metadata["namespace"], controller_uid(metadata))
        if claim is None:
            raise NotNowError("the TuningJob that controls this job is not known yet, or has ended")
        return (claim,)

    def _check_interval(self) -> float:
        """Seconds between two looks at one job's pods."""
        return max(self.settings.progress_seconds, len(self._memories) / JOBS_SAMPLED_PER_SECOND)

    def _observe(self, key: Key, body: Object, admitted: Admitted) -> Observation:
        metadata = body["metadata"]
        job = admitted.context.job
        return Observation(
            job=job,
            plan=admitted.plan,
            image=image_of(job, self.settings),
            generation=metadata.get("generation", 1),
            status=body.get("status") or {},
            jobs=self.cache.stages(key, metadata["uid"]),
            dead_pod_seconds=self.settings.dead_pod_seconds,
        )

    def _running(self, seen: Observation) -> StageJob | None:
        """The Job of the stage that is not done."""
        draft = StatusDraft(dict(seen.status), seen.generation, now())
        stage = next((stage for stage in seen.plan.stages if not draft.is_done(stage.name)), None)
        return seen.jobs.get(stage.name) if stage is not None else None

    def _is_check_due(self, seen: Observation, known: _Memory) -> bool:
        job = self._running(seen)
        is_running = job is not None and job.outcome == "Running" and not job.is_suspended
        return is_running and time.monotonic() >= known.next_check

    async def _look_at_pods(self, seen: Observation) -> Observation:
        job = self._running(seen)
        assert job is not None
        return replace(seen, pods=await cluster.pods_of(self.api, job.namespace, job.job, job.stage, job.uid))

    async def _look_closer(self, seen: Observation, known: _Memory) -> Observation:
        """Looks at the pods of a stage that runs: what they wait for, or how far they are."""
        job = self._running(seen)
        assert job is not None
        seen = await self._look_at_pods(seen)
        assert seen.pods is not None
        workers = next(stage.workers for stage in seen.plan.stages if stage.name == job.stage)
        if all_run(seen.pods, workers):
            tail = await self._sample(job, seen.pods, known)
            untold = tuple(told for told in tail.stalls if told not in known.stalls)
            known.stalls = {*known.stalls, *untold}
            return replace(seen, sample=tail.progress, stalls=untold)
        if not seen.pods and (found := await cluster.find_stage_job(self.api, job)) is None:
            # A watch that was interrupted may have missed that the Job was removed.
            self.cache.stage_jobs.drop(job)
            raise NotNowError(f"the Job {job.name} is gone")
        if not seen.pods and found is not None:
            self._learn(found)
        return replace(seen, words=await self._words(seen, job))

    async def _words(self, seen: Observation, job: StageJob) -> Wait | None:
        """What Events say of pods that are lacking, or are not yet started and do not say why themselves."""
        assert seen.pods is not None
        entry = StatusDraft(dict(seen.status), seen.generation, now()).stage(job.stage)
        began = time_of(entry["startTime"]) if entry else None
        if began is None or (now() - began).total_seconds() < SETTLE_SECONDS:
            return None
        pending = next((pod for pod in seen.pods if pod.phase == "Pending"), None)
        return await cluster.words_about(self.api, job.namespace, pending.uid if pending else job.uid)

    async def _sample(self, job: StageJob, pods: Any, known: _Memory) -> LogTail:
        """What the log of worker 0 tells; nothing where it can't be read, which is no error."""
        chief: Pod | None = next((pod for pod in pods if pod.worker == 0 and pod.phase == "Running"), None)
        if chief is None:
            return LogTail()
        now = time.monotonic()
        if chief.uid != known.chief:  # What another pod's node could not give says nothing of this one's.
            known.chief, known.failed_samples, known.next_sample = chief.uid, 0, now
        if now < known.next_sample:
            return LogTail()
        try:
            async with self._sampling:
                tail = await cluster.log_tail(self.logs, job.namespace, chief)
        except (ApiError, ConnectionFailedError) as error:
            known.failed_samples += 1
            known.next_sample = now + self._check_interval() * min(2**known.failed_samples, 60)
            self.metrics.progress_samples_failed.inc()
            logger.debug("no progress could be read from %s: %s", chief.name, error)
            return LogTail()
        known.failed_samples = 0
        return tail

    # --- carrying out -------------------------------------------------------------------------------------------------

    async def _carry_out(self, key: Key, body: Object, admitted: Admitted, decision: Decision) -> Object:
        """Does what was decided; returns the job as it is then."""
        for action in decision.before:
            await self._do(key, admitted, action)
        changes = decision.draft.changes()
        # Children are made of a job that is still there, as it was read: a watch that was interrupted may have missed
        # its end, and the garbage collector would remove what is made again and again.
        if changes or any(isinstance(action, MakeChildren) for action in decision.after):
            body = await self._write(body, changes)
            self._count(decision)
            self._time(decision)
        await self._tell(body, _worth_telling(body, decision.events))
        for action in decision.after:
            await self._do(key, admitted, action)
        return body

    async def _do(self, key: Key, admitted: Admitted, action: Action) -> None:
        namespace = key[0]
        match action:
            case GiveUpPod(pod):
                logger.warning("the node of pod %s is lost; it is given up", pod.name)
                await cluster.give_up_pod(self.api, namespace, pod)
            case DeletePod(pod):
                await cluster.delete(self.api, "pods", namespace, pod.name, pod.uid)
            case DeleteJob(job):
                await cluster.delete(self.api, "jobs", namespace, job.name, job.uid)
                self.cache.stage_jobs.drop(job)
            case StopJob(job):
                await cluster.stop_job(self.api, job)
            case ResumeJob(job):
                await cluster.resume_job(self.api, job)
            case MakeChildren(stage, is_lacking) if is_lacking:
                for resource, child in stage_children(admitted.context, stage):
                    await cluster.ensure_child(self.api, resource, child)
            case MakeChildren(stage):
                *others, (resource, job_body) = stage_children(admitted.context, stage)
                if stage is not admitted.plan.stages[0]:
                    others = [child for child in others if child[0] not in MADE_ONCE]
                await asyncio.gather(*(cluster.make_child(self.api, kind, child) for kind, child in others))
                made = StageJob.of(await cluster.make_child(self.api, resource, job_body))
                assert made is not None
                self._learn(made)

    def _learn(self, job: StageJob) -> None:
        """Takes what a request said of a Job. Its event will be no news then, so nobody would look at its end."""
        self.cache.stage_jobs.put(job)
        if job.outcome != "Running":
            raise NotNowError(f"the Job {job.name} is over already")

    async def _refuse(self, key: Key, body: Object, defect: Broken) -> None:
        """Fails a job that can't be run; what runs of it is stopped."""
        metadata = body["metadata"]
        for job in self.cache.stages(key, metadata["uid"]).values():
            if job.outcome == "Running":
                await cluster.stop_job(self.api, job)
        draft = StatusDraft(body.get("status") or {}, metadata.get("generation", 1), now())
        draft.fail(None, None, defect.reason, defect.message)
        story = [Event(defect.reason, defect.message, is_warning=True)]
        decision = Decision(draft, events=story, is_over=True)
        otherwise = f"the job can't be run, nor its status be written: {defect.message}"
        if await self._write_or_drop(body, draft.changes(), otherwise) is not None:
            self._count(decision)
        await self._tell(body, _worth_telling(body, story))

    async def _answer_edit(self, body: Object) -> None:
        """Says of a job that is over that an edit of its spec, such as of runPolicy, changes nothing of its end."""
        draft = StatusDraft(body["status"], body["metadata"].get("generation", 1), now())
        await self._write_or_drop(body, draft.changes(), "an edit of a job that is over can't be answered")

    def _count(self, decision: Decision) -> None:
        if decision.is_over:
            conditions = decision.draft.status["conditions"]
            self.metrics.jobs_finished.labels(reason=conditions[-1]["reason"]).inc()

    def _time(self, decision: Decision) -> None:
        """Observes how long the stages took that have just ended."""
        for stage in decision.draft.finished_stages():
            began, ended = time_of(stage["startTime"]), time_of(stage["completionTime"])
            if began is not None and ended is not None:
                self.metrics.job_phase_seconds.labels(phase=stage["name"]).observe((ended - began).total_seconds())

    def _when_again(self, decision: Decision, known: _Memory) -> float:
        """The time until the next look at the pods, or what the decision asks for."""
        now = time.monotonic()
        if now >= known.next_check:
            known.next_check = now + self._check_interval()
        left = known.next_check - now
        if decision.again_after is None:
            return left
        if decision.again_after <= CHECK_AGAIN_SECONDS:
            # Something is lacking: the pods are looked at then, or, where many jobs wait for a busy cluster, later.
            pause = max(decision.again_after, len(self._memories) / JOBS_SAMPLED_PER_SECOND)
            known.next_check = min(known.next_check, now + pause)
        return min(left, decision.again_after)


def _worth_telling(body: Object, events: Iterable[Event]) -> list[Event]:
    """A trial that goes well is told of by its TuningJob: there may be thousands."""
    is_trial = "trial" in (body.get("spec") or {})
    return [event for event in events if event.is_warning or not is_trial]
