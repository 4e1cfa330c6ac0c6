"""Who a process is among the workers of a stage, and how often a gang may try again.

Imports what is pure of the contract only.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.contract.errors import StageError
from steelyard.contract.stages import Env, ExitCode, Notice, Reason
from steelyard.contract.workspace import Workspace
from steelyard_trainer.gang.channel import Receive, serve, split_address
from steelyard_trainer.process import print_event

CLUSTER = "TF_CONFIG"
"""The variable in which TensorFlow, and many another program, reads who its peers are."""


@dataclass(frozen=True)
class Limits:
    """Of spec.runPolicy what a gang goes by."""

    backoff_limit: int
    disruption_limit: int
    gang_timeout_seconds: float
    stall_timeout_seconds: float | None = None
    """None: nobody watches."""

    @classmethod
    def from_environment(cls) -> "Limits":
        """Those of Env.RUN_POLICY. Raises StageError (78)."""
        given = os.environ.get(Env.RUN_POLICY, "")
        try:
            policy = json.loads(given)
            stall = policy.get("stallTimeoutSeconds")
            return cls(
                int(policy["backoffLimit"]),
                int(policy["disruptionLimit"]),
                float(policy["gangTimeoutSeconds"]),
                None if stall is None else float(stall),
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            raise _misconfigured(
                f"{Env.RUN_POLICY} is {given!r}; allowed: a JSON object with the numbers backoffLimit, "
                "disruptionLimit, gangTimeoutSeconds and, where stalls are watched for, stallTimeoutSeconds"
            ) from None


@dataclass(frozen=True)
class Member:
    """One worker of a stage."""

    worker: int
    """From 0."""
    key: str
    """The digest of the stage's inputs, by which the workers of one stage know each other."""
    limits: Limits
    supervisors: tuple[str, ...] = ()
    """host:port of each worker's supervisor, by worker; none where there is one worker."""
    addresses: tuple[str, ...] = ()
    """host:port of each worker, for what its program says to its peers; none where there is one worker."""
    attempt: int | None = None
    """Of its process, for the one that it starts."""

    @classmethod
    def from_environment(
        cls, limits: Limits, *, worker: int | None = None, key: str | None = None, attempt: int | None = None
    ) -> "Member":
        """What the environment says; `worker` and `key`, too, where they are not given. Raises StageError (78)."""
        supervisors = tuple(address for address in os.environ.get(Env.SUPERVISORS, "").split(",") if address)
        index = os.environ.get(Env.WORKER_INDEX, "0") if worker is None else str(worker)
        key = _required(Env.STAGE_KEY) if key is None else key
        if not index.isdecimal() or int(index) >= max(1, len(supervisors)):
            raise _misconfigured(
                f"{Env.WORKER_INDEX} is {index!r}; allowed: 0 to {max(1, len(supervisors)) - 1}, as "
                f"{Env.SUPERVISORS} is {','.join(supervisors)!r}"
            )
        return cls(int(index), key, limits, supervisors, _addresses(len(supervisors)), attempt)

    @property
    def workers(self) -> int:
        """How many workers there are."""
        return max(1, len(self.supervisors))

    def named(self, workers: Sequence[int]) -> str:
        """Some of the workers and where they should be, for people."""
        return ", ".join(f"worker {worker} ({self.supervisors[worker]})" for worker in workers) or "none"

    def not_ready(self, missing: Sequence[int]) -> StageError:
        """What to raise where some of the workers were not heard of in time."""
        return StageError(
            f"not all of the {self.workers} workers were ready within {self.limits.gang_timeout_seconds:g} s "
            f"(spec.runPolicy.gangTimeoutSeconds); no answer from {self.named(missing)}",
            reason=Reason.WORKERS_NOT_READY,
            exit_code=ExitCode.TRY_AGAIN,
        )

    def listen(self, receive: Receive) -> None:
        """For worker 0: answers the heartbeats of all for as long as this process lives.

        Raises:
            StageError: the port is taken (WorkersNotReady, 75).
        """
        address = self.supervisors[0]
        try:
            serve(address, self.key, receive)
        except OSError as error:
            raise StageError(
                f"can't listen on {address}: {error.strerror}",
                reason=Reason.WORKERS_NOT_READY,
                exit_code=ExitCode.TRY_AGAIN,
            ) from None

    def notice(self, message: str, reason: str, *, is_after_others: bool = False) -> None:
        """Prints something that a person should know.

        Args:
            message: the text.
            reason: a word for it.
            is_after_others: whether a program wrote before; its last line may have no end, as a progress bar.
        """
        print_event(Notice("train", message, reason, self.worker).to_json(), before="\n" * is_after_others)


def reachable(addresses: Sequence[str], hosts: Sequence[str]) -> list[str]:
    """The addresses with the hosts at which the workers were heard of, as a name may lead nowhere yet, or still to the
    pod that was there before."""
    named = [f"[{host}]" if ":" in host else host for host in hosts]
    ports = [split_address(address)[1] for address in addresses]
    return [f"{host}:{port}" for host, port in zip(named, ports, strict=True)]


def cluster_of(addresses: Sequence[str], hosts: Sequence[str], index: int) -> dict[str, str]:
    """TensorFlow's description of its cluster: all hosts with the ports of their addresses; none of one worker.

    Args:
        addresses: host:port of each worker; none where there is one worker.
        hosts: where each was heard of. TensorFlow must find all of them at its start.
        index: which of them the process is.
    """
    if not addresses:
        return {}
    workers = reachable(addresses, hosts)
    return {CLUSTER: json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})}


def without_cluster(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables without peers, whatever another program has set."""
    return {name: value for name, value in environment.items() if name != CLUSTER}


def workspace_from_environment() -> Workspace:
    """The workspace that the environment names. Raises StageError (78)."""
    return Workspace(Path(_required(Env.WORKSPACE)))


def _required(variable: Env) -> str:
    if not (value := os.environ.get(variable)):
        raise _misconfigured(f"the environment variable {variable} is not set; the runner of the stage sets it")
    return value


def _addresses(workers: int) -> tuple[str, ...]:
    if not workers:
        return ()
    given = os.environ.get(Env.WORKERS, "")
    addresses = tuple(given.split(","))
    if len(addresses) != workers or "" in addresses:
        raise _misconfigured(
            f"{Env.WORKERS} is {given!r}; allowed: host:port of each of the {workers} workers of {Env.SUPERVISORS}, "
            "with commas between; the runner of the stage sets it"
        )
    return addresses


def _misconfigured(message: str) -> StageError:
    return StageError(message, reason=Reason.INVALID_CONFIGURATION, exit_code=ExitCode.CONFIGURATION)
