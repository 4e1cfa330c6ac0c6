"""The rules of leader election, without time: what a replica does with the Lease that it sees, and that no two lead."""

import heapq
import random
from typing import Any

import pytest

from steelyard.controller.runtime.lease import Decision, LeaseState, Timing

TIMING = Timing(lease_seconds=15, renew_deadline_seconds=10, retry_seconds=2)


def lease(holder: str, renewal: int = 0, seconds: int | None = 15) -> dict[str, Any]:
    return {"spec": {"holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": str(renewal)}}


def leader(at: float = 100.0) -> LeaseState:
    state = LeaseState("me", TIMING)
    assert state.decide(at, None) is Decision.ACQUIRE
    state.renewed(at, lease("me"))
    return state


def test_a_lease_that_nobody_holds_is_acquired() -> None:
    for free in (None, {}, {"spec": {}}, lease("")):
        assert LeaseState("me", TIMING).decide(0, free) is Decision.ACQUIRE


def test_a_lease_is_waited_for_while_it_changes_and_as_long_as_its_holder_says() -> None:
    state = LeaseState("me", TIMING)
    assert state.decide(1000, lease("other", 1)) is Decision.WAIT
    assert state.decide(1014.9, lease("other", 2)) is Decision.WAIT
    assert state.decide(1029.8, lease("other", 2)) is Decision.WAIT
    assert state.decide(1029.9, lease("other", 2)) is Decision.ACQUIRE
    long = LeaseState("me", TIMING)
    assert long.decide(0, lease("other", seconds=60)) is Decision.WAIT
    assert long.decide(59, lease("other", seconds=60)) is Decision.WAIT
    unsaid = LeaseState("me", TIMING)
    assert unsaid.decide(0, lease("other", seconds=None)) is Decision.WAIT
    assert unsaid.decide(15, lease("other", seconds=None)) is Decision.ACQUIRE


def test_who_comes_late_waits_the_whole_time_whatever_the_lease_says_of_its_own() -> None:
    state = LeaseState("me", TIMING)
    assert state.decide(5000, lease("other", renewal=-1_000_000)) is Decision.WAIT
    assert state.decide(5014, lease("other", renewal=-1_000_000)) is Decision.WAIT


def test_a_lease_that_was_deleted_under_its_holder_is_left_to_that_for_its_time() -> None:
    state = LeaseState("me", TIMING)
    assert state.decide(0, lease("other")) is Decision.WAIT
    assert state.decide(14, None) is Decision.WAIT
    assert state.decide(15, None) is Decision.ACQUIRE
    assert leader(100).decide(105, None) is Decision.RENEW


def test_a_leader_may_write_for_the_deadline_after_it_sent_its_last_renewal() -> None:
    state = leader(100)
    assert state.is_leader(109.9) and not state.is_leader(110)
    assert state.decide(105, lease("me")) is Decision.RENEW
    state.renewed(105, lease("me", 1))
    assert state.is_leader(114.9) and not state.is_leader(115)
    assert state.seconds_to_renew(106) == 9 and state.seconds_left(106) == 14


def test_a_leader_that_is_late_has_lost_for_good_even_if_nobody_took_the_lease() -> None:
    state = leader(100)
    assert state.decide(110, lease("me")) is Decision.LOST
    state.renewed(110, lease("me", 1))
    assert not state.is_leader(110) and state.decide(111, lease("me", 1)) is Decision.LOST


@pytest.mark.parametrize("holder", ["other", ""])
def test_a_leader_whose_lease_was_taken_or_emptied_has_lost(holder: str) -> None:
    state = leader(100)
    assert state.decide(101, lease(holder, 1)) is Decision.LOST
    assert not state.is_leader(101)


def test_a_claim_whose_answer_was_lost_is_made_again() -> None:
    state = LeaseState("me", TIMING)
    assert state.decide(0, lease("me")) is Decision.ACQUIRE and not state.is_leader(0)


def test_who_resigned_leads_no_more() -> None:
    state = leader(100)
    state.resign()
    assert not state.is_leader(100)


@pytest.mark.parametrize("wrong", [(10, 10, 2), (15, 2, 2), (15, 10, 0)])
def test_a_timing_that_protects_nobody_is_refused(wrong: tuple[int, float, float]) -> None:
    with pytest.raises(ValueError, match="must be lease > renew deadline"):
        Timing(*wrong)


class Server:
    """Keeps one Lease; refuses a write that was made from an older version."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0

    def write(self, identity: str, seen: int) -> dict[str, Any] | None:
        """The Lease after a claim; None where the server refuses."""
        if seen != self.version:
            return None
        self.version += 1
        self.lease = lease(identity, self.version, TIMING.lease_seconds)
        return self.lease


class Replica:
    """A replica that may be held up before, within and after each of its requests, as by SIGSTOP or a slow network."""

    def __init__(self, number: int, clock_ahead: float) -> None:
        self.identity = f"replica-{number} that is {clock_ahead} s ahead"
        self.state = LeaseState(self.identity, TIMING)
        self.has_lost = False
        self._ahead = clock_ahead
        self._next = self._read
        self._seen: tuple[dict[str, Any] | None, int] = (None, 0)
        self._sent_at = 0.0
        self._answer: dict[str, Any] | None = None

    def is_leader(self, time: float) -> bool:
        return self.state.is_leader(time + self._ahead)

    def go_on(self, time: float, server: Server) -> None:
        """Its next step: reads, decides and sends, is served, takes the answer."""
        self._next(time + self._ahead, server)

    def _read(self, _: float, server: Server) -> None:
        self._seen = (server.lease, server.version)
        self._next = self._send

    def _send(self, now: float, _: Server) -> None:
        decision = self.state.decide(now, self._seen[0])
        self.has_lost = decision is Decision.LOST
        self._sent_at = now
        self._next = self._be_served if decision in (Decision.ACQUIRE, Decision.RENEW) else self._read

    def _be_served(self, _: float, server: Server) -> None:
        self._answer = server.write(self.identity, self._seen[1])
        self._next = self._take_answer

    def _take_answer(self, _: float, __: Server) -> None:
        if self._answer is not None:
            self.state.renewed(self._sent_at, self._answer)
        self._next = self._read


def pause(chance: random.Random) -> float:
    """Seconds until a replica's next step: mostly short, at times as long as that of a stopped process."""
    return chance.uniform(4, 40) if chance.random() < 0.04 else chance.uniform(0, 1.5)


def test_no_two_replicas_lead_at_once_however_they_are_held_up() -> None:
    """Simulates three replicas, over and over, of which each begins anew once it has lost."""
    terms = 0
    for seed in range(60):
        chance, server = random.Random(seed), Server()
        replicas = [Replica(number, chance.uniform(0, 1e6)) for number in range(3)]
        wakes = [(chance.uniform(0, 5), number) for number in range(3)]
        was_leading: str | None = None
        while (wake := heapq.heappop(wakes))[0] < 600:
            time, number = wake
            if replicas[number].has_lost:
                replicas[number] = Replica(number, chance.uniform(0, 1e6))
            replicas[number].go_on(time, server)
            leading = [replica.identity for replica in replicas if replica.is_leader(time)]
            assert len(leading) <= 1, f"seed {seed}, after {time} s"
            if leading and leading[0] != was_leading:
                terms, was_leading = terms + 1, leading[0]
            heapq.heappush(wakes, (time + pause(chance), number))
    assert terms > 200, "the simulation must have the leadership change hands"
