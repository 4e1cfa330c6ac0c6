"""The first process of a worker: starts the one that trains, watches it and starts it again.

A framework's start-up may hang, beyond any signal but SIGKILL, when a peer is missing; and when a peer is lost all
workers must start again. So this process makes sure of the peers first (coordinator, channel) and restarts its child in
place, with growing pauses, for as long as runPolicy allows: it leaves its pod, which Kubernetes would replace again and
again, only when that is spent. What the child is says a `Program`: a worker of our own, or any program of a user's.
Imports the gang's parts and what is pure of the contract: it runs in images that have no Python.
"""

import math
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from steelyard.contract.errors import StageError
from steelyard.contract.stages import EndKind, Env, ExitCode, Reason, Result
from steelyard.texts.figures import ended_early, times
from steelyard_trainer.gang.channel import send
from steelyard_trainer.gang.coordinator import HEARTBEAT_SECONDS, Coordinator, Heartbeat, Orders, Phase
from steelyard_trainer.gang.descendants import ask_descendants, die_with_starter, end_descendants, reap_orphans
from steelyard_trainer.gang.ends import cannot_start, forget, result_of
from steelyard_trainer.gang.member import Member
from steelyard_trainer.gang.memory import OutOfMemoryWatch, own_group
from steelyard_trainer.gang.relay import relay
from steelyard_trainer.gang.stall import NO_STACK, StallWatch, forbid_stack_signal, write_stack
from steelyard_trainer.process import Outcome

LEAVE_SECONDS = 20.0
"""How long the child, and what it has started, may take to write a checkpoint after SIGTERM."""
TELL_SECONDS = 5.0
"""How long worker 0 waits, once it is done, for the others to hear of it."""
LONGEST_PAUSE_SECONDS = 30.0


@dataclass(frozen=True)
class Program:
    """What is started for each worker, and how it ends."""

    name: str
    """What to call it where a person reads, such as "the TensorFlow process"."""
    command: Sequence[str]
    """The program and its arguments."""
    environment: Callable[[Mapping[str, str], Sequence[str]], dict[str, str]]
    """Its variables, from this process's and the hosts of all workers in their order: the addresses from which they
    were heard of, as a name may not lead anywhere yet, or still to the pod that was there before."""
    finished: Callable[[], Outcome | None]
    """What an earlier attempt has left that was done; None where there is none. Raises OSError where the storage is
    lost."""
    ends_by_a_lost_peer: frozenset[int] = frozenset()
    """Exit codes with which it may end where another worker was lost, beside 75."""
    for_less_memory: str = ""
    """What a user may do that it needs less, such as "lower spec.training.batchSize"."""
    checkpoint_signal: signal.Signals | None = None
    """Asks it for a checkpoint soon, where it knows how; it is ignored until it listens."""
    last_seconds: float = 0.0
    """How long it may go on by itself when worker 0 is done, before it is asked to end."""
    is_ours: bool = True
    """Whether it ends when this process does and starts no others; any other program is killed then, and with it what
    it has started."""
    clean_up: Callable[[], None] | None = None
    """Done after each of its ends: it ends what is not among its descendants."""


