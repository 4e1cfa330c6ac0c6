"""A start barrier for programs that no supervisor stands before: in an initContainer of each pod, ahead of any image.

It is passed when the barriers of all workers wait in it. A pod that was replaced finds nobody waiting: its peers count
as past it that are up without an answer, once the gang passed it under this key, which a file in the workspace says.
Imports the gang's parts and what is pure of the contract.
"""

import json
import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from steelyard_trainer.gang.channel import TIMEOUT_SECONDS, send, split_address
from steelyard_trainer.gang.coordinator import FRESH_SECONDS, HEARTBEAT_SECONDS, Coordinator, Heartbeat, Orders
from steelyard_trainer.gang.member import Limits, Member, workspace_from_environment
from steelyard_trainer.gang.supervisor import TELL_SECONDS
from steelyard_trainer.process import Outcome

NOTICE_SECONDS = 30.0
"""How often it says for whom it waits."""


def wait_for_peers() -> Outcome:
    """Waits for the barriers of all workers, as the environment names them.

    Raises:
        StageError: not all were there within runPolicy.gangTimeoutSeconds, with their names (WorkersNotReady, 75); what
            the environment says can't be read (78).
    """
    member = Member.from_environment(Limits.from_environment())
    if member.workers > 1:
        Barrier(member, workspace_from_environment().barrier_file).wait()
    return Outcome("all workers are there", {})


@dataclass
class Barrier:
    """One worker's part. In that of worker 0 lives the coordinator."""

    member: Member
    passed_file: Path
    """Says under which key the gang passed: complete or absent."""
    _is_open: bool = False
    _heard: set[int] = field(default_factory=set)
    _told: set[int] = field(default_factory=set)
    _silent_since: dict[int, float] = field(default_factory=dict)
    _incarnation: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self._coordinator = Coordinator(self.member.workers)

    def wait(self) -> None:
        """Returns when all are there or past it. Raises StageError as `wait_for_peers` does; OSError."""
        began = said = time.monotonic()
        if self.member.worker == 0:
            self.member.listen(self._receive)
        while missing := self._missing():
            now = time.monotonic()
            if now - began >= self.member.limits.gang_timeout_seconds:
                raise self.member.not_ready(missing)
            if now - said >= NOTICE_SECONDS:
                self.member.notice(f"waits for {self.member.named(missing)}", "Waiting")
                said = now
            time.sleep(HEARTBEAT_SECONDS)
        if self.member.worker == 0:
            self._leave_word()
            self._is_open = True
            self._wait_until_told()

    def _receive(self, beat: Heartbeat) -> Orders:
        orders = self._coordinator.receive(beat, time.monotonic())
        self._heard.add(beat.worker)
        if self._is_open:
            self._told.add(beat.worker)
        return replace(orders, start=self._is_open)

    def _missing(self) -> tuple[int, ...]:
        """The workers that are neither there nor past it."""
        beat = Heartbeat(self.member.worker, self._incarnation, generation=0, phase="waiting")
        if self.member.worker == 0:
            return self._not_past(self._coordinator.receive(beat, time.monotonic()).missing)
        orders = send(self.member.supervisors[0], self.member.key, beat)
        if orders is None:
            return self._not_past((0,))
        self._silent_since.clear()
        return () if orders.start else orders.missing or (0,)

    def _not_past(self, silent: tuple[int, ...]) -> tuple[int, ...]:
        """Of workers that say nothing those that are not past it: who is up for a while, and still says nothing, is."""
        if not self._has_passed():
            return silent
        with ThreadPoolExecutor(16) as pool:
            are_up = list(pool.map(is_up, [self.member.supervisors[worker] for worker in silent]))
        now = time.monotonic()
        since = {worker: self._silent_since.get(worker, now) for worker, up in zip(silent, are_up, strict=True) if up}
        self._silent_since = since
        return tuple(worker for worker in silent if worker not in since or now - since[worker] < FRESH_SECONDS)

    def _has_passed(self) -> bool:
        try:
            return bool(json.loads(self.passed_file.read_text(encoding="utf-8")) == {"key": self.member.key})
        except (FileNotFoundError, ValueError):
            return False

    def _leave_word(self) -> None:
        partial = self.passed_file.with_suffix(".partial")
        partial.write_text(json.dumps({"key": self.member.key}), encoding="utf-8")
        partial.rename(self.passed_file)

    def _wait_until_told(self) -> None:
        """Who waits in it hears that it is open; who is past it does not ask."""
        until = time.monotonic() + TELL_SECONDS
        while self._heard - self._told and time.monotonic() < until:
            time.sleep(HEARTBEAT_SECONDS / 2)


def is_up(address: str) -> bool:
    """Whether there is a machine or pod at an address, whatever listens there.

    Args:
        address: host:port.
    """
    try:
        with socket.create_connection(split_address(address), TIMEOUT_SECONDS):
            return True
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
