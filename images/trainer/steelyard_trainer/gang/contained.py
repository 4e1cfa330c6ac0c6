"""A program of a user's own, in any language, before which a supervisor stands.

Imports the gang's parts and what is pure of the contract: it runs in images that have no Python.
"""

import json
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from steelyard.contract.stages import Result
from steelyard.contract.workspace import Workspace
from steelyard_trainer.gang.descendants import adopt_orphans
from steelyard_trainer.gang.member import (
    Limits,
    Member,
    cluster_of,
    reachable,
    without_cluster,
    workspace_from_environment,
)
from steelyard_trainer.gang.supervisor import Program, Supervisor
from steelyard_trainer.process import Outcome

LAST_SECONDS = 20.0
"""How long the other workers' programs may go on when worker 0's is done."""


def supervise(command: Sequence[str], clean_up: Callable[[], None] | None = None) -> Outcome:
    """Runs this worker's program, through as many restarts as runPolicy allows, until worker 0's is done.

    Args:
        command: the program and its arguments.
        clean_up: ends what the program's end leaves running.

    Raises:
        StageError: as `Supervisor.run`; what the environment says can't be read (78).
    """
    member = Member.from_environment(Limits.from_environment())
    workspace = workspace_from_environment()
    if (finished := _finished(workspace, member)) is not None:
        member.notice("was done already", "Resumed")
        return finished
    adopt_orphans()
    outcome = Supervisor(member, replace(_program(command, workspace, member), clean_up=clean_up)).run()
    if member.worker == 0:
        _leave(workspace, member, outcome)
    return outcome


def _program(command: Sequence[str], workspace: Workspace, member: Member) -> Program:
    return Program(
        name=f"the program {Path(command[0]).name}",
        command=command,
        environment=lambda own, hosts: environment_of(member, own, hosts),
        finished=lambda: _finished(workspace, member),
        last_seconds=LAST_SECONDS,
        is_ours=False,
    )


def environment_of(member: Member, own: Mapping[str, str], hosts: Sequence[str]) -> dict[str, str]:
    """A program's variables: this process's, and where its peers are, as TensorFlow reads it and as torchrun sets it.

    Args:
        member: which worker it is.
        own: this process's.
        hosts: where each worker was heard of.
    """
    first = reachable(member.addresses, hosts)[0] if member.addresses else f"127.0.0.1:{_free_port()}"
    host, _, port = first.rpartition(":")
    return {
        **without_cluster(own),
        **cluster_of(member.addresses, hosts, member.worker),
        "RANK": str(member.worker),
        "WORLD_SIZE": str(member.workers),
        "LOCAL_RANK": "0",
        "MASTER_ADDR": host.strip("[]"),
        "MASTER_PORT": port,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _finished(workspace: Workspace, member: Member) -> Outcome | None:
    """What worker 0 left when its program was done under this key, if it was. Raises OSError of a lost storage."""
    try:
        left = Result.from_json(json.loads(workspace.program.contained_file.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError, RecursionError):
        return None
    return Outcome(left.message, left.summary, left.reason) if left.key == member.key else None


def _leave(workspace: Workspace, member: Member, outcome: Outcome) -> None:
    """For workers that come back later, and would wait for worker 0 in vain."""
    left = Result("train", member.key, outcome.reason, outcome.message, outcome.summary)
    file = workspace.program.contained_file
    partial = file.with_suffix(".partial")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(left.to_json()), encoding="utf-8")
        partial.rename(file)