@dataclass
class Supervisor:
    """One worker's supervisor. In supervisor 0 lives the gang's coordinator."""

    member: Member
    program: Program
    _generation: int = 0
    _phase: Phase = "waiting"
    _child: subprocess.Popen[bytes] | None = None
    _result: Result | None = None
    _memory: OutOfMemoryWatch | None = None
    _starts: int = 0
    _crashes: int = 0
    _disruptions: int = 0
    _waiting_since: float = field(default_factory=time.monotonic)
    _paused_until: float = 0.0
    _told: set[int] = field(default_factory=set)
    _incarnation: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self._is_chief = self.member.worker == 0
        # Not in the workspace: where that is lost, the child must be able to say so.
        folder = Path(tempfile.mkdtemp(prefix="steelyard-"))
        self._child_result_file = folder / "result.json"
        limit = self.member.limits.stall_timeout_seconds
        self._stall = None if limit is None else StallWatch(folder)
        self._where = ""
        self._relay: threading.Thread | None = None
        self._coordinator = Coordinator(self.member.workers, math.inf if limit is None else limit)
        self._is_leaving = False
        self._wants_checkpoint = False

    def run(self) -> Outcome:
        """Trains this worker's part, through as many restarts as runPolicy allows; returns when the whole gang is done.

        Raises:
            StageError: what the child ended with, where another attempt would end the same way (exit codes 10, 65,
                78); the command can't be started (78); WorkersNotReady, RetriesExhausted, Interrupted and
                AttemptSuperseded (75); BackoffLimitExceeded and OutOfMemory (1); Stalled (70).
        """
        signal.signal(signal.SIGTERM, self._on_sigterm)
        if self.program.checkpoint_signal is not None:
            # The child inherits this, so that asking it before it can listen does not end it.
            signal.signal(self.program.checkpoint_signal, signal.SIG_IGN)
        if self._stall is not None and self.program.is_ours:
            forbid_stack_signal()
        if self._is_chief and self.member.workers > 1:
            self.member.listen(self._receive)
        try:
            while True:
                self._leave_if_asked()
                self._ask_for_checkpoint()
                orders = self._exchange()
                if (outcome := self._obey(orders) if orders else self._outcome_without_chief()) is not None:
                    return outcome
                self._look_after_child()
                self._give_up_if_alone(orders)
                time.sleep(HEARTBEAT_SECONDS)
        finally:
            self._kill_child()
            shutil.rmtree(self._child_result_file.parent, ignore_errors=True)

    def _receive(self, beat: Heartbeat) -> Orders:
        if beat.is_leaving:
            self._wants_checkpoint = True
        orders = self._coordinator.receive(beat, time.monotonic())
        if orders.finished:
            self._told.add(beat.worker)
        return orders

    def _exchange(self) -> Orders | None:
        """Tells the coordinator how this worker stands; None where it does not answer."""
        if self._phase == "waiting" and time.monotonic() < self._paused_until:
            return None
        beat = Heartbeat(
            self.member.worker, self._incarnation, self._generation, self._phase, is_leaving=self._is_leaving
        )
        if self._stall is not None and self._phase == "running":
            idle = self._stall.look(time.monotonic())
            beat = replace(beat, steps=self._stall.steps, idle_seconds=idle, where=self._where)
        if self.member.workers == 1:
            return self._receive(beat)
        return send(self.member.supervisors[0], self.member.key, beat)

    def _obey(self, orders: Orders) -> Outcome | None:
        """Follows the orders; returns the outcome once the training is done."""
        if self._is_chief and self._phase == "done":
            return self._outcome_when_told()
        if orders.finished:
            self._let_child_end()
            return Outcome("worker 0 finished the training", {})
        if orders.generation > self._generation:
            if self._phase != "waiting":
                self._kill_child()
                self._wait_again()
                if orders.stalled:
                    self._count_stall(orders.stalled)
                else:
                    self._count_disruption("another worker was lost")
            self._generation = orders.generation
        elif orders.start and self._phase == "waiting" and orders.generation == self._generation:
            self._start_child(orders.hosts)
        elif orders.tell_where:
            self._find_out_where()
        return None

    def _find_out_where(self) -> None:
        """Asks a child that has stalled; no program of a user's, which may mean something else by a signal."""
        if self._stall is not None and self._child is not None and not self._where:
            who = f"worker {self.member.worker}"
            self._where = write_stack(self._stall, self._child.pid, who) if self.program.is_ours else NO_STACK

    def _outcome_without_chief(self) -> Outcome | None:
        """Worker 0 does not answer: it may have left because all is done."""
        return None if self._phase == "running" else self._finished_elsewhere()

    def _finished_elsewhere(self) -> Outcome | None:
        """What worker 0 left, as far as the storage answers."""
        with suppress(OSError):
            return self.program.finished()
        return None

    def _outcome_when_told(self) -> Outcome | None:
        everybody = len(self._told) >= self.member.workers
        if not everybody and time.monotonic() - self._waiting_since < TELL_SECONDS:
            return None
        assert self._result is not None
        return Outcome(
            self._result.message, {**self._result.summary, "restarts": self._starts - 1}, self._result.reason
        )

    def _start_child(self, hosts: Sequence[str]) -> None:
        environment = self.program.environment(os.environ, hosts)
        environment |= {Env.PARENT_PID: str(os.getpid()), Env.RESULT_FILE: str(self._child_result_file)}
        if self._stall is not None:
            environment[Env.PULSE] = str(self._stall.folder)
            self._stall.restart(time.monotonic())
            self._where = ""
        if self.member.attempt is not None:
            environment[Env.ATTEMPT] = str(self.member.attempt)
        forget(self._child_result_file)
        self._memory = OutOfMemoryWatch(own_group())
        # One of ours tells by its pulse.
        is_listened_to = self._stall is not None and not self.program.is_ours
        try:
            # In this process's group, so that whoever ends the group ends both.
            self._child = subprocess.Popen(
                self.program.command,
                env={str(name): value for name, value in environment.items()},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if is_listened_to else None,
                # One system call, which was looked up before: no lock of another thread is needed.
                preexec_fn=None if self.program.is_ours else die_with_starter,  # noqa: PLW1509
            )
        except OSError as error:
            raise StageError(
                cannot_start(self.program.command[0], error),
                reason=Reason.INVALID_CONFIGURATION,
                exit_code=ExitCode.CONFIGURATION,
            ) from None
        if self._stall is not None and self._child.stdout is not None:
            self._relay = relay(self._child.stdout, self._stall.beat)
        self._starts += 1
        self._phase = "running"

    def _look_after_child(self) -> None:
        """When the child has ended: done, ended for good, or to be started again in the next generation."""
        if self._child is None:
            return
        if not self.program.is_ours:
            reap_orphans(self._child.pid)
        if (code := self._child.poll()) is None:
            return
        self._child = None
        self._end_what_it_started()
        own = self.program
        self._result = result_of(self._child_result_file, code, own.name, self.member.key, is_ours=own.is_ours)
        kind = EndKind.of(code, is_ours=own.is_ours)
        if kind is EndKind.DONE and self._result.reason == Reason.CRASHED:
            # Ours ended without a word, as os._exit(0) in a user's code makes it: that is no success.
            kind = EndKind.CRASHED
        if kind is EndKind.DONE:
            self._phase = "done"
            self._waiting_since = time.monotonic()
            return
        if kind is EndKind.PERMANENT or self._result.reason == Reason.ATTEMPT_SUPERSEDED:
            raise StageError(self._result.message, reason=self._result.reason, exit_code=code)
        advice = self.program.for_less_memory
        # A shell tells of a child that was killed so by the exit code.
        was_killed = code in (-signal.SIGKILL, 128 + signal.SIGKILL)
        if was_killed and self._memory and (what := self._memory.explain(self.program.name)) is not None:
            raise StageError(
                f"worker {self.member.worker}: {what}; give it more" + f", or {advice}" * bool(advice),
                reason=Reason.OUT_OF_MEMORY,
                exit_code=1,
            )
        if not self._is_chief and self._finished_elsewhere() is not None:
            # Worker 0 was done before this one could say good-bye.
            self._phase = "done"
            return
        self._generation += 1
        self._wait_again()
        if kind is EndKind.INTERRUPTED or (code in self.program.ends_by_a_lost_peer and self.member.workers > 1):
            self._count_disruption(self._result.message)
        else:
            self._count_crash(self._result.message)

    def _wait_again(self) -> None:
        self._phase = "waiting"
        self._waiting_since = time.monotonic()

    def _count_crash(self, message: str) -> None:
        self._crashes += 1
        limit = self.member.limits.backoff_limit
        if self._crashes > limit:
            raise StageError(
                f"the training crashed {times(self._crashes)} (spec.runPolicy.backoffLimit is {limit}); last: "
                f"{message}",
                reason=Reason.BACKOFF_LIMIT_EXCEEDED,
                exit_code=1,
            )
        self._pause(self._crashes, message)

    def _count_stall(self, message: str) -> None:
        """All workers count it, and worker 0 tells of it: each knows what is said."""
        self._crashes += 1
        if self._crashes > self.member.limits.backoff_limit:
            raise StageError(
                f"{message}; {ended_early(self._crashes)}", reason=Reason.STALLED, exit_code=ExitCode.SPENT
            )
        self._pause(self._crashes, message, Reason.STALLED if self._is_chief else None)

    def _count_disruption(self, message: str) -> None:
        self._disruptions += 1
        limit = self.member.limits.disruption_limit
        if self._disruptions > limit:
            raise StageError(
                f"the training was interrupted {times(self._disruptions)} (spec.runPolicy.disruptionLimit is {limit}); "
                f"last: {message}",
                reason=Reason.RETRIES_EXHAUSTED,
                exit_code=ExitCode.TRY_AGAIN,
            )
        self._pause(self._disruptions, message)

    def _pause(self, times: int, message: str, reason: str | None = "Restarted") -> None:
        """Growing pauses, none before the first restart: a lost process is the common case and can go on at once. Tells
        of it where there is a reason."""
        pause = 0.0 if times == 1 else min(LONGEST_PAUSE_SECONDS, 2.0 ** (times - 2))
        self._paused_until = time.monotonic() + pause
        self._waiting_since = self._paused_until
        if reason is not None:
            self.member.notice(f"{message}; starts again from the last checkpoint", reason, is_after_others=True)

    def _give_up_if_alone(self, orders: Orders | None) -> None:
        """After the gang's time-out without a common start."""
        waited = time.monotonic() - self._waiting_since
        if self._phase == "running" or waited < self.member.limits.gang_timeout_seconds:
            return
        raise self.member.not_ready(orders.missing if orders is not None else (0,))

    def _on_sigterm(self, _signal: int, _frame: object) -> None:
        self._is_leaving = True

    def _ask_for_checkpoint(self) -> None:
        """Worker 0, when another worker is about to leave: all would go on from the last checkpoint that is there."""
        if self._wants_checkpoint and self._child is not None and self.program.checkpoint_signal is not None:
            self._child.send_signal(self.program.checkpoint_signal)
        self._wants_checkpoint = False

    def _leave_if_asked(self) -> None:
        if not self._is_leaving:
            return
        if self._child is not None:
            if not self._is_chief:
                self._exchange()
            self._ask_to_end(self._child, LEAVE_SECONDS)
        raise StageError(
            "the training was asked to end; it goes on from its checkpoint when it is started again",
            reason=Reason.INTERRUPTED,
            exit_code=ExitCode.TRY_AGAIN,
        )

    def _let_child_end(self) -> None:
        """When worker 0 is done: by itself, else when it is asked to, else it is killed."""
        if self._child is not None and self.program.last_seconds:
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(self.program.last_seconds)
            self._ask_to_end(self._child, TELL_SECONDS)
        self._kill_child()

    def _ask_to_end(self, child: subprocess.Popen[bytes], seconds: float) -> None:
        """First the child, which may end its own in order; then what it leaves, as a shell does that ends at once."""
        until = time.monotonic() + seconds
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(seconds)
            if not self.program.is_ours:
                ask_descendants(until - time.monotonic())
        self._kill_child()

    def _kill_child(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None
            self._end_what_it_started()

    def _end_what_it_started(self) -> None:
        if not self.program.is_ours:
            end_descendants()
        if self.program.clean_up is not None:
            self.program.clean_up()
        if self._relay is not None:
            # So that its last words come out before this process's.
            self._relay.join(TELL_SECONDS)
