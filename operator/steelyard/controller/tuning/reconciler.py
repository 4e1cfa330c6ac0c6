"""One reconcile of a search: observes it and its children, lets `decide` decide, and carries out what it said.

Nothing is remembered from one reconcile to the next but what saves work: the parsed manifest, decoded lines of the log,
and when a new best was last told. Imports tuning, kube, the search, the api and the other parts of the controller.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from steelyard.contract.stages import Reason
from steelyard.controller.events import Event
from steelyard.controller.policies.endings import Broken
from steelyard.controller.runtime import cluster
from steelyard.controller.runtime.cache import Bodies, Key
from steelyard.controller.runtime.cluster import NotNowError, ObstacleError
from steelyard.controller.runtime.prometheus import Metrics
from steelyard.controller.runtime.reconcile import JobReconciler, Memory, now
from steelyard.controller.settings import Settings
from steelyard.controller.tuning import children
from steelyard.controller.tuning.actions import (
    Action,
    DeleteChild,
    DeletePack,
    MakeChild,
    MakePack,
    PauseChild,
    PausePack,
    TuningDecision,
)
from steelyard.controller.tuning.admission import admit
from steelyard.controller.tuning.cache import TuningCache
from steelyard.controller.tuning.decide import decide
from steelyard.controller.tuning.draft import TuningDraft
from steelyard.controller.tuning.facts import Child, Pack
from steelyard.controller.tuning.findings import Findings
from steelyard.controller.tuning.observation import SearchContext, SearchObservation
from steelyard.kube import Requester
from steelyard.kube.errors import Object
from steelyard.search.log import Entry, Values
from steelyard.tuning.asking_process import AskingError
from steelyard.tuning.search import known_to, pending_to

TELL_BEST_SECONDS = 30.0
"""The least seconds between two Events that tell of a new best trial."""
LOOK_AFTER_SECONDS = 300.0
"""How often it is looked whether what runs is still there."""
MOST_ROUNDS = 10_000
"""Of trials in one reconcile whose result an earlier search has, or whose values are refused."""

logger = logging.getLogger(__name__)


class _TrialRefusedError(Exception):
    """The API server finds fault with a trial: it has failed, and the search goes on."""

    def __init__(self, number: int, defect: Broken) -> None:
        super().__init__(defect.message)
        self.number = number
        self.defect = defect


class Asks(Protocol):
    """Finds the values of the next trial, off the event loop."""

    async def ask(
        self,
        uid: str,
        spec_json: str,
        number: int,
        known: Sequence[str],
        pending: Sequence[Values],
        prior: Sequence[Entry] = (),
    ) -> Values | None:
        """See `AskingProcess.ask`."""
        ...


@dataclass
class _Memory(Memory[SearchContext]):
    """What saves work while a search runs."""

    lines: dict[str, Entry] = field(default_factory=dict)
    """The decoded lines of the log and of the earlier search's."""
    told_best: float = -TELL_BEST_SECONDS
    """When a new best was last told, by the monotonic clock."""
    next_look: float = field(default_factory=lambda: time.monotonic() + LOOK_AFTER_SECONDS)
    """When to look whether what runs is still there, by the monotonic clock."""


