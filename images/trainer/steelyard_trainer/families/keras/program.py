"""A worker's TensorFlow process, as its supervisor starts it. Imports the gang and the contract; never TensorFlow."""

import json
import os
import signal
from collections.abc import Mapping, Sequence

from steelyard.api.errors import ConfigurationError
from steelyard.contract.stages import Env
from steelyard_trainer.contract import Outcome, StageContext
from steelyard_trainer.gang.channel import split_address
from steelyard_trainer.gang.supervisor import Program, Supervisor
from steelyard_trainer.trained import finished_training

TENSORFLOW_PROCESS = "the TensorFlow process"
CLUSTER = "TF_CONFIG"
"""The variable in which TensorFlow reads who its peers are."""


def train(context: StageContext) -> Outcome:
    """Trains this worker's part in processes of TensorFlow. Raises as `Supervisor.run` does."""
    if (finished := _finished(context)) is not None:
        context.notice("was trained already", "Resumed")
        return finished
    context.workspace.checkpoints.mkdir(parents=True, exist_ok=True)
    return Supervisor(context, program_of(context)).run()


def program_of(context: StageContext) -> Program:
    """What a worker's supervisor starts. Raises ConfigurationError where a variable of the contract is missing."""
    addresses = _addresses()

    def environment(own: Mapping[str, str], hosts: Sequence[str]) -> dict[str, str]:
        return {**quiet_and_alone(own), **cluster_of(addresses, hosts, context.worker)}

    return Program(
        name=TENSORFLOW_PROCESS,
        arguments=("-m", "steelyard_trainer.families.keras", "train"),
        environment=environment,
        finished=lambda: _finished(context),
        # TensorFlow aborts where it can't tell Python of a lost peer.
        ends_by_a_lost_peer=frozenset({-signal.SIGABRT}),
        for_less_memory="lower spec.training.batchSize",
    )


def quiet_and_alone(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables for a process of TensorFlow that has no peers, whatever another program has set."""
    return {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        **{name: value for name, value in environment.items() if name != CLUSTER},
    }


def cluster_of(addresses: Sequence[str], hosts: Sequence[str], index: int) -> dict[str, str]:
    """TensorFlow's description of its cluster: all hosts with the ports of their addresses; none of one worker.

    Args:
        addresses: host:port of each worker; none where there is one worker.
        hosts: where each was heard of. TensorFlow must find all of them at its start.
        index: which of them the process is.
    """
    if not addresses:
        return {}
    named = [f"[{host}]" if ":" in host else host for host in hosts]
    ports = [split_address(address)[1] for address in addresses]
    workers = [f"{host}:{port}" for host, port in zip(named, ports, strict=True)]
    return {CLUSTER: json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})}


def _addresses() -> list[str]:
    """host:port of each worker; none where there is one worker."""
    if not os.environ.get(Env.SUPERVISORS):
        return []
    supervisors = os.environ[Env.SUPERVISORS].split(",")
    given = os.environ.get(Env.WORKERS, "")
    addresses = given.split(",")
    if len(addresses) != len(supervisors) or "" in addresses:
        raise ConfigurationError(
            f"{Env.WORKERS} is {given!r}; allowed: host:port of each of the {len(supervisors)} workers of "
            f"{Env.SUPERVISORS}, with commas between; the runner of the stage sets it"
        )
    return addresses


def _finished(context: StageContext) -> Outcome | None:
    """The outcome of a training that was done under this key before, without a restart now."""
    if (finished := finished_training(context, context.workspace.model_file)) is None:
        return None
    return Outcome(finished.message, {**finished.summary, "restarts": 0}, finished.reason)
