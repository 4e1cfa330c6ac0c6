"""How supervisors start their workers together: a generation is one common start. Pure; standard library only.

All workers of a strategy must start together, and when one is lost all must start again. Every supervisor tells
supervisor 0 a few times a second how it stands (a Heartbeat), and gets Orders. A generation begins when every worker
was heard of lately and waits in it; it is over, for all, when any worker's process ended before its time, when a
supervisor is new, or when one was not heard of for long. Also when all that run have stalled, as one that hangs keeps
the others waiting: then each is asked where it is before it is ended.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from steelyard_trainer.gang.stall import Standing, told

HEARTBEAT_SECONDS = 0.2
FRESH_SECONDS = 3.0
"""A supervisor was heard of lately, if not longer ago than this."""
WHERE_SECONDS = 5.0
"""How long all workers have to say where they are, once they have stalled."""
LOST_SECONDS = 15.0
"""A supervisor that was not heard of for longer is lost (some frameworks notice a dropped network in 11 to 18 s)."""

Phase = Literal["waiting", "running", "done"]


@dataclass(frozen=True)
class Heartbeat:
    """How one worker stands."""

    worker: int
    incarnation: str
    """Tells a supervisor from an earlier one of the same worker."""
    generation: int
    phase: Phase
    host: str = ""
    """The address of the worker's machine or pod, as it reaches supervisor 0; a name could still lead to the pod that
    was there before."""
    is_leaving: bool = False
    """Whether the worker was asked to end, so that a checkpoint is wanted first."""
    steps: int = 0
    """How often its process was at a step; where stalls are watched for."""
    idle_seconds: float = 0.0
    """For how long its process has done nothing that it told of."""
    where: str = ""
    """Where its process was, in words, since it was asked for."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Orders:
    """What a worker is to do: leave a lower generation than this one, and start its process when `start` says so."""

    generation: int
    start: bool
    finished: bool
    """Worker 0 is done: so is the training."""
    missing: tuple[int, ...]
    """Workers that were not heard of lately, or are not in this generation yet."""
    hosts: tuple[str, ...] = ()
    """Where each worker is, by worker; empty before all were heard of."""
    tell_where: bool = False
    """Whether the gang has stalled: each worker is to say where it is."""
    stalled: str = ""
    """Why the generation before was over, where it had stalled."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


class Coordinator:
    """The generations of a gang of workers; lives in supervisor 0. Time, in seconds from any origin, is an argument."""

    def __init__(self, workers: int, stall_seconds: float = math.inf) -> None:
        """Of so many workers, which have stalled when none of them has done anything for so long."""
        self._workers = workers
        self._stall_seconds = stall_seconds
        self._asked_where_at: float | None = None
        self._stalled = ""
        self._generation = 0
        self._has_begun = False
        self._heard: dict[int, tuple[Heartbeat, float]] = {}

    def receive(self, beat: Heartbeat, now: float) -> Orders:
        """Takes in a heartbeat; returns that worker's orders."""
        before = self._heard.get(beat.worker)
        is_new = before is not None and before[0].incarnation != beat.incarnation
        self._heard[beat.worker] = (beat, now)
        if beat.generation > self._generation:
            self._begin_waiting(beat.generation)
        if self._has_begun and (is_new or self._lost(now)):
            self._begin_waiting(self._generation + 1)
        if not self._has_begun and beat.phase != "waiting" and beat.generation == self._generation:
            # This coordinator is newer than the worker's process, which must start again, done or not.
            self._begin_waiting(self._generation + 1)
        if self._has_begun:
            self._end_if_stalled(now)
        missing = tuple(worker for worker in range(self._workers) if not self._is_ready(worker, now))
        self._has_begun = self._has_begun or not missing
        return Orders(
            self._generation,
            self._has_begun,
            self._is_finished(),
            missing,
            self._hosts(),
            tell_where=self._asked_where_at is not None,
            stalled=self._stalled,
        )

    def _begin_waiting(self, generation: int, stalled: str = "") -> None:
        self._generation = generation
        self._has_begun = False
        self._asked_where_at = None
        self._stalled = stalled

    def _end_if_stalled(self, now: float) -> None:
        """Asks all where they are, then ends the generation; not where one goes on, for which the others may wait."""
        running = [beat for beat, _ in self._heard.values() if beat.phase == "running"]
        if not running or any(beat.idle_seconds < self._stall_seconds for beat in running):
            self._asked_where_at = None
        elif self._asked_where_at is None:
            self._asked_where_at = now
        elif all(beat.where for beat in running) or now - self._asked_where_at > WHERE_SECONDS:
            standing = [Standing(beat.worker, beat.steps, beat.where) for beat in running]
            self._begin_waiting(self._generation + 1, told(standing, self._stall_seconds))

    def _is_ready(self, worker: int, now: float) -> bool:
        if worker not in self._heard:
            return False
        beat, at = self._heard[worker]
        return beat.generation == self._generation and now - at <= FRESH_SECONDS

    def _lost(self, now: float) -> bool:
        return any(beat.phase != "done" and now - at > LOST_SECONDS for beat, at in self._heard.values())

    def _hosts(self) -> tuple[str, ...]:
        if len(self._heard) < self._workers:
            return ()
        return tuple(self._heard[worker][0].host for worker in range(self._workers))

    def _is_finished(self) -> bool:
        return 0 in self._heard and self._heard[0][0].phase == "done"