@dataclass
class TuningReconciler(JobReconciler[_Memory]):
    """Reconciles TuningJobs."""

    cache: TuningCache
    api: Requester
    """Guarded and counted."""
    asks: Asks
    findings: Findings
    settings: Settings
    metrics: Metrics
    _memories: dict[Key, _Memory] = field(default_factory=dict)

    @property
    def bodies(self) -> Bodies:
        """See JobReconciler."""
        return self.cache.bodies

    async def _step(self, key: Key, body: Object) -> float | None:
        known = self._recall(key, body)
        if isinstance(known.admitted, Broken):
            await self._refuse(body, known.admitted)
            return None
        if time.monotonic() >= known.next_look:
            known.next_look = time.monotonic() + LOOK_AFTER_SECONDS
            await self.findings.look_after(key, body["metadata"]["uid"])
        try:
            seen = self._observe(key, body, known, known.admitted)
        except ValueError as error:
            message = f"status.log was changed by somebody else than the operator: {error}"
            await self._refuse(body, Broken(Reason.INVALID_CONFIGURATION, message))
            return None
        try:
            seen, decision = await self._decide(seen)
        except AskingError as error:
            await self._tell(body, [Event("TrialNotCreated", str(error), is_warning=True)])
            raise NotNowError(str(error)) from None
        try:
            body = await self._carry_out(known.admitted, body, known, decision)
        except _TrialRefusedError as refusal:
            return await self._start_over(key, known, seen, {refusal.number: refusal.defect}, None)
        except ObstacleError as obstacle:
            if obstacle.defect is None:
                await self._tell(body, [Event(obstacle.wait.reason, obstacle.wait.message, is_warning=True)])
                raise NotNowError(f"{obstacle.wait.reason}: {obstacle.wait.message}") from None
            return await self._start_over(key, known, seen, {}, obstacle.defect)
        self._forget_answered(seen, decision)
        if decision.is_over:
            return None
        left = max(0.0, known.next_look - time.monotonic())
        return left if decision.again_after is None else min(left, decision.again_after)

    async def _start_over(
        self,
        key: Key,
        known: _Memory,
        seen: SearchObservation,
        refused: Mapping[int, Broken],
        defect: Broken | None,
    ) -> float | None:
        """A child can't be made. What was written before that is in the cache."""
        body = self.bodies.get(key)
        if body is None:
            return None
        again = self._observe(key, body, known, seen.context)
        again = replace(again, asked=seen.asked, refused=refused, defect=defect)
        again, decision = await self._decide(again)
        decision.after.clear()
        await self._carry_out(seen.context, body, known, decision)
        return None if decision.is_over else 0.0

    # --- observing ----------------------------------------------------------------------------------------------------

    def _admit(self, body: Object, version: tuple[str, int]) -> _Memory:
        return _Memory(version, admit(body, self.settings))

    def _observe(self, key: Key, body: Object, known: _Memory, context: SearchContext) -> SearchObservation:
        metadata, status = body["metadata"], body.get("status") or {}
        entries = self._decoded(known, context, status.get("log") or ())
        return SearchObservation(
            context=context,
            generation=metadata.get("generation", 1),
            status=status,
            entries={entry.number: entry for entry in entries},
            prior=self._decoded(known, context, status.get("prior") or ()),
            children=self.cache.jobs.of(key, metadata["uid"]),
            packs=self.cache.packs.of(key, metadata["uid"]),
        )

    def _decoded(self, known: _Memory, context: SearchContext, lines: Sequence[str]) -> list[Entry]:
        """The entries of a log. Raises ValueError where somebody has spoilt it."""
        entries = []
        for line in lines:
            entry = known.lines.get(line)
            if entry is None:
                entry = known.lines[line] = Entry.decode(line, context.spec.parameters)
            entries.append(entry)
        return entries

    async def _decide(self, seen: SearchObservation) -> tuple[SearchObservation, TuningDecision]:
        """A decision for which nothing is to be found out any more."""
        for _ in range(MOST_ROUNDS):
            decision = decide(seen, now())
            if decision.needs_pods:
                seen = replace(seen, pack_endings=await self.findings.endings(decision.needs_pods))
            elif decision.needs_prior:
                seen = await self.findings.prior(seen)
            elif decision.ask:
                seen = replace(seen, asked={**seen.asked, **await self._ask(seen, decision)})
            else:
                return seen, decision
        raise AssertionError("a search never comes to a decision")

    async def _ask(self, seen: SearchObservation, decision: TuningDecision) -> dict[int, Values | None]:
        """Finds the values of trials, each knowing of those before it."""
        suggestions = {child.suggestion.number: child.suggestion.values for child in seen.trials if child.suggestion}
        suggestions |= {each.number: each.values for pack in seen.packs for each in pack.suggestions}
        suggestions |= {entry.number: entry.values for entry in decision.entries.values()}
        asked: dict[int, Values | None] = {}
        lines = dict(zip(seen.entries, seen.status.get("log") or (), strict=True))
        lines |= {entry.number: entry.encode(seen.spec.parameters) for entry in decision.new}
        for number in decision.ask:
            if number in seen.asked:
                values = seen.asked[number]
            else:
                told = known_to(seen.spec, decision.entries, number)
                known = [lines[entry.number] for entry in told]
                pending = pending_to(seen.spec, suggestions, told, number)
                context = seen.context
                with self.metrics.ask_seconds.time():
                    values = await self.asks.ask(context.uid, context.spec_json, number, known, pending, seen.prior)
            asked[number] = values
            if values is None:
                # Where nothing is left for one, nothing is left for those after it.
                return asked | {later: None for later in decision.ask if later > number}
            suggestions[number] = values
        return asked

    # --- carrying out -------------------------------------------------------------------------------------------------

    async def _carry_out(
        self, context: SearchContext, body: Object, known: _Memory, decision: TuningDecision
    ) -> Object:
        """Does what was decided; returns the search as it is then."""
        for action in decision.before:
            await self._do(context, action)
        body = await self._write_decided(body, decision)
        await self._tell_of(body, known, decision)
        for action in decision.after:
            if not _is_trial(action):
                await self._do(context, action)
        trials = (self._do(context, action) for action in decision.after if _is_trial(action))
        for outcome in await asyncio.gather(*trials, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        return body

    async def _write_decided(self, body: Object, decision: TuningDecision) -> Object:
        """Writes the status, where it changed; returns the search as it is then."""
        changes = decision.draft.changes()
        if not changes:
            return body
        body = await self._write(body, changes)
        for entry in decision.new:
            self.metrics.trials_finished.labels(state=entry.state).inc()
        if "completionTime" in changes and decision.is_over:
            self._count_end(decision.draft)
        return body

    def _count_end(self, draft: TuningDraft) -> None:
        self.metrics.searches_finished.labels(reason=draft.status["conditions"][-1]["reason"]).inc()

    async def _do(self, context: SearchContext, action: Action) -> None:
        match action:
            case MakeChild(resource, child, number):
                try:
                    self._learn(resource, await cluster.make_child(self.api, resource, child))
                except ObstacleError as obstacle:
                    if number is not None and obstacle.defect is not None and obstacle.is_refusal:
                        raise _TrialRefusedError(number, obstacle.defect) from None
                    raise
            case MakePack(config_map, _):
                found = await cluster.make_child(self.api, "configmaps", config_map)
                self._learn("jobs", await cluster.make_child(self.api, "jobs", children.pack_job(context, found)))
            case DeleteChild(child):
                await cluster.delete(self.api, "trainingjobs", child.namespace, child.name, child.uid)
                self.cache.jobs.drop(child)
            case PauseChild(child, is_suspended):
                made = await cluster.pause_training_job(
                    self.api, child.namespace, child.name, child.uid, is_suspended=is_suspended
                )
                if made is not None:
                    self._learn("trainingjobs", made)
            case DeletePack(pack):
                await cluster.delete(self.api, "jobs", pack.job.namespace, pack.job.name, pack.job.uid)
                self.cache.packs.drop(pack)
            case PausePack(pack, is_suspended):
                await (cluster.stop_job if is_suspended else cluster.resume_job)(self.api, pack.job)

    def _learn(self, resource: str, made: Object) -> None:
        """Takes what a request said of a child. Its event will be no news then: what is over is looked at again."""
        key: Key | None = None
        is_over = False
        if resource == "trainingjobs" and (child := Child.of(made)) is not None:
            key, is_over = self.cache.jobs.put(child), child.outcome != "Running"
        elif resource == "jobs" and (pack := Pack.of(made)) is not None:
            key, is_over = self.cache.packs.put(pack), not pack.is_running
        if key is not None and is_over:
            raise NotNowError(f"{made['metadata']['name']} is over already")

    def _forget_answered(self, seen: SearchObservation, decision: TuningDecision) -> None:
        """What the log holds now need not be kept a second time."""
        numbers = decision.entries.keys()
        trials = [child for child in seen.trials if child.suggestion and child.suggestion.number in numbers]
        packs = [pack for pack in seen.packs if all(suggestion.number in numbers for suggestion in pack.suggestions)]
        self.cache.drop_answered(trials, packs)

    async def _refuse(self, body: Object, defect: Broken) -> None:
        """Fails a search that can't be run."""
        draft = TuningDraft(body.get("status") or {}, body["metadata"].get("generation", 1), now())
        is_new = not draft.is_over
        if is_new:
            draft.fail(defect.reason, defect.message)
        written = body
        if changes := draft.changes():
            otherwise = f"the search can't be run, nor its status be written: {defect.message}"
            written = await self._write_or_drop(body, changes, otherwise) or body
        if is_new:
            if written is not body:
                self._count_end(draft)
            await self._tell(written, [Event(defect.reason, defect.message, is_warning=True)])

    async def _tell_of(self, body: Object, known: _Memory, decision: TuningDecision) -> None:
        """Posts a decision's Events; those of a new best not too often."""
        events, time_now = decision.events, time.monotonic()
        if time_now - known.told_best < TELL_BEST_SECONDS and not decision.is_over:
            events = [event for event in events if event.reason != "NewBest"]
        if any(event.reason == "NewBest" for event in events):
            known.told_best = time_now
        await self._tell(body, events)


def _is_trial(action: Action) -> bool:
    return isinstance(action, MakeChild) and action.number is not None
