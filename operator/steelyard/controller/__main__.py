"""`python -m steelyard.controller`: the operator's process. Puts the parts together; imports all of the controller."""

import gc
import logging
import os
import sys
from contextlib import AsyncExitStack
from typing import Any

import kopf
import uvloop
from prometheus_client import CollectorRegistry

from steelyard.api.errors import SteelyardError
from steelyard.contract.stages import ExitCode
from steelyard.controller.operator import Operator
from steelyard.controller.runtime.cache import DueKey, Key
from steelyard.controller.runtime.claim_users import ClaimUsers
from steelyard.controller.runtime.clean_up import CleanUp
from steelyard.controller.runtime.health import HealthServer, Heartbeat
from steelyard.controller.runtime.leadership import (
    Fenced,
    Leadership,
    LeadershipLostError,
    LeaseLeadership,
    SoleReplica,
    new_identity,
)
from steelyard.controller.runtime.logs import configure_logs
from steelyard.controller.runtime.prometheus import Counted, Metrics
from steelyard.controller.runtime.work_queue import WorkQueue
from steelyard.controller.settings import Settings
from steelyard.controller.training.cache import Cache
from steelyard.controller.training.reconciler import Reconciler
from steelyard.controller.tuning.cache import TuningCache
from steelyard.controller.tuning.findings import Findings
from steelyard.controller.tuning.reconciler import TuningReconciler
from steelyard.kube import Api, ApiError
from steelyard.tuning.asking_process import AskingProcess

logger = logging.getLogger("steelyard")

STUCK_SECONDS = 300.0
"""Longer than any reconcile takes whose requests all run into their time-outs."""


def main() -> int:
    """Runs the operator until SIGTERM or SIGINT; returns the process's exit code."""
    configure_logs()
    try:
        settings = Settings.from_environment(os.environ)
        configure_logs(settings.log_format, settings.log_level)
        _spare_the_collector()
        uvloop.run(run(settings))
    except SteelyardError as error:
        logger.critical(error.message)
        return error.exit_code
    except LeadershipLostError as error:
        logger.critical(error)
        return ExitCode.TRY_AGAIN
    except ApiError as error:
        logger.critical("the API server refuses: %s", error)
        return ExitCode.TRY_AGAIN if error.is_passing else ExitCode.CONFIGURATION
    except kopf.LoginError:
        logger.critical("the API server no longer accepts the operator's credentials")
        return ExitCode.TRY_AGAIN
    return ExitCode.DONE


def _spare_the_collector() -> None:
    """Garbage in cycles is looked for less often, and not among what was imported: each event is a tree of some hundred
    objects, and with Python's own threshold the search took about a sixth of the operator's time, as seen."""
    gc.freeze()
    gc.set_threshold(50_000)


async def run(settings: Settings) -> None:
    """Runs one replica. Raises SteelyardError and LeadershipLostError."""
    metrics = Metrics(CollectorRegistry())
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(await Api.connect(user_agent="steelyard-operator"))
        asks = AskingProcess()
        stack.push_async_callback(asks.close)
        leadership = _leadership(settings, api)
        cache, searches = Cache(), TuningCache()
        requests = Fenced(Counted(api, metrics), leadership)
        queue: WorkQueue[Key] = WorkQueue()
        tuning_queue: WorkQueue[Key] = WorkQueue()
        clean_queue: WorkQueue[DueKey] = WorkQueue()
        queues: list[WorkQueue[Any]] = [queue, tuning_queue, clean_queue]
        heartbeat = Heartbeat(
            STUCK_SECONDS, lambda: leadership.is_leader_now() and any(queue.has_work for queue in queues)
        )
        operator = Operator(
            settings,
            api,
            leadership,
            metrics,
            Reconciler(cache, requests, api, settings, metrics, searches.claim_of),
            cache,
            TuningReconciler(searches, requests, asks, Findings(searches, requests, api), settings, metrics),
            searches,
            CleanUp({each.resource: each for each in (cache.bodies, searches.bodies)}, requests, ClaimUsers(requests)),
            heartbeat,
            queue,
            tuning_queue,
            clean_queue,
        )
        alive, ready = {"reconcilers": heartbeat}, {"watches": operator.is_ready}
        async with HealthServer(settings.port, metrics.registry, alive=alive, ready=ready):
            await operator.run()


def _leadership(settings: Settings, api: Api) -> Leadership:
    if not settings.leader_election:
        return SoleReplica()
    namespace = settings.lease_namespace or api.namespace
    return LeaseLeadership(api, namespace, settings.lease_name, new_identity(settings.pod_name))


if __name__ == "__main__":
    sys.exit(main())
