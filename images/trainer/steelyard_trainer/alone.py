"""A stage that is one process, watched by a parent of its own: for runPolicy.stallTimeoutSeconds. Imports the gang's
watch and the contract.

The runner starts it again, and counts that, as it does where it crashes; the parent says why it ended.
"""

import os
import signal
import time
from contextlib import suppress
from typing import NoReturn

from steelyard.contract.stages import Env, Reason, Result
from steelyard_trainer import pulse
from steelyard_trainer.contract import StageContext
from steelyard_trainer.gang.stall import StallWatch, forbid_stack_signal, no_progress, write_stack
from steelyard_trainer.process import die_with_parent, end

LOOK_SECONDS = 0.05


def watch(context: StageContext) -> None:
    """Goes on in a child of this process, if stalls are to be watched for; this process watches and never returns.

    To be called while there is one thread and before libraries are imported.
    """
    limit = context.job.spec.run_policy.stall_timeout_seconds
    if limit is None:
        return
    watch = StallWatch()
    forbid_stack_signal()
    watch.restart(time.monotonic())
    parent = os.getpid()
    if (child := os.fork()) != 0:
        _watch(child, watch, limit, context)
    os.environ[Env.PARENT_PID] = str(parent)
    die_with_parent()
    os.environ[Env.PULSE] = str(watch.folder)
    pulse.begin()


def _watch(child: int, watch: StallWatch, limit: float, context: StageContext) -> NoReturn:
    """Ends as the child does; or, once that has stalled, with a crash that says so."""
    signal.signal(signal.SIGTERM, lambda number, _frame: _signal(child, number))
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            watch.end()
            _end_as(os.waitstatus_to_exitcode(status))
        if watch.look(time.monotonic()) >= limit:
            where = write_stack(watch, child, context.stage)
            _signal(child, signal.SIGKILL)
            os.waitpid(child, 0)
            watch.end()
            message = f"{context.stage} stalled: {no_progress(limit, where)}"
            end(Result(context.stage, context.key, Reason.STALLED, message), 1)
        time.sleep(LOOK_SECONDS)


def _signal(child: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, number)


def _end_as(code: int) -> NoReturn:
    """The child has left its result; a signal that killed it ends this process too."""
    if code < 0:
        if code != -signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
        # The first process of a container is not ended by its own signals.
        os._exit(128 - code)
    os._exit(code)
