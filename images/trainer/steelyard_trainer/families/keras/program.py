"""A worker's TensorFlow process, as its supervisor starts it. Imports the gang and the contract; never TensorFlow."""

import signal
import sys
from collections.abc import Mapping, Sequence

from steelyard_trainer.contract import Outcome, StageContext
from steelyard_trainer.gang.member import Limits, Member, cluster_of, without_cluster
from steelyard_trainer.gang.supervisor import Program, Supervisor
from steelyard_trainer.trained import candidates_are_made, finished_training

TENSORFLOW_PROCESS = "the TensorFlow process"


def train(context: StageContext) -> Outcome:
    """Trains this worker's part in processes of TensorFlow. Raises as `Supervisor.run` does."""
    if (finished := _finished(context)) is not None:
        context.notice("was trained already", "Resumed")
        return finished
    context.workspace.checkpoints.mkdir(parents=True, exist_ok=True)
    member = member_of(context)
    return Supervisor(member, program_of(context, member)).run()


def member_of(context: StageContext) -> Member:
    """Which worker this is. Raises StageError (78) where a variable of the contract is missing."""
    policy = context.job.spec.run_policy
    return Member.from_environment(
        Limits(
            policy.backoff_limit,
            policy.disruption_limit,
            policy.gang_timeout_seconds,
            policy.stall_timeout_seconds,
        ),
        worker=context.worker,
        key=context.key,
        attempt=None if context.attempt is None else context.attempt.number,
    )


def program_of(context: StageContext, member: Member) -> Program:
    """What a worker's supervisor starts."""

    def environment(own: Mapping[str, str], hosts: Sequence[str]) -> dict[str, str]:
        return {**quiet_and_alone(own), **cluster_of(member.addresses, hosts, member.worker)}

    return Program(
        name=TENSORFLOW_PROCESS,
        command=(sys.executable, "-m", "steelyard_trainer.families.keras", "train"),
        environment=environment,
        finished=lambda: _finished(context),
        # TensorFlow aborts where it can't tell Python of a lost peer.
        ends_by_a_lost_peer=frozenset({-signal.SIGABRT}),
        for_less_memory="lower spec.training.batchSize",
        checkpoint_signal=signal.SIGUSR1,
    )


def quiet_and_alone(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables for a process of TensorFlow that has no peers, whatever another program has set."""
    return {"TF_CPP_MIN_LOG_LEVEL": "2", **without_cluster(environment)}


def _finished(context: StageContext) -> Outcome | None:
    """The outcome of a training that was done under this key before, without a restart now."""
    if (finished := finished_training(context, context.workspace.model_file)) is None:
        return None
    if context.job.spec.trains_candidates and not candidates_are_made(context):
        return None
    return Outcome(finished.message, {**finished.summary, "restarts": 0}, finished.reason)
