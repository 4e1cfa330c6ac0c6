"""The rules of leader election by a Lease, those of client-go. Pure: no clock, no request. Imports kube's types only.

The leader renews the Lease every `retry_seconds` and stops writing `renew_deadline_seconds` after it sent the last
renewal that was accepted. Another replica takes the Lease when it has seen it unchanged for `lease_seconds`. Each
measures by a clock of its own, and a renewal is seen after it was sent: so the one always ends before the other begins,
whatever the machines' times of day say. What lies between, 5 seconds by default, is for requests on their way.
"""

from dataclasses import dataclass
from enum import Enum, auto

from steelyard.kube.errors import Object

JITTER = 1.2
"""How much longer, at random, a follower waits between two looks: by up to this share. client-go's figure."""


@dataclass(frozen=True)
class Timing:
    """How long a leader leads. The defaults are client-go's."""

    lease_seconds: int = 15
    """How long others must see the Lease unchanged before they take it."""
    renew_deadline_seconds: float = 10.0
    """How long after its last renewal the leader may write; less than lease_seconds."""
    retry_seconds: float = 2.0
    """The pause between two renewals, or between two looks of a follower."""

    def __post_init__(self) -> None:
        if not self.lease_seconds > self.renew_deadline_seconds > JITTER * self.retry_seconds > 0:
            raise ValueError(f"{self}: must be lease > renew deadline > {JITTER} x retry > 0")


CLIENT_GO_TIMING = Timing()


class Decision(Enum):
    """What a replica does with the Lease that it sees."""

    ACQUIRE = auto()
    RENEW = auto()
    WAIT = auto()
    LOST = auto()


class LeaseState:
    """What one replica knows of the Lease. Pure: the time is an argument, in seconds of any clock that only rises."""

    def __init__(self, identity: str, timing: Timing) -> None:
        self._identity = identity
        self._timing = timing
        self._observed: Object = {}
        self._observed_at = 0.0
        self._renewed_at: float | None = None
        self._has_ended = False

    def decide(self, now: float, lease: Object | None) -> Decision:
        """What to do about the Lease as it is now; None where there is none.

        A Lease that is gone counts as unchanged for those who saw it held: its leader makes it again, and still writes.
        """
        spec = self._observed if lease is None else lease.get("spec") or {}
        if spec != self._observed:
            self._observed, self._observed_at = spec, now
        holder = spec.get("holderIdentity") or ""
        if self._has_ended or self._renewed_at is not None:
            return Decision.RENEW if self.is_leader(now) and holder == self._identity else self._lose()
        if holder in ("", self._identity):
            return Decision.ACQUIRE
        held_seconds = spec.get("leaseDurationSeconds") or self._timing.lease_seconds
        return Decision.ACQUIRE if now >= self._observed_at + held_seconds else Decision.WAIT

    def renewed(self, sent_at: float, lease: Object) -> None:
        """This replica's claim to the Lease, sent at that time, was accepted; the Lease is now this one."""
        self._observed, self._observed_at = lease["spec"], sent_at
        self._renewed_at = sent_at

    def resign(self) -> None:
        """From now on this replica is no leader, and never will be again."""
        self._has_ended = True

    def is_leader(self, now: float) -> bool:
        """Whether this replica may write."""
        return not self._has_ended and self.seconds_to_renew(now) > 0

    def seconds_to_renew(self, now: float) -> float:
        """How long a leader may still write unless it renews the Lease."""
        return self._seconds_after_renewal(now, self._timing.renew_deadline_seconds)

    def seconds_left(self, now: float) -> float:
        """How long it takes at least until another replica may write."""
        return self._seconds_after_renewal(now, self._timing.lease_seconds)

    def _seconds_after_renewal(self, now: float, seconds: float) -> float:
        """0 or less once they have passed, and where there was no renewal."""
        return 0.0 if self._renewed_at is None else self._renewed_at + seconds - now

    def _lose(self) -> Decision:
        self.resign()
        return Decision.LOST
